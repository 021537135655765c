// A job of libvirt's that writes a domain's memory while the domain stands: called off when it takes too long, or the sentinel stops.
// libvirt then lets the domain run on as it was.
import { problem } from '../../../kit/problem.ts';
import { fail, type Result } from '../../../kit/result.ts';
import type { LibvirtClient, LibvirtDomain } from '../../../protocols/libvirt/libvirt-client.ts';
import { type MemoryDumpOptions, paceDefault } from '../memory-dump.ts';

/** libvirt has so long to take back what was called off. */
const graceMs = 30_000;
const abortEveryMs = 20;

/** `begin` has to give up after so many milliseconds by itself. A problem says only why, to stand behind what was not done. */
export async function runBounded(
  client: LibvirtClient,
  domain: LibvirtDomain,
  ramBytes: number,
  { pace, cancelled }: Pick<MemoryDumpOptions, 'pace' | 'cancelled'>,
  begin: (timeoutMs: number) => Promise<Result<void>>,
): Promise<Result<void>> {
  const { leastMs, slowestRate } = { ...paceDefault, ...pace };
  const limitMs = Math.round(leastMs + (ramBytes / slowestRate) * 1000);
  const stopping = 'the sentinel is stopping.';
  if (cancelled?.aborted === true) return fail(problem('failed', stopping));
  const off: string[] = [];
  let again: NodeJS.Timeout | undefined;
  const callOff = (why: string): void => {
    off.push(why);
    // libvirt hears nothing of it before its job has begun.
    again ??= setInterval(() => void client.abortJob(domain), abortEveryMs);
  };
  const onCancel = (): void => callOff(stopping);
  const limit = setTimeout(() => callOff(`it took longer than ${limitMs} ms.`), limitMs);
  cancelled?.addEventListener('abort', onCancel);
  const told = await begin(limitMs + graceMs);
  clearTimeout(limit);
  clearInterval(again);
  cancelled?.removeEventListener('abort', onCancel);
  const [why] = off;
  return told.ok || why === undefined ? told : fail(problem('failed', why));
}
