// The files a process runs, has mapped or has open, as the guest's kernel holds them.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import { readMemoryAreas } from '../guest/memory-areas.ts';
import { Ledger } from '../guest/ledger.ts';
import { isKernelThread, livingFacts, readTaskFacts, taskOffsets } from '../guest/task-facts.ts';
import type { TaskFacts } from '../guest/task-facts.ts';
import { listTasks } from '../guest/task-list.ts';
import { ThreadList } from '../guest/thread-list.ts';
import { readFileFacts } from './file-facts.ts';
import type { ProcessFile } from './executable-identity.ts';

/** A file by the name a caller uses for it, with the kernel's record of it. */
export interface HeldFile {
  readonly file: string;
  readonly open: PhysicalAddress;
  /** Record to read the path from: of an executable on an overlay, the file as the process sees it. */
  readonly named: PhysicalAddress;
  readonly code: boolean;
}

const descriptorsMax = 65_536;
const filesMax = 4096;

/** The process of this id as it lives now; null when there is none, or it is a thread of the kernel's. */
export function findProcess(space: KernelSpace, pid: number): TaskFacts | null {
  const offsets = taskOffsets(space.profile);
  const ledger = new Ledger();
  for (const task of listTasks(space, ledger)) {
    if (space.pages.u32(task + offsets.pid) !== pid) continue;
    const facts = readTaskFacts(space, offsets, task);
    if (isKernelThread(facts)) return null;
    return facts.exiting ? livingFacts(space, offsets, facts, new ThreadList(ledger)) : facts;
  }
  return null;
}

/** The executable first, then what is mapped in the order of its memory, then descriptors; each file of the disk once per kind. */
export function heldFiles(space: KernelSpace, process: TaskFacts): readonly HeldFile[] {
  if (process.mm === nowhere) return [];
  const executable = executableOf(space, process.mm);
  return [
    ...(executable === null ? [] : [executable]),
    ...mappedFiles(space, process.mm),
    ...(process.files === nowhere ? [] : openFiles(space, process.files)),
  ].slice(0, filesMax);
}

/**
 * An overlay keeps no pages of its own: the file below it is the one that is mapped, and the mapping of the program's
 * code leads to it.
 */
export function executableOf(space: KernelSpace, mm: PhysicalAddress): HeldFile | null {
  const { fields } = space.profile;
  const named = space.pointer(mm + fields['mm_struct.exe_file']);
  if (named === nowhere) return null;
  const whole = { file: 'executable', open: named, named, code: true };
  const startCode = fields['mm_struct.start_code'];
  if (startCode === undefined || readFileFacts(space, named)?.fileSystem !== 'overlay') return whole;
  const code = space.pages.u64(mm + startCode);
  const area = readMemoryAreas(space, mm)?.areas.find(({ start, end }) => start <= code && code < end);
  return area === undefined || area.file === nowhere ? whole : { ...whole, open: area.file };
}

function mappedFiles(space: KernelSpace, mm: PhysicalAddress): readonly HeldFile[] {
  const inodeAt = space.profile.fields['file.f_inode'];
  const byInode = new Map<PhysicalAddress, { file: PhysicalAddress; code: boolean }>();
  for (const { file, executable } of readMemoryAreas(space, mm)?.areas ?? []) {
    if (file === nowhere || inodeAt === undefined) continue;
    const inode = space.pointer(file + inodeAt);
    const known = byInode.get(inode);
    if (known === undefined) byInode.set(inode, { file, code: executable });
    else known.code ||= executable;
  }
  return [...byInode.values()].map(({ file, code }, index) => ({
    file: `mapped:${index}`,
    open: file,
    named: file,
    code,
  }));
}

function openFiles(space: KernelSpace, files: PhysicalAddress): readonly HeldFile[] {
  const { fields } = space.profile;
  const table = space.pointer(files + fields['files_struct.fdt']);
  const descriptors = table === nowhere ? null : space.array(table + fields['fdtable.fd']);
  const open = table === nowhere ? null : space.array(table + fields['fdtable.open_fds']);
  if (descriptors === null || open === null) return [];
  const count = Math.min(space.pages.u32(table + fields['fdtable.max_fds']), descriptorsMax);
  const found: HeldFile[] = [];
  for (let fd = 0; fd < count && found.length < filesMax; fd += 1) {
    const word = space.pages.u32(space.element(open, Math.floor(fd / 32), 4));
    if (word === 0) {
      fd += 31 - (fd % 32);
      continue;
    }
    if (((word >>> (fd % 32)) & 1) === 0) continue;
    const at = space.element(descriptors, fd, 8);
    const low = space.pages.u32(at);
    const file = space.object(space.pages.u32(at + 4), low - (low & 3));
    if (file !== nowhere) found.push({ file: `descriptor:${fd}`, open: file, named: file, code: false });
  }
  return found;
}

/** As it is shown; null for what is no regular file. */
export function describeFile(space: KernelSpace, held: HeldFile): ProcessFile | null {
  const facts = readFileFacts(space, held.open);
  if (facts?.regular !== true) return null;
  const path = held.named === held.open ? facts.path : (readFileFacts(space, held.named)?.path ?? facts.path);
  return { file: held.file, path, inode: facts.inodeNumber, sizeBytes: facts.sizeBytes, code: held.code };
}
