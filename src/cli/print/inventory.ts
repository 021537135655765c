// VMs, what runs inside one, and how Plumbline itself is.
import type { ManagerStatus } from '../../model/manager-status.ts';
import type { VmView } from '../../model/vm-view.ts';
import type { Vm } from '../../model/vm.ts';
import { sayDuration } from '../duration.ts';
import type { PsTask, PsView, ShownSocket, SocketsView } from '../../sentinel/local/local-views.ts';
import type { Page } from './page.ts';
import { sayPlatform } from './platforms.ts';
import { table, type Column } from './table.ts';
import { visible, visibleArgv } from './visible.ts';
import { count, sayEnd, sayShortTime, sayTime, vmStateStyle } from './words.ts';

const vmColumns: readonly Column<Vm>[] = [
  { title: 'VM', cell: ({ name }) => name, gives: true },
  {
    title: 'STATE',
    cell: ({ state, platform }) => (platform === undefined ? state : `${state}, unwatched`),
    style: ({ state }) => vmStateStyle(state),
  },
  { title: 'PID', cell: ({ pid }) => pid, align: 'right' },
  { title: 'KERNEL', cell: ({ kernel }) => (kernel === null ? null : kernelVersion(kernel)), gives: true },
  { title: 'PROCS', cell: ({ processes }) => processes, align: 'right' },
  { title: 'SOCKETS', cell: ({ sockets }) => sockets, align: 'right' },
];

/** As the host alone knows them. */
export function printHostVms(vms: readonly Vm[], page: Page): string {
  if (vms.length === 0) return 'No VM runs on this host.';
  return table([...vmColumns, { title: 'ID', cell: ({ id }) => id, gives: true }], vms, page) + reasons(vms);
}

/** As the manager knows them. */
export function printVms(vms: readonly VmView[], page: Page): string {
  if (vms.length === 0) return 'No VM was seen yet.';
  const columns: readonly Column<VmView>[] = [
    ...vmColumns,
    { title: 'SERVICE', cell: ({ scope, service }) => (scope === null ? 'unassigned' : `${scope}/${service ?? '?'}`) },
    { title: 'MODE', cell: ({ mode }) => mode },
    {
      title: 'MANIFEST',
      cell: ({ delivery }) => (delivery === null ? null : `${delivery.generation} ${delivery.state}`),
    },
    {
      title: 'ALARMS',
      cell: ({ openAlarms }) => openAlarms,
      style: ({ openAlarms }) => (openAlarms > 0 ? 'bad' : null),
      align: 'right',
    },
    { title: 'ID', cell: ({ id }) => id, gives: true },
  ];
  return table(columns, vms, page) + reasons(vms);
}

export function printProcesses(list: PsView, page: Page): string {
  const columns: readonly Column<PsTask>[] = [
    { title: 'PID', cell: ({ pid }) => pid, align: 'right' },
    { title: 'PPID', cell: ({ ppid }) => ppid, align: 'right' },
    {
      title: 'USER',
      cell: ({ uid, euid }) => (uid === euid || euid === null ? uid : `${uid ?? '?'}>${euid}`),
      align: 'right',
    },
    { title: 'STARTED (UTC)', cell: ({ startedAt }) => sayShortTime(startedAt) },
    {
      title: 'EXECUTABLE',
      cell: ({ exe, comm, kernelThread, deleted }) => {
        if (kernelThread || exe === null) return `[${comm}]`;
        return deleted ? `${exe} (deleted)` : exe;
      },
      style: ({ deleted, kernelThread }) => (deleted ? 'bad' : kernelThread ? 'quiet' : null),
      gives: true,
    },
    { title: 'ARGUMENTS', cell: ({ argv }) => visibleArgv(argv), gives: true },
  ];
  const seen = `${count(list.tasks.length, 'task')} in ${visible(list.vm)}, read in ${sayDuration(list.sweepMs)}`;
  return [table(columns, list.tasks, page), page.paint('quiet', seen), ...incompleteness(list, page)].join('\n');
}

export function printSockets(list: SocketsView, page: Page): string {
  if (list.sockets.length === 0) return 'No sockets.';
  const columns: readonly Column<ShownSocket>[] = [
    { title: 'PROTO', cell: ({ proto, family }) => (family === 6 ? `${proto}6` : proto) },
    { title: 'STATE', cell: ({ state }) => state },
    { title: 'LOCAL', cell: ({ localAddr, localPort }) => sayEnd(localAddr, localPort), gives: true },
    { title: 'REMOTE', cell: ({ remoteAddr, remotePort }) => sayEnd(remoteAddr, remotePort), gives: true },
    { title: 'PID', cell: ({ pid }) => pid, align: 'right' },
    { title: 'PROGRAM', cell: ({ exe, comm }) => exe ?? comm, gives: true },
  ];
  return table(columns, list.sockets, page);
}

