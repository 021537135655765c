// A kernel that lies in everything: memory full of pointers that lead anywhere, back into themselves and into nothing. Whatever is
// walked, nothing is thrown, nothing goes on for ever, and what is told stays within its limits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counted, seed } from '../../../../lab/scale.ts';
import { Random } from '../../../sim/random.ts';
import { optionalFields, structSizes } from '../../kernel/wanted-by-integrity.ts';
import type { KernelImage } from '../../kernel/find-kernel.ts';
import type { KernelProfile } from '../../kernel/kernel-profile.ts';
import { KernelSpace } from '../../kernel/kernel-space.ts';
import { wanted } from '../../kernel/kernel-profile.ts';
import type { GuestMemory } from '../../memory/guest-memory.ts';
import { PageCache } from '../../memory/page-cache.ts';
import { factTextMax, findingsMax } from '../integrity-view.ts';
import type { KernelBaseline } from './baseline.ts';
import { checkKernel } from './check-kernel.ts';
import { landmarks } from './kernel-map.ts';
import { KeptBytes, sliceBytes } from './kept-bytes.ts';
import { ModuleCode } from './modules/module-code.ts';
import { PatchSites } from './code/patch-sites.ts';

const memoryBytes = 4 * 1024 * 1024;
const textPhysical = 0x10_0000;
const textLow = 0x8100_0000;
const imageBytes = 2 * 1024 * 1024;
const tries = counted(8, 2000);
const tryMsMax = 10_000;

function below(random: Random, most: number): number {
  return random.integer(0, most - 1);
}

/** Mostly pointers that lead somewhere: into the image, into the direct map, and now and then a small or a wild number. */
function hostileMemory(random: Random): Buffer {
  const bytes = Buffer.alloc(memoryBytes);
  const words = Array.from({ length: 512 }, () => {
    const kind = below(random, 10);
    if (kind < 5) return [0xffff_ffff, textLow + below(random, imageBytes / 8) * 8] as const;
    if (kind < 8) return [0xffff_8880, below(random, memoryBytes / 8) * 8] as const;
    return kind === 8
      ? ([0, below(random, 64)] as const)
      : ([0xffff_ffff, 0xc000_0000 + below(random, 0x1000_0000)] as const);
  });
  for (let at = 0; at < memoryBytes; at += 8) {
    const [high, low] = words[below(random, words.length)] ?? [0, 0];
    bytes.writeUInt32LE(low, at);
    bytes.writeUInt32LE(high, at + 4);
  }
  // Page tables that are tables: present, sometimes large, sometimes not to be executed.
  for (let at = 0; at < 0x1_0000; at += 8) {
    bytes.writeUInt32LE((below(random, memoryBytes / 4096) * 4096 + below(random, 256)) >>> 0, at);
    bytes.writeUInt32LE(below(random, 2) * 0x8000_0000, at + 4);
  }
  return bytes;
}

function hostileKernel(random: Random): { space: KernelSpace; baseline: KernelBaseline } {
  const bytes = hostileMemory(random);
  const memory: GuestMemory = {
    end: memoryBytes,
    read(address, into, offset, length) {
      if (address < 0 || address + length > memoryBytes) return false;
      into.set(bytes.subarray(address, address + length), offset);
      return true;
    },
    close() {},
  };
  const names = [
    ...Object.keys(wanted.requiredFields),
    ...Object.keys(wanted.optionalFields),
    ...Object.keys(optionalFields),
  ];
  const symbols = Object.fromEntries(wanted.requiredSymbols.map((name) => [name, below(random, imageBytes / 8) * 8]));
  const profile = {
    buildId: '00',
    buildIdOffset: 0,
    banner: '',
    symbols: { ...symbols, page_offset_base: 0, init_top_pgt: 0 },
    fields: Object.fromEntries(names.map((name) => [name, below(random, 64) * 8])),
    bits: {},
    sizes: Object.fromEntries(structSizes.map((name) => [name, 8 + below(random, 32) * 8])),
  } as unknown as KernelProfile;
  bytes.writeUInt32LE(0xffff_8880, textPhysical + 4);
  bytes.writeUInt32LE(0, textPhysical);
  const image: KernelImage = {
    root: { address: 0, la57: below(random, 2) === 1 },
    textLow,
    textPhysical,
    sizeBytes: imageBytes,
    runs: [],
  };
  const marks = Object.fromEntries(landmarks.map((name) => [name, below(random, imageBytes / 8) * 8]));
  const kept = new KeptBytes({ directory: null });
  const slice = kept.keep(Buffer.alloc(sliceBytes));
  assert.ok(slice !== null);
  const baseline: KernelBaseline = {
    source: 'first-use',
    fileSha256: null,
    map: {
      landmarks: { ...marks, _etext: 0x8_0000 },
      trampolines: [],
      tracerCalls: [],
      tracerEntries: [],
      returnThunks: [],
      functionTables: [],
    },
    sites: new PatchSites(
      Array.from({ length: 500 }, (_, index) => ({ kind: 'static-call', offset: index * 64, target: index * 8 })),
    ),
    regions: [
      { holds: 'code', offset: 0, sizeBytes: sliceBytes, slices: [slice] },
      { holds: 'constants', offset: 0x10_0000, sizeBytes: sliceBytes, slices: [slice] },
    ],
    interruptTable: Buffer.alloc(4096),
    tableWords: [{ offset: 64, low: textLow, name: 'table' }],
    doubts: [],
    kept,
  };
  return { space: new KernelSpace(new PageCache(memory), image, profile), baseline };
}

test('a kernel of lies is checked in bounded time, and told of within limits', () => {
  let findings = 0;
  let unseen = 0;
  for (let number = 0; number < tries; number += 1) {
    const random = new Random(seed() + number);
    const { space, baseline } = hostileKernel(random);
    const startedAt = performance.now();
    const modules = new ModuleCode(baseline.kept);
    const cpus = [{ cr3: 0, cr4: 0, longMode: true, interruptTable: { high: 0xffff_fe00, low: 0 } }];
    for (let look = 0; look < 2; look += 1) {
      const integrity = checkKernel(space, baseline, cpus, modules);
      for (const { check, findings: told, couldNotSee } of integrity.checks) {
        assert.ok(told.length <= findingsMax, `${check} tells ${told.length}`);
        findings += told.length;
        unseen += couldNotSee.length;
        for (const { subject, facts } of told) {
          assert.ok(subject.length < 1024);
          for (const fact of Object.values(facts)) assert.ok(typeof fact !== 'string' || fact.length <= factTextMax);
        }
      }
      assert.ok(integrity.state.promiscuousInterfaces.length < 5_000_000);
    }
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs < tryMsMax, `try ${number} of seed ${seed()} took ${Math.round(tookMs)} ms`);
  }
  assert.ok(findings > 100 && unseen > 100, `${findings} findings, ${unseen} parts unseen`);
});
