// Makes the profile of a kernel from its own memory: symbols from kallsyms, layouts from BTF. No debug files, no configuration.
// The image is read, understood and let go; only the small profile stays.
import type { GuestMemory } from '../memory/guest-memory.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import { Btf, findBtf } from './btf.ts';
import type { KernelImage } from './find-kernel.ts';
import { findSymbols } from './kallsyms.ts';
import type { ImageBytes } from './kallsyms.ts';
import { wanted } from './kernel-profile.ts';
import type { KernelProfile } from './kernel-profile.ts';

const imageBytesMax = 256 * 1024 * 1024;
/** Larger than any structure of the kernel's; what a guest says beyond it is a lie. */
const fieldOffsetMax = 1024 * 1024;
const bannerBytesMax = 1024;
const buildIdBytes = 20;
/** A note of GNU's with a build id: name size 4, description size 20, type 3. */
const buildIdNote = Buffer.from('040000001400000003000000474e5500', 'hex');
const notesBytesMax = 4096;

export function buildProfile(memory: GuestMemory, image: KernelImage): Result<KernelProfile> {
  // Everything wanted lies in read-only data; a kernel booted with rodata=off has none, so there the whole image is read.
  const constants = image.runs
    .filter((run) => !run.writable && !run.executable)
    .reduce((largest, run) => (run.sizeBytes > largest.sizeBytes ? run : largest), { offset: 0, sizeBytes: 0 });
  const part = profileFrom(memory, image, constants.offset, constants.sizeBytes);
  return part.ok ? part : profileFrom(memory, image, 0, image.sizeBytes);
}

function profileFrom(
  memory: GuestMemory,
  image: KernelImage,
  offset: number,
  sizeBytes: number,
): Result<KernelProfile> {
  const read = readImage(memory, image, offset, sizeBytes);
  if (!read.ok) return read;
  const profile = understand(read.value);
  // Ten megabytes and more: given back at once rather than when the garbage collector finds the time.
  read.value.bytes.buffer.transfer(0);
  return profile;
}

function understand(part: ImageBytes): Result<KernelProfile> {
  const symbols = readSymbols(part);
  if (!symbols.ok) return symbols;
  const layout = readLayout(part.bytes);
  if (!layout.ok) return layout;
  const buildIdOffset = findBuildId(part, symbols.value.symbols);
  const bannerAt = symbols.value.symbols.linux_banner - part.offset;
  const banner = part.bytes.toString('latin1', bannerAt, bannerAt + bannerBytesMax).split(/[\n\0]/, 1)[0] ?? '';
  if (buildIdOffset === null || !banner.startsWith('Linux version ')) {
    return fail(
      problem(
        'unreadable',
        'The guest kernel does not say which build it is.',
        'It may not have booted yet: try again.',
      ),
    );
  }
  const buildIdAt = buildIdOffset - part.offset;
  return ok({
    buildId: part.bytes.toString('hex', buildIdAt, buildIdAt + buildIdBytes),
    buildIdOffset,
    banner,
    ...symbols.value,
    ...layout.value,
  });
}

/** Unmapped holes (freed initialisation code) stay zero. */
function readImage(memory: GuestMemory, image: KernelImage, offset: number, sizeBytes: number): Result<ImageBytes> {
  if (sizeBytes === 0 || sizeBytes > imageBytesMax) {
    return fail(
      problem('unreadable', `The guest maps a kernel image of ${image.sizeBytes} bytes, which no Linux has.`),
    );
  }
  const bytes = Buffer.from(new ArrayBuffer(sizeBytes));
  for (const run of image.runs) {
    const from = Math.max(run.offset, offset);
    const to = Math.min(run.offset + run.sizeBytes, offset + sizeBytes);
    if (from < to) memory.read(run.physical + (from - run.offset), bytes, from - offset, to - from);
  }
  return ok({ bytes, offset, textLow: image.textLow, sizeBytes: image.sizeBytes });
}

