// The memory of a running QEMU guest, read through the host: /proc/PID/mem for anonymous RAM, the backing file for
// shared RAM (half the price). Opened read-only; for writing only by the function that says so.
import { closeSync, openSync, readFileSync, readdirSync, readSync, statSync, writeSync } from 'node:fs';
import { causeOf, problem } from '../../kit/problem.ts';
import type { Problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import { findMapping } from './memory-map.ts';
import type { ProcessMapping, RamStretch } from './memory-map.ts';
import type { GuestMemory, PhysicalAddress, WritableGuestMemory } from './guest-memory.ts';

/** A RAM stretch with the host virtual address at which QEMU maps it. */
export interface MappedStretch extends RamStretch {
  readonly hostAddress: number;
}

/** The memory of a machine that runs. */
export interface MachineMemory extends GuestMemory {
  /** Reads by these stretches from now on: memory was plugged in or out. On a problem those before stay. */
  remap(stretches: readonly MappedStretch[]): Result<void>;
}

interface OpenStretch {
  readonly start: PhysicalAddress;
  readonly end: PhysicalAddress;
  readonly file: number;
  /** Position in `file` of the stretch's first byte. */
  readonly position: number;
}

interface OpenFiles {
  readonly mode: 'r' | 'r+';
  readonly byPath: Map<string, number>;
}

const procRootDefault = '/proc';
const filesMax = 1024;

/** Opens the memory of process `pid` for reading; `stretches` ascending and without overlap. */
export function openQemuMemory(
  pid: number,
  stretches: readonly MappedStretch[],
  procRoot: string = procRootDefault,
): Result<MachineMemory> {
  return openBy('r', pid, stretches, procRoot);
}

/** The same for reading and writing: for refusing attempts within the guest, which is off unless somebody asked for it. */
export function openWritableQemuMemory(
  pid: number,
  stretches: readonly MappedStretch[],
  procRoot: string = procRootDefault,
): Result<MachineMemory & WritableGuestMemory> {
  return openBy('r+', pid, stretches, procRoot);
}

function openBy(
  mode: 'r' | 'r+',
  pid: number,
  stretches: readonly MappedStretch[],
  procRoot: string,
): Result<QemuMemory> {
  const open: OpenLayout = (wanted) => openLayout(mode, pid, wanted, procRoot);
  const layout = open(stretches);
  return layout.ok ? ok(new QemuMemory(layout.value, open)) : layout;
}

interface Layout {
  readonly stretches: readonly OpenStretch[];
  readonly files: readonly number[];
}

type OpenLayout = (stretches: readonly MappedStretch[]) => Result<Layout>;

function openLayout(
  mode: 'r' | 'r+',
  pid: number,
  stretches: readonly MappedStretch[],
  procRoot: string,
): Result<Layout> {
  const files: OpenFiles = { mode, byPath: new Map() };
  try {
    const maps = readFileSync(`${procRoot}/${pid}/maps`, 'latin1');
    const open = stretches.map((stretch) => openStretch(`${procRoot}/${pid}`, maps, stretch, files));
    return ok({ stretches: coalesce(open), files: [...files.byPath.values()] });
  } catch (thrown) {
    for (const file of files.byPath.values()) closeSync(file);
    return fail(openProblem(pid, thrown));
  }
}

function openProblem(pid: number, thrown: unknown): Problem {
  const code = (thrown as NodeJS.ErrnoException).code;
  if (code === 'EACCES' || code === 'EPERM') {
    return problem(
      'refused',
      `May not read the memory of QEMU process ${pid}.`,
      'Run as root or with the capability CAP_SYS_PTRACE.',
    );
  }
  if (code === 'ENOENT' || code === 'ESRCH') return problem('not-found', `QEMU process ${pid} has ended.`);
  return problem('failed', `Could not open the memory of QEMU process ${pid}: ${causeOf(thrown)}.`);
}

function openStretch(process: string, maps: string, stretch: MappedStretch, files: OpenFiles): OpenStretch {
  const { start, end, hostAddress } = stretch;
  const mapping = findMapping(maps, hostAddress);
  // A private mapping of a file is not the guest's memory any more once the guest wrote to it.
  const backed = mapping?.shared === true && mapping.inode !== 0 && hostAddress + (end - start) <= mapping.end;
  const path = backed ? descriptorOf(process, mapping) : null;
  if (mapping !== null && path !== null) {
    return { start, end, file: openOnce(path, files), position: hostAddress - mapping.start + mapping.fileOffset };
  }
  return { start, end, file: openOnce(`${process}/mem`, files), position: hostAddress };
}

function openOnce(path: string, { mode, byPath }: OpenFiles): number {
  const known = byPath.get(path);
  if (known !== undefined) return known;
  const file = openSync(path, mode);
  byPath.set(path, file);
  return file;
}

/** The file behind a shared mapping, by way of the descriptor QEMU keeps on it; works for deleted files and memfds. */
function descriptorOf(process: string, mapping: ProcessMapping): string | null {
  const [major = 0, minor = 0] = mapping.device.split(':').map((part) => Number.parseInt(part, 16));
  for (const name of readdirSync(`${process}/fd`).slice(0, filesMax)) {
    const path = `${process}/fd/${name}`;
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.ino === mapping.inode && sameDevice(found.dev, major, minor)) return path;
  }
  return null;
}

