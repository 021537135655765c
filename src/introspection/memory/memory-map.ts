// Which stretches of guest-physical addresses are RAM, and where in QEMU's own memory each lies: read from the text of
// HMP `info mtree -f`. That text is not a stable interface, hence the tolerance.
import type { PhysicalAddress } from './guest-memory.ts';

/** A stretch of guest RAM inside one of QEMU's RAM blocks. */
export interface RamStretch {
  readonly start: PhysicalAddress;
  /** One past the last byte. */
  readonly end: PhysicalAddress;
  /** QEMU's name of the RAM block, such as `pc.ram` or the id of a memory backend. */
  readonly block: string;
  /** Bytes from the start of that block. */
  readonly blockOffset: number;
}

const line = /^\s+([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, (ram|rom)\): (\S+)(?: @([0-9a-f]{16}))?/;
const stretchesMax = 4096;

/**
 * The RAM of the machine as its CPUs see it, ascending. RAM blocks are those that hold address 0 or are named in
 * `backends` (memory backends and hot-plugged modules); video memory and option ROMs are not among them. Shadowed
 * stretches that QEMU lists as `rom` of the same block are RAM to us.
 */
export function parseMemoryTree(text: string, backends: ReadonlySet<string>): readonly RamStretch[] {
  const view = text.split(/^FlatView #/m).find((block) => block.includes(' AS "memory"'));
  if (view === undefined) return [];
  const all: RamStretch[] = [];
  for (const row of view.split('\n')) {
    const found = line.exec(row);
    if (found === null || all.length >= stretchesMax) continue;
    const [, start = '', last = '', , block = '', offset = '0'] = found;
    all.push({
      start: Number.parseInt(start, 16),
      end: Number.parseInt(last, 16) + 1,
      block,
      blockOffset: Number.parseInt(offset, 16),
    });
  }
  const lowest = all.find((stretch) => stretch.start === 0)?.block;
  return all.filter((stretch) => stretch.block === lowest || backends.has(stretch.block));
}

/** A line of `/proc/PID/maps`: where QEMU maps something, and of which file. */
export interface ProcessMapping {
  readonly start: number;
  readonly end: number;
  readonly shared: boolean;
  readonly fileOffset: number;
  /** `MAJOR:MINOR` in hexadecimal, as the kernel prints it. */
  readonly device: string;
  /** 0 = anonymous. */
  readonly inode: number;
}

const mapping = /^([0-9a-f]+)-([0-9a-f]+) ..(?:.)([sp]) ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+)/;

/** The mapping that holds `address`, or null. */
export function findMapping(maps: string, address: number): ProcessMapping | null {
  for (const row of maps.split('\n')) {
    const found = mapping.exec(row);
    if (found === null) continue;
    const [, start = '', end = '', mode, offset = '', device = '', inode = ''] = found;
    const from = Number.parseInt(start, 16);
    const to = Number.parseInt(end, 16);
    if (address < from || address >= to) continue;
    return {
      start: from,
      end: to,
      shared: mode === 's',
      fileOffset: Number.parseInt(offset, 16),
      device,
      inode: Number(inode),
    };
  }
  return null;
}
