// The words that ask for every CPU's registers at a stop, and their answers: one round over the wire, whatever the number of CPUs.
import { parseRegisterBytes } from '../../protocols/gdb/registers.ts';
import type { Registers } from '../../protocols/gdb/registers.ts';
import { selectCpu } from './stopped-guest.ts';

/** The reported CPU is selected already: asked first, without a word more. */
export function registerQuestions(threads: readonly number[], reported: number): readonly string[] {
  const known = threads.includes(reported);
  const others = threads.filter((thread) => thread !== reported);
  return [...(known ? ['g'] : []), ...others.flatMap((thread) => [selectCpu(thread), 'g'])];
}

export function registersIn(
  answers: readonly string[],
  threads: readonly number[],
  reported: number,
): readonly (readonly [number, Registers])[] | null {
  const known = threads.includes(reported);
  const order = known ? [reported, ...threads.filter((thread) => thread !== reported)] : threads;
  const cpus: (readonly [number, Registers])[] = [];
  for (const [index, thread] of order.entries()) {
    const registers = parseRegisterBytes(answers[known ? 2 * index : 2 * index + 1] ?? '');
    if (registers === null) return null;
    cpus.push([thread, registers]);
  }
  return cpus;
}
