// Walks the kernel's half of the page tables for what may be executed there, and names what nobody answers for: code of a module that
// hid itself, or that never was one.
import { nowhere } from '../../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../../kernel/kernel-space.ts';
import { tableAt, unmapped } from '../../../kernel/page-table.ts';
import type { PhysicalAddress } from '../../../memory/guest-memory.ts';
import type { IntegrityCheck, IntegrityFinding } from '../../integrity-view.ts';
import { answer } from '../kernel-look.ts';
import type { KernelLook } from '../kernel-look.ts';
import { codeOffset, hex, plus } from '../hooks/kernel-pointer.ts';
import type { Virtual } from '../hooks/kernel-pointer.ts';
import { isTraps } from '../code/machine-code.ts';
import { Unseen } from '../../unseen.ts';

const covers =
  'All memory the kernel may execute: its own code, listed modules, compiled BPF programs, trampolines of tracers and probes; anything else that holds code is named, and so is code of the image that is mapped from elsewhere.';

const pageBytes = 4096;
const largeBytes = 0x20_0000;
const hugeBytes = 0x4000_0000;
const tablesMax = 40_000;
const runsMax = 20_000;
const unownedMax = 256;
const stretchBytesMax = 1024 * 1024;
/** The trampoline that starts processors lies below 1 MiB and is reached through the direct map. */
const bootMemoryEnd = 0x10_0000;

export interface ExecutableRun {
  readonly at: Virtual;
  readonly physical: PhysicalAddress;
  readonly sizeBytes: number;
  /** May be executed by programs as well: the page of old system calls that the kernel shows to all. */
  readonly user: boolean;
}

interface Walk {
  readonly space: KernelSpace;
  readonly runs: ExecutableRun[];
  tables: number;
  bounded: boolean;
}

/** What is mapped executable above the middle of the address space, adjacent pages joined. */
export function executableRuns(space: KernelSpace): {
  readonly runs: readonly ExecutableRun[];
  readonly whole: boolean;
} {
  const walk: Walk = { space, runs: [], tables: 0, bounded: false };
  const { address, la57 } = space.root;
  const shift = la57 ? 48 : 39;
  // Sign-extended: the upper half of the topmost table.
  walkTable(walk, address, shift, 256, canonical(shift, 256), 0);
  return { runs: walk.runs, whole: !walk.bounded };
}

function canonical(shift: number, index: number): Virtual {
  const high = shift === 48 ? (0xfe00_0000 | ((index << 16) >>> 0)) >>> 0 : (0xffff_0000 | ((index << 7) >>> 0)) >>> 0;
  return { high, low: 0 };
}

function walkTable(
  walk: Walk,
  table: PhysicalAddress,
  shift: number,
  from: number,
  base: Virtual,
  depth: number,
): void {
  walk.tables += 1;
  if (walk.tables > tablesMax || depth > 5) {
    walk.bounded = true;
    return;
  }
  const { pages } = walk.space;
  for (let index = from; index < 512; index += 1) {
    const entry = table + index * 8;
    const low = pages.u32(entry);
    // Not present, or not to be executed: that of an upper table holds for all below it.
    if ((low & 1) === 0 || pages.u32(entry + 4) >>> 31 === 1) continue;
    const at = plus(base, (index - from) * 2 ** shift);
    const isLeaf = shift === 12 || ((low & 0x80) !== 0 && shift <= 30);
    if (isLeaf) addRun(walk, at, entry, shift);
    else {
      const below = tableAt(pages, table, index);
      if (below !== unmapped) walkTable(walk, below, shift - 9, 0, at, depth + 1);
    }
  }
}

function addRun(walk: Walk, at: Virtual, entry: PhysicalAddress, shift: number): void {
  const { pages } = walk.space;
  const sizeBytes = shift === 12 ? pageBytes : shift === 21 ? largeBytes : hugeBytes;
  const low = pages.u32(entry);
  const frame = (pages.u32(entry + 4) & 0x000f_ffff) * 0x1_0000_0000 + ((low & -sizeBytes) >>> 0);
  const user = (low & 4) !== 0;
  const last = walk.runs.at(-1);
  const adjoins =
    last !== undefined &&
    last.user === user &&
    hex(plus(last.at, last.sizeBytes)) === hex(at) &&
    last.physical + last.sizeBytes === frame;
  if (adjoins) walk.runs[walk.runs.length - 1] = { ...last, sizeBytes: last.sizeBytes + sizeBytes };
  else if (walk.runs.length >= runsMax) walk.bounded = true;
  else walk.runs.push({ at, physical: frame, sizeBytes, user });
}

