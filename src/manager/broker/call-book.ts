// The calls of the configuration, ready to be made, by name.
import { hostname } from 'node:os';
import type { Caller } from '../../connectors/call/caller.ts';
import { makeCommandCaller } from '../../connectors/call/command/command-caller.ts';
import { makeChatCaller } from '../../connectors/call/notification/chat-caller.ts';
import type { ChatKind } from '../../connectors/call/notification/chat-formats.ts';
import { makeMailCaller } from '../../connectors/call/notification/mail-caller.ts';
import { makeTicketCaller } from '../../connectors/call/ticket/ticket-caller.ts';
import { makeWebhookCaller } from '../../connectors/call/webhook/webhook-caller.ts';
import type { Clock } from '../../kit/clock.ts';
import type { KnownCall } from '../../stages/respond/steps.ts';
import type {
  CallDefinition,
  CallDefinitions,
  ChatDefinition,
  EmailDefinition,
  TicketDefinition,
} from '../call-configuration.ts';

export interface CallBook {
  readonly known: readonly KnownCall[];
  /** Where people open the console, for links to it; null = nobody said. */
  readonly consoleUrl: string | null;
  /** Null = no such call is configured. */
  caller(name: string): Caller | null;
}

const httpMsMax = 10_000;
const mailMsMax = 30_000;
const commandMsMax = 60_000;
const commandGraceMs = 5000;

export function makeCallBook(definitions: CallDefinitions, consoleUrl: string | null, clock: Clock): CallBook {
  const now = () => clock.now();
  const callers = new Map<string, Caller>();
  for (const [name, definition] of Object.entries(definitions)) {
    const caller = callerOf(definition, now);
    if (caller !== null) callers.set(name, caller);
  }
  return {
    consoleUrl,
    known: [...callers].map(([name, { canEnd }]) => ({ name, canEnd })),
    caller: (name) => callers.get(name) ?? null,
  };
}

/** Null cannot come from a configuration that was read: it holds exactly one kind. */
function callerOf({ webhook, command, notification, ticket }: CallDefinition, now: () => number): Caller | null {
  if (webhook !== undefined)
    return makeWebhookCaller({ ...receiverAt(webhook.url, webhook), secretFile: webhook.secretFile, now });
  if (command !== undefined)
    return makeCommandCaller({
      run: command.run,
      user: command.user,
      allowRoot: command.allowRoot ?? false,
      timeoutMs: command.timeoutMs ?? commandMsMax,
      graceMs: commandGraceMs,
    });
  if (ticket !== undefined) return ticketCaller(ticket);
  const { email, slack, teams, mattermost } = notification ?? {};
  if (email !== undefined) return mailCaller(email, now);
  if (slack !== undefined) return chatCaller('slack', slack);
  if (teams !== undefined) return chatCaller('teams', teams);
  return mattermost === undefined ? null : chatCaller('mattermost', mattermost);
}

function receiverAt(address: string, reaching: Parameters<typeof reachOf>[0]) {
  const url = new URL(address);
  return { url, place: `${url.origin}${url.pathname}`, ...reachOf(reaching) };
}

function reachOf(reaching: Pick<ChatDefinition, 'timeoutMs' | 'certificate' | 'privateAddresses'>) {
  return {
    timeoutMs: reaching.timeoutMs ?? httpMsMax,
    fingerprint: reaching.certificate ?? null,
    privateAddresses: reaching.privateAddresses ?? false,
  };
}

function chatCaller(chat: ChatKind, definition: ChatDefinition): Caller {
  return makeChatCaller({ chat, urlFile: definition.urlFile, ...reachOf(definition) });
}

function mailCaller(
  { host, port, tls = 'starttls', certificate, user, passwordFile, from, to, timeoutMs }: EmailDefinition,
  now: () => number,
): Caller {
  // RFC 6409 and RFC 8314: 587 for submission, 465 where it is encrypted from the first byte.
  const usual = tls === 'implicit' ? 465 : tls === 'none' ? 25 : 587;
  const greeting = hostname().replaceAll(/[^A-Za-z0-9.-]/g, '-') || 'localhost';
  const fingerprint = certificate?.replaceAll(':', '').toUpperCase() ?? null;
  return makeMailCaller({
    server: { host, port: port ?? usual, tls, fingerprint, greeting },
    login: user === undefined || passwordFile === undefined ? null : { user, passwordFile },
    from,
    to,
    timeoutMs: timeoutMs ?? mailMsMax,
    now,
  });
}

function ticketCaller(ticket: TicketDefinition): Caller {
  const { close } = ticket;
  const headers = Object.entries(ticket.headers ?? {}).map(([name, value]) => {
    return [name, typeof value === 'string' ? value : { file: value.file, prefix: value.prefix ?? '' }] as const;
  });
  return makeTicketCaller({
    ...receiverAt(ticket.url, ticket),
    method: ticket.method ?? 'POST',
    headers: Object.fromEntries(headers),
    body: ticket.body,
    key: ticket.key ?? null,
    close: close === undefined ? null : { method: close.method ?? 'POST', url: close.url, body: close.body },
  });
}
