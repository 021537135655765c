// A guest may put anything into its registers and its memory: no stop of it makes a hook fail, run long or tell text without end.
// Recorded pages of real guests, with random registers pointed at them, and what hooks look for at places that hold something else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counted, seed } from '../../../lab/scale.ts';
import { readRecording, recordedReleases } from '../../sim/guest-recording.ts';
import type { GuestRecording } from '../../sim/guest-recording.ts';
import { RecordedMemory } from '../../sim/page-set.ts';
import { Random } from '../../sim/random.ts';
import { Registers, registerNames } from '../../protocols/gdb/registers.ts';
import { Ledger } from '../guest/ledger.ts';
import { listTasks } from '../guest/task-list.ts';
import { findKernel } from '../kernel/find-kernel.ts';
import { wanted } from '../kernel/kernel-profile.ts';
import { KernelSpace } from '../kernel/kernel-space.ts';
import { PageCache } from '../memory/page-cache.ts';
import { observingHooks } from './hooks/observing-hooks.ts';
import type { Technique } from './hooks/hook-context.ts';
import { ProcessReader } from './process-facts.ts';
import { StopLooker } from './stop-look.ts';
import { GuestAtStop } from './stopped-guest.ts';
import { tracedKinds } from './trace-journal.ts';

const readsMax = 8_192;
const textMax = 1024 * 1024;
const stops = counted(600, 20_000);
const alone = ['exec', 'connect', 'accept', 'listen', 'bind'] as const;

function below(random: Random, limit: number): number {
  return random.integer(0, limit - 1);
}

/** Symbols, functions and fields that the recordings were made without, at places where there is something to read. */
function spaceOf(recording: GuestRecording, random: Random): KernelSpace {
  const pages = new PageCache(new RecordedMemory(recording.pages), { pagesMax: 2_048, readAhead: false });
  pages.begin(readsMax);
  const image = findKernel(pages, recording.cpus);
  assert.ok(image.ok);
  const known = Object.values(recording.profile.symbols);
  const place = (): number => (known[below(random, known.length)] ?? 0) + 8 * below(random, 64);
  const starts = Object.fromEntries(wanted.functions.map((name) => [name, place()]));
  const missing = wanted.optionalSymbols.filter((name) => recording.profile.symbols[name] === undefined);
  const fields = Object.keys(wanted.optionalFields).map((name) => [name, 8 * below(random, 128)]);
  return new KernelSpace(pages, image.value, {
    ...recording.profile,
    symbols: {
      ...Object.fromEntries(missing.map((name) => [name, place()])),
      ...starts,
      ...recording.profile.symbols,
    },
    functionEnds: Object.fromEntries(Object.entries(starts).map(([name, start]) => [name, start + 4_096])),
    perCpu: {},
    fields: { ...Object.fromEntries(fields), ...recording.profile.fields },
  });
}

/** Addresses that lead somewhere, nearly somewhere, or nowhere. */
function registersOf(space: KernelSpace, tasks: readonly number[], random: Random): Registers {
  const bytes = Buffer.alloc(608);
  const base = space.symbol('page_offset_base');
  const direct = pair(space.pages.u32(base + 4), space.pages.u32(base));
  const text = pair(0xffff_ffff, space.image.textLow);
  const task = (): bigint => BigInt(tasks[below(random, tasks.length)] ?? 0);
  const write = (at: number, value: bigint): void => {
    bytes.writeBigUInt64LE(BigInt.asUintN(64, value), at);
  };
  for (const [index] of registerNames.entries()) {
    const anywhere = pair(below(random, 2 ** 32), below(random, 2 ** 32));
    const inImage = text + BigInt(8 * below(random, space.image.sizeBytes / 8));
    const inTask = direct + task() + BigInt(8 * below(random, 512));
    write(8 * index, [anywhere, inImage, direct + task(), direct + task(), inTask][below(random, 5)] ?? 0n);
  }
  // Where a CPU's own data starts: so that its current task is one of them, most of the time.
  const parent = BigInt(space.profile.fields['task_struct.real_parent']);
  const own = BigInt(space.profile.symbols.current_task ?? 0);
  write(172, random.chance(0.8) ? direct + task() + parent - text - own : direct + task());
  const ends = Object.values(space.profile.functionEnds);
  if (random.chance(0.8)) write(128, text + BigInt((ends[below(random, ends.length)] ?? 1) - 1 - below(random, 4_096)));
  if (random.chance(0.3)) write(128, text + BigInt((ends[below(random, ends.length)] ?? 4_096) - 4_096));
  return new Registers(bytes);
}

function pair(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

for (const release of recordedReleases()) {
  for (const technique of ['data', 'code'] as const satisfies readonly Technique[]) {
    test(`Linux ${release}, points on ${technique}: ${stops} stops of a guest that lies`, () => {
      const recording = readRecording(release);
      const random = new Random(seed());
      let seen = 0;
      for (let round = 0; round < stops / 100; round += 1) {
        const space = spaceOf(recording, random);
        // One round with all that is traced, one with program starts alone.
        const kinds = new Set(technique === 'code' || round % 2 === 0 ? tracedKinds : alone);
        const context = { space, processes: new ProcessReader(space), technique, kinds };
        const hooks = observingHooks(context, kinds).map(({ hook }) => hook);
        const looker = new StopLooker(hooks);
        const tasks = listTasks(space, new Ledger());
        assert.ok(hooks.length >= (kinds.size === tracedKinds.length ? 4 : 1));
        for (let stop = 0; stop < 100; stop += 1) {
          space.pages.begin(readsMax);
          const cpus = [1, 2].map((thread) => [thread, registersOf(space, tasks, random)] as const);
          const look = looker.look(new GuestAtStop(space, null, cpus), { signal: 5, thread: 1, atData: true });
          assert.equal(look.failures, 0);
          seen += look.seen.length;
          assert.ok(space.pages.reads < readsMax, 'reads stay far below their limit');
          assert.ok(JSON.stringify(look.seen.map(({ sighting }) => sighting)).length < textMax);
        }
      }
      assert.ok(seen > stops / 100, `only ${seen} stops were taken for anything`);
    });
  }
}
