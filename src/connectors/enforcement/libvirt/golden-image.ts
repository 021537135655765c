// The golden image a VM is started from anew: what may be one is checked before anything is done, and it is never opened for writing.
// Nobody may write to it: libvirt gives the files below a disk to QEMU's user when it starts a domain, and one VM that broke out of its
// QEMU could then change what all others are started from.
import { lstat, realpath, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import type { Json } from '../../../kit/canonical-json.ts';
import { asList, asObject, asText } from '../../../kit/json-object.ts';
import { causeOf, type Problem, problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { runProgram } from '../../../protocols/host-program/run-program.ts';

export interface GoldenImage {
  readonly path: string;
  readonly format: 'qcow2' | 'raw';
  /** Inode, size and time of change of the image and all below it. */
  readonly print: string;
}

const chainMax = 8;
const pathBytesMax = 1024;
const mend = 'Name another as goldenImage in the response policy of its service.';

/** `disk`: the file the VM runs on now, which can be no part of it. */
export async function readGoldenImage(path: string, disk: string): Promise<Result<GoldenImage>> {
  const objection = await objectionTo(path, disk);
  if (objection !== null) return fail(objection);
  // By its own lock QEMU refuses to read what somebody has open for writing.
  const said = await runProgram(['qemu-img', 'info', '--output=json', '--backing-chain', '--', path]);
  if (!said.ok) return said;
  const chain = chainOf(said.value);
  const [first] = chain;
  if (first?.format !== 'qcow2' && first?.format !== 'raw')
    return fail(refused(path, `is ${first?.format ?? 'nothing that qemu-img knows'}, not qcow2 or raw`));
  if (chain.length > chainMax) return fail(refused(path, `stands on more than ${chainMax - 1} others`));
  for (const { file } of chain) {
    const why = await objectionTo(file, disk);
    if (why !== null) return fail(why);
  }
  const print = await printOf(chain.map(({ file }) => file));
  return print.ok ? ok({ path, format: first.format, print: print.value }) : print;
}

/** Whether it is still what it was; a sentence when not. */
export async function changeOf(image: GoldenImage, disk: string): Promise<string | null> {
  const now = await readGoldenImage(image.path, disk);
  if (!now.ok) return now.error.message;
  return now.value.print === image.print ? null : `The golden image ${image.path} was changed meanwhile.`;
}

/** Absolute and written in one way only, so that it leads where it says and is no option and no protocol of qemu-img. */
export function isPlainPath(path: string): boolean {
  return (
    path.startsWith('/') &&
    path !== '/' &&
    posix.normalize(path) === path &&
    !path.endsWith('/') &&
    path.isWellFormed() &&
    Buffer.byteLength(path) <= pathBytesMax &&
    // eslint-disable-next-line no-control-regex
    !/[\u0000-\u001f\u007f]/.test(path)
  );
}

async function objectionTo(path: string, disk: string): Promise<Problem | null> {
  if (!isPlainPath(path)) return refused(path, 'is no absolute path in its plain form');
  try {
    if ((await realpath(path)) !== path) return refused(path, `is a link or lies behind one: ${await realpath(path)}`);
    const [image, own] = [await lstat(path), await stat(disk)];
    if (!image.isFile()) return refused(path, 'is no regular file');
    if (image.dev === own.dev && image.ino === own.ino) return refused(path, "is the VM's own disk");
    if ((image.mode & 0o222) === 0) return null;
  } catch (thrown) {
    return refused(path, `cannot be read: ${causeOf(thrown)}`);
  }
  return problem(
    'refused',
    `The golden image ${JSON.stringify(path)} may be written to.`,
    'Take the right to write from everybody (chmod a-w): QEMU gets to own it.',
  );
}

function refused(path: string, why: string): Problem {
  return problem('refused', `The golden image ${JSON.stringify(path.slice(0, pathBytesMax))} ${why}.`, mend);
}

function chainOf(json: string): readonly { readonly file: string; readonly format: string | null }[] {
  let read: Json;
  try {
    read = JSON.parse(json) as Json;
  } catch {
    return [];
  }
  return asList(read, chainMax + 1).map((entry) => {
    const image = asObject(entry);
    return { file: asText(image?.['filename']) ?? '', format: asText(image?.['format']) };
  });
}

async function printOf(files: readonly string[]): Promise<Result<string>> {
  try {
    const all = await Promise.all(files.map(async (file) => await lstat(file, { bigint: true })));
    return ok(all.map(({ dev, ino, size, mtimeNs }) => [dev, ino, size, mtimeNs].join(' ')).join('; '));
  } catch (thrown) {
    return fail(problem('failed', `The golden image cannot be read: ${causeOf(thrown)}.`));
  }
}