export function checkExecutableMemory(look: KernelLook): IntegrityCheck {
  const unseen = new Unseen();
  const { runs, whole } = executableRuns(look.space);
  if (!whole) unseen.note('the kernel’s page tables are larger than are walked');
  for (const part of look.unseen.parts) unseen.note(part.what, part.count);
  const findings: IntegrityFinding[] = [...remappedCode(look, runs)];
  for (const { at, bytes } of unownedStretches(look, runs, unseen)) {
    if (isListedNowhere(bytes)) {
      unseen.note('compiled filters that this kernel lists nowhere, known by their shape only');
      continue;
    }
    findings.push({
      kind: 'unowned-kernel-code',
      certainty: 'certain',
      subject: `kernel memory at ${hex(at)}`,
      detail: `Executable kernel memory at ${hex(at)} belongs to no listed module, no compiled BPF program, no tracer and no probe.`,
      facts: { address: hex(at), sizeBytes: bytes.length, bytes: bytes.toString('hex', 0, 64) },
    });
  }
  return answer('executable-memory', covers, findings, unseen);
}

/** The image lies in one piece: an address of its code that leads elsewhere shows the kernel other code than the one that was checked. */
function remappedCode(look: KernelLook, runs: readonly ExecutableRun[]): readonly IntegrityFinding[] {
  const { image } = look.space;
  const end = look.baseline.map.landmarks._etext ?? 0;
  return runs.flatMap((run): readonly IntegrityFinding[] => {
    const offset = codeOffset(look.space, run.at);
    if (offset === null || offset >= end || run.physical === image.textPhysical + offset) return [];
    const name = look.names.ofOffset(offset);
    return [
      {
        kind: 'remapped-kernel-code',
        certainty: 'certain',
        subject: name,
        detail: `The kernel’s code at ${name} is mapped to other memory than the kernel’s image.`,
        facts: { address: hex(run.at), sizeBytes: run.sizeBytes, physical: `0x${run.physical.toString(16)}` },
      },
    ];
  });
}

interface UnownedStretch {
  readonly at: Virtual;
  readonly bytes: Buffer;
}

function unownedStretches(look: KernelLook, runs: readonly ExecutableRun[], unseen: Unseen): readonly UnownedStretch[] {
  const stretches: UnownedStretch[] = [];
  for (const run of runs) {
    for (let done = 0; done < run.sizeBytes && stretches.length < unownedMax; done += pageBytes) {
      const at = plus(run.at, done);
      const bytes = unownedPage(look, at, run, run.physical + done, unseen);
      if (bytes === null) continue;
      const last = stretches.at(-1);
      const adjoins = last !== undefined && hex(plus(last.at, last.bytes.length)) === hex(at);
      if (adjoins && last.bytes.length < stretchBytesMax) {
        stretches[stretches.length - 1] = { at: last.at, bytes: Buffer.concat([last.bytes, bytes]) };
      } else stretches.push({ at, bytes });
    }
  }
  return stretches;
}

/**
 * To 5.17, a socket's or a process's own filter is compiled into pages of its own that no list names. They begin with how many they
 * are, and hold traps before and behind the code (bpf_jit_binary_alloc in kernel/bpf/core.c of Linux).
 */
function isListedNowhere(bytes: Buffer): boolean {
  return bytes.readUInt32LE(0) * pageBytes === bytes.length && isTraps(bytes, bytes.length - 16, bytes.length);
}

/** The page's bytes when it holds code that nobody answers for. */
function unownedPage(
  look: KernelLook,
  at: Virtual,
  run: ExecutableRun,
  physical: PhysicalAddress,
  unseen: Unseen,
): Buffer | null {
  const { space, owners, baseline } = look;
  const offset = codeOffset(space, at);
  const imageCode = Math.ceil((baseline.map.landmarks._etext ?? 0) / pageBytes) * pageBytes;
  if (offset !== null && offset < imageCode) return null;
  if (run.user || (offset === null && physical < bootMemoryEnd)) return null;
  if (offset !== null) {
    // A page may belong to several, each with a part of it.
    for (let within = 0; within < pageBytes; within += 64) if (owners.of(offset + within) !== null) return null;
  }
  const bytes = Buffer.alloc(pageBytes);
  if (physical === nowhere || !space.pages.memory.read(physical, bytes, 0, pageBytes)) {
    unseen.note('executable memory of the kernel cannot be read');
    return null;
  }
  if (bytes.every((byte) => byte === 0) || isTraps(bytes, 0, pageBytes)) return null;
  return bytes;
}
