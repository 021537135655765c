// A tier of an application as its sensors would report it: homogeneous members, requests, calls to the tier behind, jobs. What a
// run makes up (pids, dates, temporary names, callers' ports) is made up anew each time; what is done repeats.
import type { RawEvent } from '../model/raw-event.ts';
import type { Random } from './random.ts';

export interface Tier {
  readonly members: readonly [string, ...string[]];
  readonly server: Program;
  readonly jobs: readonly Job[];
  /** Callers come from this /24. */
  readonly clients: string;
  readonly database: { readonly address: string; readonly port: number };
}

export interface Program {
  readonly exe: string;
  readonly argv: readonly string[];
  readonly port: number;
  readonly uid: number;
}

/** Commands a scheduler starts one after the other. */
export interface Job {
  readonly name: string;
  readonly render: (made: MadeUp) => readonly Command[];
}

interface Command {
  readonly exe: string;
  readonly argv: readonly string[];
}

/** What differs between two runs of the same job. */
interface MadeUp {
  readonly pid: string;
  readonly date: string;
  readonly temporary: string;
  readonly id: string;
  readonly uuid: string;
}

const servers: readonly [Program, ...Program[]] = [
  { exe: '/usr/sbin/nginx', argv: ['/usr/sbin/nginx', '-g', 'daemon off;'], port: 80, uid: 33 },
  { exe: '/usr/sbin/apache2', argv: ['/usr/sbin/apache2', '-k', 'start'], port: 80, uid: 33 },
  { exe: '/usr/bin/node', argv: ['node', '/srv/shop/server.js', '--port', '8080'], port: 8080, uid: 998 },
  { exe: '/usr/lib/jvm/java-17/bin/java', argv: ['java', '-jar', '/srv/orders.jar'], port: 8443, uid: 998 },
];

const catalogue: readonly Job[] = [
  {
    name: 'backup',
    render: ({ date, temporary }) => [
      { exe: '/bin/sh', argv: ['/bin/sh', '-c', '/usr/local/bin/backup'] },
      { exe: '/usr/local/bin/backup', argv: ['/usr/local/bin/backup'] },
      { exe: '/usr/bin/tar', argv: ['tar', 'czf', `/var/backups/etc-${date}.tar.gz`, '/etc'] },
      { exe: '/usr/bin/mktemp', argv: ['mktemp'] },
      { exe: '/usr/bin/rm', argv: ['rm', '-f', `/tmp/tmp.${temporary}`] },
    ],
  },
  {
    name: 'rotate',
    render: ({ pid }) => [
      { exe: '/usr/sbin/logrotate', argv: ['/usr/sbin/logrotate', '/etc/logrotate.conf'] },
      { exe: '/usr/bin/kill', argv: ['kill', '-USR1', pid] },
      { exe: '/usr/bin/gzip', argv: ['gzip', '/var/log/app.log.1'] },
    ],
  },
  {
    name: 'report',
    render: ({ date, id }) => [
      { exe: '/usr/bin/python3.11', argv: ['python3', '/srv/report.py', '--day', date, '--run', id] },
      { exe: '/usr/bin/sort', argv: ['sort', '-o', `/srv/out/report-${date}.csv`] },
    ],
  },
  {
    name: 'health',
    render: ({ pid }) => [
      { exe: '/usr/bin/cat', argv: ['cat', `/proc/${pid}/status`] },
      { exe: '/usr/bin/curl', argv: ['curl', '-fsS', 'http://127.0.0.1/health'] },
    ],
  },
  {
    name: 'upload',
    render: ({ uuid }) => [{ exe: '/usr/local/bin/push', argv: ['/usr/local/bin/push', '--batch', uuid] }],
  },
];

export function drawTier(random: Random): Tier {
  const network = `10.${random.integer(1, 250)}.${random.integer(0, 250)}`;
  const members = Array.from({ length: random.integer(1, 4) }, (_, at) => `name:tier-${at + 1}`);
  return {
    members: [members[0] ?? 'name:tier-1', ...members.slice(1)],
    server: random.pick(servers),
    jobs: random.shuffle(catalogue).slice(0, random.integer(2, catalogue.length)),
    clients: network,
    database: { address: `10.251.0.${random.integer(2, 250)}`, port: random.pick([3306, 5432, 6379]) },
  };
}

/** Everything the tier does in one round, once or several times on every member. */
export function dayOf(tier: Tier, random: Random): RawEvent[] {
  const events: RawEvent[] = [];
  for (const host of tier.members) {
    events.push(...startServer(tier, host, random));
    const requests = Array.from({ length: 30 }, () => request(tier, host, random)).flat();
    const jobs = tier.jobs.map((job) => runJob(job, host, random));
    events.push(...requests, ...random.shuffle(jobs).flat());
  }
  return events.map((event, at) => ({ ...event, ts: new Date(startMs + at * 1000).toISOString() }));
}

const startMs = Date.parse('2026-11-21T00:00:00Z');

function startServer({ server }: Tier, host: string, random: Random): RawEvent[] {
  const { exe, argv, port, uid } = server;
  const pid = random.integer(300, 4_000_000);
  const parentExe = '/usr/lib/systemd/systemd';
  return [
    { host, kind: 'process_start', evidence: 'outside', pid, ppid: 1, exe, argv: [...argv], uid, euid: uid, parentExe },
    {
      host,
      kind: 'net_listen',
      evidence: 'outside',
      pid,
      exe,
      argv: [...argv],
      proto: 'tcp',
      localAddr: '0.0.0.0',
      localPort: port,
    },
  ];
}

function request({ server, clients, database }: Tier, host: string, random: Random): RawEvent[] {
  const { exe, port } = server;
  const base = { host, evidence: 'outside', proto: 'tcp', localAddr: '10.251.0.1' } as const;
  const caller = { remoteAddr: `${clients}.${random.integer(1, 254)}`, remotePort: random.integer(32_768, 60_999) };
  const call = { localPort: random.integer(32_768, 60_999), remoteAddr: database.address, remotePort: database.port };
  return [
    { ...base, kind: 'net_accept', ...(random.chance(0.1) ? {} : { exe }), localPort: port, ...caller },
    { ...base, kind: 'net_connect', ...(random.chance(0.1) ? {} : { exe }), ...call },
  ];
}

const temporaryAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

function runJob(job: Job, host: string, random: Random): RawEvent[] {
  const made: MadeUp = {
    pid: String(random.integer(300, 4_000_000)),
    date: `2026-${pad(random.integer(1, 12))}-${pad(random.integer(1, 28))}`,
    temporary: random.text(10, temporaryAlphabet),
    id: random.text(1, 'abcdef') + random.text(11, '0123456789abcdef') + random.text(1, '0123456789'),
    uuid: [8, 4, 4, 4, 12].map((length) => random.text(length, '0123456789abcdef')).join('-'),
  };
  let parentExe = '/usr/sbin/cron';
  return job.render(made).map(({ exe, argv }) => {
    const pid = random.integer(300, 4_000_000);
    const event = { host, kind: 'process_start', evidence: 'outside', pid, ppid: pid - 1, exe, parentExe } as const;
    parentExe = exe;
    return { ...event, argv: [...argv], uid: 0, euid: 0 };
  });
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
