// Carries out steps on a guest of plain QEMU, over a monitor that somebody else opened and owns.
// What is true is read from `query-status`, from the disk images' snapshot tables and from the host's process table.
import type { Json } from '../../../kit/canonical-json.ts';
import { asObject, asText } from '../../../kit/json-object.ts';
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { Monitor } from '../../../protocols/qmp/monitor.ts';
import { readCardLinks } from '../card-links.ts';
import type { Enforcer } from '../enforcer.ts';
import { pipeObstacle } from '../evidence-pipe.ts';
import type { MemoryDumpControl, MemoryDumpOptions } from '../memory-dump.ts';
import { memorySize, readVmState, snapshotObstacle } from '../read-vm-state.ts';
import { loadSnapshot, saveSnapshot } from './snapshot-jobs.ts';
import { type Patience, verifiedEnforcer, type VmControl } from '../verified-action.ts';
import type { LinkControl } from '../verified-links.ts';

export interface QemuTarget {
  readonly monitor: Monitor;
  /** Whether the QEMU process of this very run is still there; asks the host, not QEMU. */
  readonly alive: () => boolean;
  readonly patience: Patience;
  /** Where memory is kept; absent = nowhere. */
  readonly evidence?: MemoryDumpOptions;
  /** Of the QEMU process. */
  readonly pid: number;
}

const jobWaitMs = 50;

export function qemuEnforcer(target: QemuTarget): Enforcer {
  return verifiedEnforcer(qemuControl(target), target.patience);
}

function qemuControl({ monitor, alive, patience, evidence, pid }: QemuTarget): VmControl {
  return {
    suspend: async () => done(await monitor.execute('stop')),
    resume: async () => done(await monitor.execute('cont')),
    snapshot: (name) => saveSnapshot(monitor, name, patience),
    revert: { obstacle: () => snapshotObstacle(monitor), to: (name) => loadSnapshot(monitor, name, patience) },
    // QEMU may close the line before it has answered; whether the process ended is read from the host.
    powerOff: async () => {
      const quit = await monitor.execute('quit');
      return quit.ok || !alive() ? ok(undefined) : quit;
    },
    readState: () => readVmState(monitor, alive),
    snapshotObstacle: () => snapshotObstacle(monitor),
    links: linkControl(monitor),
    ...(evidence === undefined ? {} : { memoryDump: dumpControl(monitor, pid, evidence, patience) }),
  };
}

function linkControl(monitor: Monitor): LinkControl {
  return {
    read: () => readCardLinks(monitor),
    async set(cards, link) {
      for (const { name } of cards) {
        const told = await monitor.execute('set_link', { name, up: link === 'up' });
        if (!told.ok) return told;
      }
      return ok(undefined);
    },
    // A new QEMU begins with every link up: the sentinel takes them down again when it sees it begin.
    lasting: async () => null,
  };
}

function dumpControl(
  monitor: Monitor,
  pid: number,
  evidence: MemoryDumpOptions,
  patience: Patience,
): MemoryDumpControl {
  return {
    ...evidence,
    obstacle: async () => pipeObstacle(pid, true),
    memoryBytes: () => memorySize(monitor),
    write: (path, limitMs) => writeMemory(monitor, path, limitMs, patience),
  };
}

/** `dump-guest-memory`, detached: QEMU writes in a thread of its own, and is asked how far it is (qapi/dump.json). */
async function writeMemory(
  monitor: Monitor,
  path: string,
  limitMs: number,
  { clock, sleep }: Patience,
): Promise<Result<void>> {
  const begun = await monitor.execute('dump-guest-memory', { paging: false, protocol: `file:${path}`, detach: true });
  if (!begun.ok) return begun;
  const deadline = clock.monotonic() + limitMs;
  for (;;) {
    const asked = await monitor.execute('query-dump');
    if (!asked.ok) return asked;
    const status = asText(asObject(asked.value)?.['status']);
    if (status === 'completed') return ok(undefined);
    if (status !== 'active' || clock.monotonic() >= deadline)
      return fail(problem('failed', `QEMU says of its dump: ${status ?? 'nothing'}.`));
    await sleep(jobWaitMs);
  }
}

function done(answer: Result<Json>): Result<void> {
  return answer.ok ? ok(undefined) : answer;
}
