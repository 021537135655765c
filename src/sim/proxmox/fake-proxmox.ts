// A Proxmox VE server that is none: HTTPS, tickets and tokens, privileges, tasks and the methods that Plumbline uses, with the
// refusals of the real one; and on demand one that hangs, cuts the line, or says that it did what it did not do.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Json } from '../../kit/canonical-json.ts';
import { Accounts } from './accounts.ts';
import { type ApiMethod, checkParameters, matchPath, type Parameters, Refusal } from './api-method.ts';
import { everyPrivilege, type FakeAccount, type FakeCluster, type FakeVm } from './cluster.ts';
import { firewallMethods } from './firewall-methods.ts';
import { Tasks } from './tasks.ts';
import { vmMethods } from './vm-methods.ts';

export interface Misbehaviour {
  /** `cut-after`: does it, and cuts the line instead of answering. */
  readonly kind: 'hang' | 'cut' | 'cut-after' | 'lie' | 'nonsense';
  readonly verb?: string;
  readonly path: RegExp;
  /** How many requests; after that it behaves. */
  times: number;
}

export interface SeenRequest {
  readonly verb: string;
  /** As it came, before anything was unescaped. */
  readonly target: string;
  readonly parameters: Parameters;
}

export interface FakeOptions {
  readonly certificate: Pick<ServerOptions, 'key' | 'cert'>;
  readonly vms: readonly FakeVm[];
  /** How long a task runs. */
  readonly taskMs?: number;
  readonly now?: () => number;
}

export const fakeUser = 'plumbline@pve';
export const fakePassword = `pa"ss=w;o&r<d>%20+'`;
export const fakeToken = { id: `${fakeUser}!manager`, secret: '0b5cc1a4-7f3e-4b53-9a0e-7a3c0f6f1f00' } as const;
const methods: readonly ApiMethod[] = [...vmMethods, ...firewallMethods];
const bodyMax = 1_000_000;

export async function startFakeProxmox(options: FakeOptions): Promise<FakeProxmox> {
  const fake = new FakeProxmox(options);
  await fake.listen();
  return fake;
}

export class FakeProxmox {
  readonly cluster: FakeCluster;
  readonly seen: SeenRequest[] = [];
  readonly misbehaviours: Misbehaviour[] = [];
  /** Errors stand on the status line only, as before version 8. */
  isOld = false;
  /** Called before each request is answered: what somebody else does just then. */
  onRequest: ((verb: string, way: string) => void) | null = null;
  readonly #accounts: Accounts;
  readonly #tasks: Tasks;
  readonly #server: Server;

