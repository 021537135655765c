// Whether a traced guest still runs the kernel that its stop points were made for: a reset or a snapshot may have brought another, and
// the old one stays in memory looking sound.
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import { parseRegisterBytes } from '../../protocols/gdb/registers.ts';
import { fits } from '../kernel/attach-kernel.ts';
import { findKernel } from '../kernel/find-kernel.ts';
import { PageCache } from '../memory/page-cache.ts';
import { selectCpu } from './stopped-guest.ts';
import type { LoopParts } from './trace-loop.ts';

const readsMax = 4_096;

/** Asked while the guest stands. A system in its firmware is another one. */
export async function sameKernel({ client, threads, target }: LoopParts): Promise<Result<boolean>> {
  const answers = await client.ask(threads.flatMap((thread) => [selectCpu(thread), 'g']));
  if (!answers.ok) return answers;
  const cpus = answers.value.flatMap((answer) => {
    const registers = parseRegisterBytes(answer);
    if (registers === null) return [];
    const { cr3, cr4, longMode } = registers;
    return [{ cr3, cr4, longMode, interruptTable: { high: 0, low: 0 } }];
  });
  if (cpus.length === 0) return fail(problem('failed', 'QEMU gave no registers that could be read.'));
  const { image, profile, pages } = target.space;
  const fresh = new PageCache(pages.memory, { pagesMax: 64, readAhead: false });
  fresh.begin(readsMax);
  const found = findKernel(fresh, cpus);
  if (!found.ok) return ok(false);
  const { textLow, textPhysical } = found.value;
  return ok(textLow === image.textLow && textPhysical === image.textPhysical && fits(fresh, image, profile));
}
