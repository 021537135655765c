// The `calls` of the manager's configuration: what may be called outside as a step of a plan, each under a name that rules use.
import { Type, type Static } from 'typebox';
import { readUrl } from '../connectors/call/http-call.ts';
import { Name } from '../model/name.ts';
import { placeholdersIn } from '../connectors/call/ticket/template.ts';
import type { Fault } from '../model/shape-faults.ts';

const strict = { additionalProperties: false } as const;
const File = Type.String({ pattern: '^/', maxLength: 4096, description: 'an absolute path' });
const Url = Type.String({
  pattern: '^https?://',
  maxLength: 2000,
  description: 'an address that begins with https:// or http://',
});
const Host = Type.String({
  minLength: 1,
  maxLength: 255,
  pattern: '^[A-Za-z0-9.:_-]+$',
  description: 'a host name or address',
});
const MailAddress = Type.String({
  pattern: '^[A-Za-z0-9.!#$%&*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}$',
  description: 'an e-mail address in ASCII without a display name',
});

/** What every receiver that is reached over HTTP may be given. */
const reaching = {
  timeoutMs: Type.Optional(Type.Integer({ minimum: 100, maximum: 60_000 })),
  /** SHA-256 of the certificate; then no authority has to vouch for it, and no other is accepted. */
  certificate: Type.Optional(
    Type.String({
      pattern: '^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$',
      description: 'a SHA-256 of 64 hexadecimal digits',
    }),
  ),
  /** The host's name may lead to private addresses; an address that stands in the URL itself always may. */
  privateAddresses: Type.Optional(Type.Boolean()),
};

const Webhook = Type.Object({ url: Url, secretFile: File, ...reaching }, strict);

const Command = Type.Object(
  {
    /** The executable and its arguments; the facts come on standard input. */
    run: Type.Array(Type.String({ maxLength: 4096, pattern: '^[^\\u0000]*$' }), { minItems: 1, maxItems: 64 }),
    user: Type.String({ pattern: '^[a-z_][a-z0-9_-]{0,31}$', description: 'the name of an account' }),
    /** Without it nothing is run as root. */
    allowRoot: Type.Optional(Type.Boolean()),
    timeoutMs: Type.Optional(Type.Integer({ minimum: 100, maximum: 600_000 })),
  },
  strict,
);

const Chat = Type.Object({ urlFile: File, ...reaching }, strict);

