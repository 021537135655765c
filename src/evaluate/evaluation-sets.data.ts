// The recordings on which learning and detection are scored, as pairs of what is learned and what is judged. They are not part of
// this repository: they lie beside it, in ../shared/data, or nowhere.

export interface EvaluationSet {
  readonly name: string;
  /** What it can tell, for the table of docs/evaluation.md. */
  readonly says: string;
  readonly learn: readonly string[];
  readonly test: readonly string[];
  /** Share of the attack runs that is mixed into learning in a second run. */
  readonly poison?: number;
}

const windows = ['win-evtx-attack-samples', 'win-evtx-to-mitre', 'win-sigma-regression'];
const linuxAttacks = ['linux-attack-art', 'linux-attack-cowrie', 'linux-attack-gtfobins', 'linux-attack-logprecis'];

export const evaluationSets: readonly EvaluationSet[] = [
  {
    name: 'linux-debian',
    says: 'A Debian web and database server with its jobs, a package change, and Atomic Red Team runs as root',
    learn: ['linux-debian-recorded'],
    test: ['linux-debian-recorded'],
    poison: 0.05,
  },
  {
    name: 'linux-attacks',
    says: 'The text of attack commands, as if run by the process that starts most on the server above',
    learn: ['linux-debian-recorded'],
    test: linuxAttacks,
  },
  {
    name: 'linux-containers',
    says: 'Containers of httpd, minio and node.js, for seconds to minutes: false groups only',
    learn: ['linux-sysflow'],
    test: ['linux-sysflow'],
  },
  {
    name: 'unix-accounting',
    says: 'Names of the programs fifteen people ran in 1998, in segments of 100, some by somebody else',
    learn: ['unix-sea-acct'],
    test: ['unix-sea-acct'],
  },
  {
    name: 'network-flows',
    says: 'Flows of two desktop machines over a day, without programs',
    learn: ['net-stratosphere'],
    test: ['net-stratosphere'],
  },
  {
    name: 'windows-recordings',
    says: 'Windows machines under attack for minutes; what is outside the attack tree counts as harmless',
    learn: ['win-otrf-mordor'],
    test: ['win-otrf-mordor'],
    poison: 0.05,
  },
  {
    name: 'windows-attacks',
    says: 'Other recordings of attacks on Windows, against what was learned from the machines above',
    learn: ['win-otrf-mordor'],
    test: windows,
  },
];

export function recordingName(name: string): string {
  return `${name}.ndjson.gz`;
}
