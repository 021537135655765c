// Tells when a processor or memory was plugged into a running guest, or out of it. QEMU sets a stop point on the processors that are
// there: one that comes later runs past all of them (seen on 7.2), and nothing tells of what happens on it. Of memory that comes later
// a tracer does not know where it lies.
import { asList, asObject } from '../../kit/json-object.ts';
import { ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import { memoryBytes } from '../memory/attach-memory.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';

/** QEMU has no event for it but the one that a guest's firmware may cause. */
const everyMsDefault = 1_000;
const processorsMax = 4_096;

export interface HardwareWatch {
  /** Settles when other processors or memory are there than at first, with how long that may have been so, in milliseconds. */
  readonly changed: Promise<number>;
  close(): void;
}

export async function watchHardware(
  monitor: Monitor,
  everyMs: number = everyMsDefault,
): Promise<Result<HardwareWatch>> {
  const first = await listHardware(monitor);
  if (!first.ok) return first;
  let sameAtMs = performance.now();
  let isAsking = false;
  const { promise: changed, resolve } = Promise.withResolvers<number>();
  const look = async (): Promise<void> => {
    if (isAsking) return;
    isAsking = true;
    const askedMs = performance.now();
    const now = await listHardware(monitor);
    isAsking = false;
    // Of a monitor that does not answer nothing is known: it may be long, and counts from the last answer.
    if (!now.ok) return;
    if (now.value === first.value) sameAtMs = askedMs;
    else resolve(performance.now() - sameAtMs);
  };
  const timer = setInterval(() => void look(), everyMs);
  return ok({ changed, close: () => clearInterval(timer) });
}

/** Of processors the names and threads: of one that was taken out and put in again the thread is another (qapi/machine.json). */
async function listHardware(monitor: Monitor): Promise<Result<string>> {
  const [said, bytes] = await Promise.all([monitor.execute('query-cpus-fast'), memoryBytes(monitor)]);
  if (!said.ok) return said;
  const rows = asList(said.value, processorsMax).map(asObject);
  const names = rows.map((row) => JSON.stringify([row?.['qom-path'] ?? null, row?.['thread-id'] ?? null]));
  return ok(`${names.toSorted().join()} ${bytes}`);
}