const Email = Type.Object(
  {
    host: Host,
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
    /** starttls unless given; none only where nobody else is on the line. */
    tls: Type.Optional(Type.Enum(['starttls', 'implicit', 'none'])),
    certificate: reaching.certificate,
    user: Type.Optional(
      Type.String({ minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$', description: 'printable ASCII' }),
    ),
    passwordFile: Type.Optional(File),
    from: MailAddress,
    to: Type.Array(MailAddress, { minItems: 1, maxItems: 20 }),
    timeoutMs: reaching.timeoutMs,
  },
  strict,
);

const Notification = Type.Object(
  {
    email: Type.Optional(Email),
    slack: Type.Optional(Chat),
    teams: Type.Optional(Chat),
    mattermost: Type.Optional(Chat),
  },
  strict,
);

const Headers = Type.Record(
  Type.String({ pattern: '^[A-Za-z][A-Za-z0-9-]{0,63}$' }),
  Type.Union([
    Type.String({ pattern: '^[\\x20-\\x7e]{0,1000}$' }),
    Type.Object({ file: File, prefix: Type.Optional(Type.String({ pattern: '^[\\x20-\\x7e]{0,100}$' })) }, strict),
  ]),
  strict,
);
const Method = Type.Enum(['POST', 'PUT', 'PATCH', 'DELETE']);

const Ticket = Type.Object(
  {
    method: Type.Optional(Method),
    url: Url,
    headers: Type.Optional(Headers),
    /** Any JSON; in its texts {{alarm.title}} and the like are filled in. */
    body: Type.Unknown(),
    /** JSON pointer (RFC 6901) to the ticket's key in the answer. */
    key: Type.Optional(
      Type.String({ pattern: '^(/([^~/]|~[01])*)+$', maxLength: 500, description: 'a JSON pointer such as /key' }),
    ),
    /** What closes it when the plan is undone; {key} in its address is the ticket's key. */
    close: Type.Optional(
      Type.Object({ method: Type.Optional(Method), url: Url, body: Type.Optional(Type.Unknown()) }, strict),
    ),
    ...reaching,
  },
  strict,
);

const CallDefinition = Type.Object(
  {
    webhook: Type.Optional(Webhook),
    command: Type.Optional(Command),
    notification: Type.Optional(Notification),
    ticket: Type.Optional(Ticket),
  },
  strict,
);
export type CallDefinition = Static<typeof CallDefinition>;
export type ChatDefinition = Static<typeof Chat>;
export type EmailDefinition = Static<typeof Email>;
export type TicketDefinition = Static<typeof Ticket>;

export const callsMax = 100;

export const CallDefinitions = Type.Record(Name, CallDefinition, { ...strict, maxProperties: callsMax });
export type CallDefinitions = Static<typeof CallDefinitions>;

/** What a schema cannot say. `calls` has its shape. */
export function callFaults(calls: CallDefinitions): Fault[] {
  return Object.entries(calls).flatMap(([name, definition]) => faultsOf(['calls', name], definition));
}

type Path = Fault['path'];

function faultsOf(path: Path, definition: CallDefinition): Fault[] {
  const { command, notification, ticket, webhook } = definition;
  return [
    ...oneOf(path, definition, 'webhook, command, notification or ticket'),
    ...(webhook === undefined ? [] : urlFaults([...path, 'webhook', 'url'], webhook.url)),
    ...(command === undefined ? [] : commandFaults([...path, 'command'], command)),
    ...(notification === undefined ? [] : notificationFaults([...path, 'notification'], notification)),
    ...(ticket === undefined ? [] : ticketFaults([...path, 'ticket'], ticket)),
  ];
}

function oneOf(path: Path, of: object, choices: string): Fault[] {
  return Object.keys(of).length === 1 ? [] : [{ path, message: `must hold one of ${choices}` }];
}

function urlFaults(path: Path, text: string): Fault[] {
  const url = readUrl(text);
  return url.ok ? [] : [{ path, message: 'must be an address without user and password; secrets go into a file' }];
}

function commandFaults(path: Path, { run: [executable = ''], user, allowRoot }: Static<typeof Command>): Fault[] {
  return [
    ...(executable.startsWith('/') ? [] : [{ path: [...path, 'run', 0], message: 'must be an absolute path' }]),
    ...(user === 'root' && allowRoot !== true
      ? [{ path: [...path, 'user'], message: 'is root, which needs allowRoot: true' }]
      : []),
  ];
}

function notificationFaults(path: Path, notification: Static<typeof Notification>): Fault[] {
  const { email } = notification;
  const isHalf = email !== undefined && (email.user === undefined) !== (email.passwordFile === undefined);
  const isBare = email?.tls === 'none' && email.user !== undefined;
  return [
    ...oneOf(path, notification, 'email, slack, teams or mattermost'),
    ...(isHalf ? [{ path: [...path, 'email'], message: 'must hold user and passwordFile both, or neither' }] : []),
    ...(isBare ? [{ path: [...path, 'email', 'tls'], message: 'is none, over which no password is sent' }] : []),
  ];
}

function ticketFaults(path: Path, ticket: Static<typeof Ticket>): Fault[] {
  const { close, key, url } = ticket;
  return [
    ...urlFaults([...path, 'url'], url),
    ...placeholderFaults([...path, 'body'], ticket.body, false),
    ...(close === undefined
      ? []
      : [
          ...urlFaults([...path, 'close', 'url'], close.url),
          ...placeholderFaults([...path, 'close', 'body'], close.body ?? null, true),
          ...(key === undefined
            ? [{ path: [...path, 'close'], message: 'needs key: without it no ticket is known' }]
            : []),
        ]),
  ];
}

function placeholderFaults(path: Path, template: unknown, isClosing: boolean): Fault[] {
  return placeholdersIn(template, isClosing)
    .filter(({ isKnown }) => !isKnown)
    .map((found) => ({ path: [...path, ...found.path], message: `has the unknown placeholder {{${found.name}}}` }));
}