function readSymbols(part: ImageBytes): Result<Pick<KernelProfile, 'symbols' | 'functionEnds' | 'perCpu'>> {
  const found = findSymbols(part, [...wanted.requiredSymbols, ...wanted.optionalSymbols, ...wanted.functions]);
  if (!found.ok) return found;
  const missing = wanted.requiredSymbols.filter((name) => !found.value.offsets.has(name));
  if (missing.length > 0) return fail(missingProblem('symbols', missing));
  const functions: ReadonlySet<string> = new Set(wanted.functions);
  return ok({
    symbols: Object.fromEntries(found.value.offsets) as KernelProfile['symbols'],
    functionEnds: Object.fromEntries([...found.value.ends].filter(([name]) => functions.has(name))),
    perCpu: Object.fromEntries(found.value.perCpu),
  });
}

function readLayout(bytes: Buffer): Result<Pick<KernelProfile, 'fields' | 'bits' | 'sizes'>> {
  const blob = findBtf(bytes);
  if (blob === null) {
    const mend = 'The kernel must be built with CONFIG_DEBUG_INFO_BTF, as distributions do.';
    return fail(problem('unreadable', 'The guest kernel holds no description of its types (BTF).', mend));
  }
  const paths = [wanted.requiredFields, wanted.optionalFields, wanted.optionalBits].flatMap((table) =>
    Object.values(table).flat(),
  );
  const btf = new Btf(blob, new Set([...paths.map((path) => path.split('.', 1)[0] ?? ''), ...wanted.structSizes]));
  const fields = { ...resolve(btf, wanted.requiredFields, 8), ...resolve(btf, wanted.optionalFields, 8) };
  const missing = Object.keys(wanted.requiredFields).filter((name) => fields[name] === undefined);
  if (missing.length > 0) return fail(missingProblem('fields', missing));
  const sizes = wanted.structSizes.flatMap((name) => {
    const size = btf.sizeOf(name);
    return size === null || size > fieldOffsetMax ? [] : [[name, size] as const];
  });
  return ok({
    fields: fields as KernelProfile['fields'],
    bits: resolve(btf, wanted.optionalBits, 1),
    sizes: Object.fromEntries(sizes),
  });
}

/** Offset by name, in units of `unitBits`; names that no spelling resolves are left out. */
function resolve(
  btf: Btf,
  table: Readonly<Record<string, readonly string[]>>,
  unitBits: 1 | 8,
): Record<string, number> {
  const offsets: Record<string, number> = {};
  for (const [name, spellings] of Object.entries(table)) {
    for (const path of spellings) {
      const bits = btf.bitOffset(path);
      if (bits === null || bits > fieldOffsetMax * 8) continue;
      offsets[name] = Math.floor(bits / unitBits);
      break;
    }
  }
  return offsets;
}

function missingProblem(what: string, names: readonly string[]) {
  const message = `The guest kernel lacks ${what} that are needed: ${names.slice(0, 5).join(', ')}.`;
  return problem('unreadable', message, 'Kernels from 5.10 on are supported: please report this one with its version.');
}

/**
 * Bytes from `_text` to the build id. Its own symbol exists since 5.14; before, the kernel's notes hold it. The first note
 * in the image will not do: in some kernels that is the vDSO's.
 */
function findBuildId(part: ImageBytes, symbols: KernelProfile['symbols']): number | null {
  const own = symbols.vmlinux_build_id;
  if (own !== undefined) return inside(part, own);
  const notes = symbols.__start_notes;
  if (notes === undefined || inside(part, notes) === null) return null;
  const from = notes - part.offset;
  const at = part.bytes.subarray(from, from + notesBytesMax).indexOf(buildIdNote);
  return at < 0 ? null : inside(part, notes + at + buildIdNote.length);
}

function inside(part: ImageBytes, offset: number): number | null {
  return offset >= part.offset && offset + buildIdBytes <= part.offset + part.bytes.length ? offset : null;
}
