// Recordings in which it is known which machines do the same work: what grouping is scored on. What a machine is, and what it does,
// is read off the recording's own names, before anything that groups sees an event.
import type { RawEvent } from '../model/raw-event.ts';

export interface GroupingSet {
  readonly name: string;
  readonly says: string;
  readonly files: readonly string[];
  /** The machine an event belongs to and what that machine is for; null = it is not told. `count` = events of the host before. */
  readonly tell: (
    event: RawEvent,
    rec: string,
    count: number,
  ) => { readonly machine: string; readonly role: string } | null;
}

/** `k8s_NAME_POD_...`, as the kubelet names containers: NAME is what the image is for. */
function roleOfContainer(container: string): string {
  const [kind, name] = container.split('_');
  return kind === 'k8s' ? (name ?? container) : (kind ?? container);
}

/** As their names say; machines whose names say nothing are people's. */
function roleOfWindows(host: string): string {
  if (host.startsWith('hfdc')) return 'controller';
  return host.startsWith('file') ? 'file server' : 'workstation';
}

/** Commands of one person that stand for one machine. */
const commandsOfPart = 500;

export const groupingSets: readonly GroupingSet[] = [
  {
    name: 'linux-containers',
    says: 'Each container of each recording as a machine; its role is the name of the container without its pod',
    files: ['linux-sysflow'],
    tell: ({ container }, rec) =>
      container === undefined ? null : { machine: `${container} ${rec}`, role: roleOfContainer(container) },
  },
  {
    name: 'windows-machines',
    says: 'Windows machines of several laboratories; their roles are those of their names',
    files: ['win-otrf-mordor'],
    tell: ({ host }) => (host === '?' ? null : { machine: host, role: roleOfWindows(host) }),
  },
  {
    name: 'unix-accounting',
    says: `What fifteen people ran in 1998, names only, each ${commandsOfPart} commands as a machine; the role is the person`,
    files: ['unix-sea-acct'],
    tell: ({ host }, _, count) => ({ machine: `${host} ${Math.floor(count / commandsOfPart)}`, role: host }),
  },
];