export function printStatus(status: ManagerStatus, page: Page): string {
  const { scopes, vms, alarms, manifests, sentinels, platforms, losses, pendingAnswers } = status;
  const lost = Object.entries(losses).filter(([, n]) => n > 0);
  return [
    `Plumbline ${status.version}, manager up since ${sayTime(status.startedAt)}${status.address === null ? '' : ` at ${status.address}`}`,
    `scopes     ${scopes.capture} in capture, ${scopes.detect} in detect, ${scopes.protect} in protect`,
    `VMs        ${vms.running} running, ${vms.paused} paused, ${vms.unreadable} unreadable, ${vms.off} off, ${vms.gone} gone; ${vms.unassigned} unassigned`,
    `alarms     ${page.paint(alarms.open > 0 ? 'bad' : 'good', `${alarms.open} open`)}: ${alarms.critical} critical, ${alarms.serious} serious, ${alarms.minor} minor, ${alarms.info} info`,
    ...(pendingAnswers === 0 ? [] : [`answers    ${page.paint('warn', `${pendingAnswers} waiting for a person`)}`]),
    `manifests  ${manifests.installed} installed, ${manifests.waiting} waiting`,
    ...sentinels.map(
      ({ name, attached, lastBatchAt, vms: seen }) =>
        `sentinel   ${visible(name)}: ${attached ? 'attached' : page.paint('bad', 'away')}, ${count(seen, 'VM')}, last heard ${sayTime(lastBatchAt) ?? 'never'}`,
    ),
    ...platforms.map((platform) => `platform   ${sayPlatform(platform, page)}`),
    `losses     ${lost.length === 0 ? 'none' : lost.map(([name, n]) => `${sayLoss(name)} ${Math.round(n)}`).join(', ')}`,
  ].join('\n');
}

function incompleteness({ complete, notes }: PsView, page: Page): string[] {
  const notesSaid = notes.map(({ kind, count: times, detail }) => `  ${times} ${kind}: ${visible(detail)}`);
  if (complete) return notesSaid;
  return [page.paint('warn', 'Not everything could be read:'), ...notesSaid];
}

function reasons(vms: readonly (Vm & Partial<Pick<VmView, 'changes'>>)[]): string {
  const unwatched = Map.groupBy(
    vms.filter(({ platform, why }) => platform !== undefined && why !== undefined),
    ({ why = '' }) => why,
  );
  const together = [...unwatched].map(([why, those]) => `\n${sayNames(those)}: ${visible(why)}`);
  return `${together.join('')}${reasonsOfEach(vms)}`;
}

/** Of thousands of VMs that nobody watches for the same reason, it is said once. */
function sayNames(vms: readonly Vm[]): string {
  const named = vms.slice(0, namesShown).map(({ name }) => visible(name));
  const more = vms.length > named.length ? ` and ${vms.length - named.length} more` : '';
  return `${named.join(', ')}${more}`;
}

const namesShown = 3;

function reasonsOfEach(vms: readonly (Vm & Partial<Pick<VmView, 'changes'>>)[]): string {
  return vms
    .flatMap(({ name, why, platform, trace, held, changes = [] }) => [
      ...(why === undefined || platform !== undefined ? [] : [`${visible(name)}: ${visible(why)}`]),
      ...(trace === undefined ? [] : [`${visible(name)}: ${sayTrace(trace)}`]),
      ...changes.map(
        ({ id, cause, until, admitted }) =>
          `${visible(name)}: being changed (${cause}, ${visible(id.slice(0, 8))}) until ${sayTime(until)}, ${admitted} admitted`,
      ),
      ...(held === undefined ? [] : [`${visible(name)}: held until ${sayTime(held.until)}: ${visible(held.what)}`]),
    ])
    .map((line) => `\n${line}`)
    .join('');
}

function sayTrace({ state, since, why }: NonNullable<Vm['trace']>): string {
  const says = { tracing: 'traced', starting: 'its trace is being started', lost: 'its trace is lost' }[state];
  return `${says} since ${sayTime(since)}${why === undefined ? '' : `: ${visible(why)}`}`;
}

/** `Linux version 6.1.0-56-cloud-amd64 (...)` holds what people call the kernel's version as its third word. */
function kernelVersion(banner: string): string {
  return /^Linux version (\S+)/.exec(banner)?.[1] ?? banner;
}

/** `observationsMissed` -> `observations missed`. */
function sayLoss(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
