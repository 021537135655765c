// What makes a deviation worth a person's time, and how much each adds to its risk. One table, so that the weights can be seen
// and argued side by side. Severity begins at 20 minor, 40 serious, 70 critical (severity.ts).
// Points are this project's judgement; `source` says where the factor itself comes from.

export interface Factor {
  readonly points: number;
  readonly source: string;
}

export const factors = {
  // How far it is from anything allowed.
  'new-executable': { points: 35, source: 'no entry names it; application allow-listing, NIST SP 800-167' },
  'other-arguments': { points: 20, source: 'known binaries used otherwise, https://gtfobins.github.io/' },
  'other-parent': { points: 15, source: 'parent and child relation, ATT&CK DS0009' },
  'other-user': { points: 10, source: 'ATT&CK T1078' },
  'became-root': { points: 25, source: 'ATT&CK T1548' },
  'new-listener': { points: 30, source: 'ATT&CK T1571, T1205' },
  'port-of-another': { points: 15, source: 'ATT&CK T1036' },
  'new-caller': { points: 20, source: 'an executable that was never seen to connect' },
  'new-port': { points: 15, source: 'ATT&CK T1571' },
  'new-peer': { points: 10, source: 'a known service at another address' },
  'new-client': { points: 10, source: 'a new caller of a known service' },
  'closed-circle': { points: 15, source: 'ATT&CK T1021, lateral movement: a service that only named machines use' },

  // What it is.
  'shell-from-server': { points: 40, source: 'ATT&CK T1505.003, T1190: what an exploited service starts' },
  'child-of-server': { points: 15, source: 'ATT&CK T1190' },
  'download-tool': { points: 20, source: 'ATT&CK T1105' },
  'remote-tool': { points: 20, source: 'ATT&CK T1021, T1095' },
  'permission-tool': { points: 10, source: 'ATT&CK T1222, T1098, T1547.006' },
  'other-code': { points: 15, source: 'ATT&CK T1059: a shell, an interpreter or a tool is given other code to run' },
  'temporary-argument': { points: 10, source: 'ATT&CK T1574: a known program is pointed at a file nobody installed' },
  'telltale-argument': { points: 25, source: 'telltales.data.ts' },

  // Where it comes from.
  'temporary-path': { points: 30, source: 'ATT&CK T1059, T1204: files nobody installed' },
  'never-a-file': { points: 50, source: 'ATT&CK T1620: memfd_create' },
  'deleted-executable': { points: 15, source: 'ATT&CK T1070.004; also the state after a package update' },
  'hidden-name': { points: 15, source: 'ATT&CK T1564.001' },
  'false-name': { points: 35, source: 'ATT&CK T1036.004: calls itself a kernel thread' },
  unattributed: { points: 5, source: 'no process owned the socket when it was seen' },

  // Whom it reaches.
  'shell-connects': { points: 30, source: 'ATT&CK T1059.004, T1071: a shell has no reason to hold a connection' },
  'new-peer-from-server': { points: 20, source: 'ATT&CK T1071: a server that begins to call' },
  'public-address': { points: 20, source: 'outside RFC 1918, RFC 4193, RFC 6598' },
  'metadata-service': { points: 30, source: 'ATT&CK T1552.005: 169.254.169.254' },
  'administration-port': { points: 20, source: 'ATT&CK T1021: SSH, SMB, RDP, WinRM, VNC' },
} as const satisfies Record<string, Factor>;

export type FactorName = keyof typeof factors;

/** Instance metadata of AWS, Azure, GCP and OpenStack (169.254.169.254), and AWS over IPv6. */
export const metadataServices: ReadonlySet<string> = new Set(['169.254.169.254', 'fd00:ec2::254']);
