// Who may ask the made-up Proxmox VE for what: passwords, tickets with their token against forged requests, API tokens, and
// privileges by path (pve-access-control's AccessControl.pm, pve-manager's HTTPServer.pm).
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Json } from '../../kit/canonical-json.ts';
import { type Asked, Refusal } from './api-method.ts';
import type { FakeCluster } from './cluster.ts';

interface Ticket {
  readonly by: string;
  readonly csrf: string;
  readonly at: number;
}

const ticketMs = 2 * 3_600_000;

export class Accounts {
  readonly #cluster: FakeCluster;
  readonly #now: () => number;
  readonly #tickets = new Map<string, Ticket>();

  constructor(cluster: FakeCluster, now: () => number) {
    this.#cluster = cluster;
    this.#now = now;
  }

  forgetTickets(): void {
    this.#tickets.clear();
  }

  login(given: ReadonlyMap<string, string>): Json {
    const user = given.get('username') ?? '';
    const account = this.#cluster.accounts.get(user);
    if (account?.password === undefined || account.password === null || account.password !== given.get('password'))
      throw new Refusal(401, 'authentication failure');
    // With every character that a cookie would not carry unescaped.
    const ticket = `PVE:${user}:${randomUUID()}::a+b/c=;${this.#tickets.size}`;
    if (account.needsSecondFactor) return { username: user, ticket: `PVE:!tfa!${ticket}`, NeedTFA: 1 };
    const csrf = `${this.#now().toString(16).toUpperCase().slice(-8)}:${randomUUID()}`;
    this.#tickets.set(ticket, { by: user, csrf, at: this.#now() });
    return { username: user, ticket, CSRFPreventionToken: csrf };
  }

  /** The account, or a refusal; a token stands for its user. */
  whoAsks(verb: string, headers: IncomingHttpHeaders): string {
    const [, by = '', name = '', secret = ''] =
      /^PVEAPIToken=([^!]+)!([^=]+)=(.+)$/.exec(headers.authorization ?? '') ?? [];
    if (by !== '') {
      if (this.#cluster.accounts.get(by)?.tokens.get(name) !== secret) throw new Refusal(401, 'Authentication failed!');
      return by;
    }
    const cookie = /(?:^|\s)PVEAuthCookie=([^;]*)/.exec(headers.cookie ?? '')?.[1];
    if (cookie === undefined) throw new Refusal(401, 'No ticket');
    const ticket = this.#tickets.get(decodeURIComponent(cookie));
    if (ticket === undefined || this.#now() - ticket.at > ticketMs)
      throw new Refusal(401, 'permission denied - invalid PVE ticket');
    if (verb !== 'GET' && headers['csrfpreventiontoken'] !== ticket.csrf)
      throw new Refusal(401, 'Permission denied - invalid csrf token');
    return ticket.by;
  }

  privilegesOf(by: string): Pick<Asked, 'need' | 'may'> {
    const may = (path: string, privilege: string): boolean =>
      [...(this.#cluster.accounts.get(by)?.privileges ?? [])].some(
        ([above, names]) =>
          (above === '/' || above === path || path.startsWith(`${above}/`)) && names.includes(privilege),
      );
    return {
      may,
      need(path, names) {
        if (!names.some((name) => may(path, name)))
          throw new Refusal(403, `Permission check failed (${path}, ${names.join('|')})`);
      },
    };
  }
}