  constructor({ certificate, vms, taskMs = 2, now = () => Date.now() }: FakeOptions) {
    this.cluster = clusterOf(vms);
    this.#accounts = new Accounts(this.cluster, now);
    this.#tasks = new Tasks(taskMs);
    this.#server = createServer(certificate, (request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString('latin1');
        if (body.length > bodyMax) request.destroy();
      });
      request.on('end', () => this.#handle(request, response, body));
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `https://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** As a restart with new keys does. */
  forgetTickets(): void {
    this.#accounts.forgetTickets();
  }

  account(who: string): FakeAccount {
    return required(this.cluster.accounts.get(who), who);
  }

  vm(number: string): FakeVm {
    return required(this.cluster.vms.get(number), number);
  }

  async stop(): Promise<void> {
    this.#tasks.stop();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #handle(request: IncomingMessage, response: ServerResponse, body: string): void {
    const verb = request.method ?? '';
    const url = new URL(request.url ?? '/', 'https://fake');
    // Unescaped before it is taken apart.
    const way = decodeURIComponent(url.pathname).replace(/^\/api2\/json\//, '');
    // A body is read with POST and PUT only.
    const given = new Map([
      ...readForm(verb === 'POST' || verb === 'PUT' ? body : ''),
      ...readForm(url.search.slice(1)),
    ]);
    this.seen.push({ verb, target: request.url ?? '', parameters: Object.fromEntries(given) });
    const found = this.misbehaviours.find(
      (each) => each.times > 0 && each.path.test(way) && (each.verb ?? verb) === verb,
    );
    if (found !== undefined) found.times -= 1;
    if (found?.kind === 'hang') return;
    if (found?.kind === 'cut') return void request.socket.destroy();
    this.onRequest?.(verb, way);
    if (found?.kind === 'nonsense') return void response.end('<html>maintenance</html>');
    try {
      const data = this.#answer(request, way, given, found?.kind === 'lie');
      if (found?.kind === 'cut-after') request.socket.destroy();
      else say(response, 200, 'OK', { data });
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown;
      const told = this.isOld ? {} : { message: `${thrown.message}\n` };
      const errors = Object.keys(thrown.errors).length === 0 ? {} : { errors: { ...thrown.errors } };
      say(response, thrown.status, thrown.message, { data: null, ...told, ...errors });
    }
  }

  #answer(request: IncomingMessage, way: string, given: ReadonlyMap<string, string>, isLie: boolean): Json {
    const verb = request.method ?? '';
    if (way === 'access/ticket' && verb === 'POST') return this.#accounts.login(given);
    const by = this.#accounts.whoAsks(verb, request.headers);
    const { need, may } = this.#accounts.privilegesOf(by);
    const status = verb === 'GET' ? matchPath('nodes/{node}/tasks/{upid}/status', way) : null;
    if (status !== null) return this.#tasks.statusOf(status['upid'] ?? '', by);
    for (const method of methods) {
      const names = method.verb === verb ? matchPath(method.path, way) : null;
      if (names === null) continue;
      if (method.needs !== undefined)
        need(method.needs.path.replace('{vmid}', names['vmid'] ?? ''), method.needs.privileges);
      const parameters = checkParameters(method, names, given);
      const vm = this.#vmAt(names);
      const task = (name: string, run: () => void): string =>
        this.#tasks.begin({ by, node: vm.node, name, number: vm.number, run: isLie ? () => undefined : run });
      if (isLie && !answersTask(verb, way)) return null;
      return method.run({ cluster: this.cluster, given: parameters, vm, need, may, task });
    }
    throw new Refusal(501, `Method '${verb} /${way}' is none of its methods`);
  }

  #vmAt({ node, vmid }: Parameters): FakeVm {
    const isUp = this.cluster.nodes.get(node ?? '');
    if (node !== undefined && isUp === undefined) throw new Refusal(500, `hostname lookup '${node}' failed`);
    if (isUp === false)
      throw new Refusal(595, 'Errors during connection establishment, proxy handshake: No route to host');
    const vm = this.cluster.vms.get(vmid ?? '');
    if (vmid !== undefined && vm?.node !== node)
      throw new Refusal(500, `Configuration file 'nodes/${node}/qemu-server/${vmid}.conf' does not exist`);
    return vm ?? nobody;
  }
}

/** Stands where a method names no VM. */
const nobody = { number: '' } as FakeVm;

function clusterOf(vms: readonly FakeVm[]): FakeCluster {
  const account: FakeAccount = {
    password: fakePassword,
    tokens: new Map([['manager', fakeToken.secret]]),
    needsSecondFactor: false,
    privileges: new Map([['/', everyPrivilege]]),
  };
  return {
    nodes: new Map(['pve1', 'pve2'].map((name) => [name, true])),
    vms: new Map(vms.map((vm) => [vm.number, vm])),
    firewall: new Map([['enable', '1']]),
    accounts: new Map([[fakeUser, account]]),
    nextPid: 50_000,
    isCorrupted: false,
  };
}

function answersTask(verb: string, way: string): boolean {
  return verb === 'POST' && /\/(status\/(suspend|resume|stop)|snapshot|rollback)$/.test(way);
}

function say(response: ServerResponse, status: number, message: string, body: Json): void {
  // What would break the status line is no message of the real one either.
  const reason = message.split(/[\r\n]/)[0]?.replaceAll(/[^\x20-\x7e]/g, '?') ?? '';
  response.writeHead(status, reason, { 'content-type': 'application/json;charset=UTF-8' });
  response.end(JSON.stringify(body));
}

/** As pve-http-server takes a form apart: a bare `=`, `;` or `&` in a value ends it. */
function readForm(form: string): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  for (const pair of form.split(/[&;]/)) {
    const [key, value] = pair.split('=').map((text) => decodeURIComponent(text.replaceAll('+', ' ')));
    if (key !== undefined && key !== '') given.set(key, value ?? '');
  }
  return given;
}

function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`the made-up Proxmox VE has no ${name}`);
  return value;
}
