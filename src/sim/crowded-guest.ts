// A recorded guest that forges processes by the hundred thousand: records that overlap in memory, all of one real program, sharing one
// set of arguments as large as any may be. What a hostile kernel could show to keep its watcher busy or out of memory.
import { pageBytes } from '../introspection/memory/guest-memory.ts';
import type { PhysicalAddress } from '../introspection/memory/guest-memory.ts';
import { KernelSpace, nowhere } from '../introspection/kernel/kernel-space.ts';
import { findKernel } from '../introspection/kernel/find-kernel.ts';
import type { FieldName, OptionalFieldName } from '../introspection/kernel/kernel-profile.ts';
import { PageCache } from '../introspection/memory/page-cache.ts';
import type { GuestRecording } from './guest-recording.ts';
import { RecordedMemory } from './page-set.ts';
import type { PageSet } from './page-set.ts';

export interface Crowd {
  readonly processes: number;
  /** Bytes of arguments that each says it has. */
  readonly argumentBytes: number;
}

/** What a process record must hold to be believed, by field and size. */
const parts: readonly (readonly [FieldName | OptionalFieldName, number])[] = [
  ['task_struct.pid', 4],
  ['task_struct.tgid', 4],
  ['task_struct.flags', 4],
  ['task_struct.exit_state', 4],
  ['task_struct.real_parent', 8],
  ['task_struct.cred', 8],
  ['task_struct.start_boottime', 8],
  ['task_struct.self_exec_id', 4],
  ['task_struct.mm', 8],
  ['task_struct.files', 8],
  ['task_struct.nsproxy', 8],
  ['task_struct.signal', 8],
  ['task_struct.thread_pid', 8],
  ['task_struct.comm', 16],
  ['task_struct.cgroups', 8],
];
const linkBytes = 16;
const strideMax = 4096;
const mmBytes = 2048;

export function crowd(recording: GuestRecording, { processes, argumentBytes }: Crowd): PageSet {
  const { fields } = recording.profile;
  const space = kernelOf(recording);
  const directMap =
    (BigInt(space.pages.u32(pageOffsetAt(space) + 4)) << 32n) | BigInt(space.pages.u32(pageOffsetAt(space)));
  const link = fields['task_struct.tasks'];
  const head = space.symbol('init_task') + link;
  const last = space.maybePointer(head + 8);
  const model = youngestProgram(space, last, link);
  const found = parts.flatMap(([name, size]) => (fields[name] === undefined ? [] : [[fields[name], size] as const]));
  const stride = strideFor([...found, [link, linkBytes]]);
  const room = Math.ceil((processes * stride + strideMax * 4) / pageBytes) + 2;
  const first = freePages(recording.pages, room) * pageBytes;
  const added = Buffer.alloc(room * pageBytes);
  // The forged records of memory and processes lie in the added pages: the first page holds the one, the rest the others.
  const mm = first;
  space.pages.copy(space.pointer(model + fields['task_struct.mm']), mmBytes).copy(added, 0);
  const argumentsAt = added.readBigUInt64LE(fields['mm_struct.arg_start']);
  added.writeBigUInt64LE(argumentsAt + BigInt(argumentBytes), fields['mm_struct.arg_end']);
  const values = found.map(([at, size]) => [at, space.pages.copy(model + at, size)] as const);
  const base = pageBytes;
  for (let number = 0; number < processes; number += 1) {
    const task = base + number * stride;
    for (const [at, bytes] of values) bytes.copy(added, task + at);
    added.writeBigUInt64LE(directMap + BigInt(mm), task + fields['task_struct.mm']);
    const next = number + 1 === processes ? head : first + task + stride + link;
    const before = number === 0 ? last : first + task - stride + link;
    added.writeBigUInt64LE(directMap + BigInt(next), task + link);
    added.writeBigUInt64LE(directMap + BigInt(before), task + link + 8);
  }
  const bytes = Buffer.concat([recording.pages.bytes, added]);
  const numbers = [...recording.pages.numbers, ...Array.from({ length: room }, (_, page) => first / pageBytes + page)];
  const set = { end: recording.pages.end, numbers, bytes };
  point(set, last, directMap + BigInt(first + base + link));
  point(set, head + 8, directMap + BigInt(first + base + (processes - 1) * stride + link));
  return set;
}

function kernelOf(recording: GuestRecording): KernelSpace {
  const pages = new PageCache(new RecordedMemory(recording.pages));
  const kernel = findKernel(pages, recording.cpus);
  if (!kernel.ok) throw new Error(kernel.error.message);
  return new KernelSpace(pages, kernel.value, recording.profile);
}

/** The youngest process that is not the kernel's own. */
function youngestProgram(space: KernelSpace, last: PhysicalAddress, link: number): PhysicalAddress {
  const mm = space.profile.fields['task_struct.mm'];
  let at = last;
  while (space.maybePointer(at - link + mm) === nowhere) at = space.maybePointer(at + 8);
  return at - link;
}

function pageOffsetAt(space: KernelSpace): PhysicalAddress {
  return space.symbol('page_offset_base');
}

/** The smallest distance at which records can lie so that no part of one is on another part of a neighbour. */
function strideFor(pieces: readonly (readonly [number, number])[]): number {
  for (let stride = 64; stride <= strideMax; stride += 8) {
    const taken = new Set<number>();
    const fits = pieces.every(([at, size]) =>
      Array.from({ length: size }, (_, byte) => (at + byte) % stride).every((byte) => {
        const isFree = !taken.has(byte);
        taken.add(byte);
        return isFree;
      }),
    );
    if (fits) return stride;
  }
  throw new RangeError('process records cannot overlap');
}

/** The number of the first of `count` adjoining pages that the recording does not hold. */
function freePages({ numbers, end }: PageSet, count: number): number {
  const bounds = [0, ...numbers, Math.floor(end / pageBytes)];
  for (const [index, number] of bounds.entries()) {
    if ((bounds[index + 1] ?? 0) - number > count + 1) return number + 1;
  }
  throw new RangeError(`no room for ${count} pages`);
}

function point({ numbers, bytes }: PageSet, at: PhysicalAddress, to: bigint): void {
  const slot = numbers.indexOf(Math.floor(at / pageBytes));
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).writeBigUInt64LE(
    to,
    slot * pageBytes + (at % pageBytes),
  );
}
