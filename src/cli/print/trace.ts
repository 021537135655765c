// Lines of a trace as people read them, one for each thing that happened.
import type { TraceLine, TraceSummary } from '../../sentinel/local/local-trace.ts';
import type { Page } from './page.ts';
import { visible, visibleArgv } from './visible.ts';
import { count, sayEnd } from './words.ts';

/** Each as wide as what usually stands in it, since no line waits for the next. */
const widths = { time: 12, event: 7, pid: 7, uid: 5, comm: 15 } as const;
const quietKinds: ReadonlySet<string> = new Set(['fork', 'exit', 'setuid', 'bind']);

type Cells = Readonly<Record<'time' | 'event' | 'pid' | 'ppid' | 'uid' | 'comm', string>>;

export function printTraceHeading(page: Page): string {
  const cells = { time: 'TIME (UTC)', event: 'EVENT', pid: 'PID', ppid: 'PPID', uid: 'UID', comm: 'COMM' };
  return page.paint('heading', `${row(cells)}  WHAT`);
}

/** Empty for what is only shown when all is asked for; what was answered inline is always shown. */
export function printTraceLine(line: TraceLine, page: Page, all: boolean): string {
  if (line.kind === 'loss') {
    const missed = line.missed === null ? 'something may be' : count(line.missed, 'event');
    return page.paint('warn', `${timeOf(line.ts)}  LOSS     ${missed} missing: ${visible(line.reason)}`);
  }
  const verdict = line.verdict === null || line.verdict === 'allow' ? null : line.verdict;
  if (!all && verdict === null && quietKinds.has(line.kind)) return '';
  const { ts, kind, tgid, ppid, uid, comm } = line;
  const cells = row({
    time: timeOf(ts),
    event: kind,
    pid: String(tgid),
    ppid: String(ppid),
    uid: String(uid),
    comm: visible(comm),
  });
  const answered = verdict === null ? '' : page.paint('bad', ` [${verdict}]`);
  return `${cells}  ${whatOf(line)}${answered}`;
}

export function printTraceSummary({
  counts,
  lost,
  losses,
  stops,
  stolenMs,
  refused,
  notRefused,
}: TraceSummary): string {
  const seen = Object.entries(counts).filter(([, times]) => times > 0);
  const complete =
    losses === 0 ? 'nothing was lost' : `${count(losses, 'loss', 'losses')}, ${lost} known to be missing`;
  return [
    `${seen.length === 0 ? 'nothing happened' : seen.map(([kind, times]) => `${times} ${kind}`).join(', ')}; ${complete}`,
    `${count(stops, 'stop')} took ${Math.round(stolenMs)} ms of the guest's time${refused + notRefused === 0 ? '' : `; ${refused} refused, ${notRefused} that should have been`}`,
  ].join('\n');
}

function row({ time, event, pid, ppid, uid, comm }: Cells): string {
  return [
    time.padEnd(widths.time),
    event.padEnd(widths.event),
    pid.padStart(widths.pid),
    ppid.padStart(widths.pid),
    uid.padStart(widths.uid),
    comm.padEnd(widths.comm),
  ].join('  ');
}

/** 21:05:07.123 of an ISO time. */
function timeOf(iso: string): string {
  return iso.slice(11, 23);
}

function whatOf(line: Exclude<TraceLine, { kind: 'loss' }>): string {
  const { kind, exe, argv, proto, localAddr, localPort, remoteAddr, remotePort, childPid, module, uid, euid } = line;
  const program = visible(exe ?? '?');
  const local = localAddr === null ? `port ${localPort ?? '?'}` : sayEnd(localAddr, localPort);
  switch (kind) {
    case 'exec':
      return `${program}: ${visibleArgv(argv ?? [])}`;
    case 'fork':
      return `child ${childPid ?? '?'}`;
    case 'exit':
      return program;
    case 'setuid':
      return `${program} is now user ${uid}${euid === uid ? '' : ` as ${euid}`}`;
    case 'connect':
      return `${program} -> ${proto ?? '?'} ${sayEnd(remoteAddr ?? '?', remotePort)}`;
    case 'accept':
      return `${program} <- ${proto ?? '?'} ${sayEnd(remoteAddr ?? '?', remotePort)} on ${local}`;
    case 'listen':
      return `${program} listens on ${proto ?? '?'} ${local}`;
    case 'bind':
      return `${program} bound ${proto ?? '?'} ${local}`;
    case 'module':
      return `kernel module ${visible(module ?? '?')}`;
  }
}