/** Linux's encoding of a device number: 12 bits of major between the low 8 and the high 12 bits of minor. */
function sameDevice(device: number, major: number, minor: number): boolean {
  return ((device >>> 8) & 0xfff) === major && ((device & 0xff) | ((device >>> 12) & 0xfff00)) === minor;
}

function coalesce(stretches: readonly OpenStretch[]): readonly OpenStretch[] {
  const joined: OpenStretch[] = [];
  for (const stretch of stretches) {
    const last = joined.at(-1);
    const adjoins =
      last?.end === stretch.start &&
      last.file === stretch.file &&
      last.position + (last.end - last.start) === stretch.position;
    if (last !== undefined && adjoins) joined[joined.length - 1] = { ...last, end: stretch.end };
    else joined.push(stretch);
  }
  return joined;
}

class QemuMemory implements WritableGuestMemory, MachineMemory {
  end: PhysicalAddress;
  readonly #open: OpenLayout;
  #stretches: readonly OpenStretch[];
  #files: readonly number[];
  #isClosed = false;

  constructor({ stretches, files }: Layout, open: OpenLayout) {
    this.#open = open;
    this.#stretches = stretches;
    this.#files = files;
    this.end = stretches.at(-1)?.end ?? 0;
  }

  remap(stretches: readonly MappedStretch[]): Result<void> {
    if (this.#isClosed) return fail(problem('failed', 'The memory was closed.'));
    const layout = this.#open(stretches);
    if (!layout.ok) return layout;
    const before = this.#files;
    this.#stretches = layout.value.stretches;
    this.#files = layout.value.files;
    this.end = this.#stretches.at(-1)?.end ?? 0;
    for (const file of before) closeSync(file);
    return ok(undefined);
  }

  read(address: PhysicalAddress, into: Uint8Array, offset: number, length: number): boolean {
    let at = address;
    let to = offset;
    const last = offset + length;
    while (to < last) {
      const stretch = this.#stretchAt(at);
      if (stretch === null) return false;
      const take = Math.min(last - to, stretch.end - at);
      const got = readSome(stretch.file, into, to, take, stretch.position + (at - stretch.start));
      if (got === 0) return false;
      at += got;
      to += got;
    }
    return true;
  }

  write(address: PhysicalAddress, bytes: Uint8Array): boolean {
    const stretch = this.#stretchAt(address);
    if (stretch === null || address + bytes.length > stretch.end) return false;
    try {
      return (
        writeSync(stretch.file, bytes, 0, bytes.length, stretch.position + (address - stretch.start)) === bytes.length
      );
    } catch {
      return false;
    }
  }

  close(): void {
    for (const file of this.#files) closeSync(file);
    this.#files = [];
    this.#isClosed = true;
  }

  #stretchAt(address: PhysicalAddress): OpenStretch | null {
    if (this.#files.length === 0) return null;
    for (const stretch of this.#stretches) {
      if (address >= stretch.start && address < stretch.end) return stretch;
    }
    return null;
  }
}

/** 0 = could not. The process may end between any two reads: that is no bug. */
function readSome(file: number, into: Uint8Array, offset: number, length: number, position: number): number {
  try {
    return readSync(file, into, offset, length, position);
  } catch {
    return 0;
  }
}
