// A VM's memory kept as evidence: the hypervisor writes it as an ELF core into a pipe while the VM stands, this writes, bounds and
// hashes the file, and reads it again before it is called kept. A dump that is cut off leaves nothing behind and lets the VM run on.
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, renameSync, rmSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { causeOf, type Problem, problem, sayProblem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { type ElfCore, readElfCore } from '../../protocols/elf-core/elf-core.ts';
import type { ActOutcome, RunState, VmReading } from './enforcer.ts';
import { type EvidencePipe, openEvidencePipe } from './evidence-pipe.ts';
import type { EvidenceRoom } from './evidence-room.ts';
import type { Patience } from './verified-action.ts';

export interface MemoryDumpOptions {
  /** Files are named `STEP.elf`, 0600. */
  readonly room: EvidenceRoom;
  readonly pace?: Partial<DumpPace>;
  /** Aborted, dumps under way are cut off. */
  readonly cancelled?: AbortSignal;
  /** How far it has come, now and then. */
  readonly progress?: (id: string, bytes: number, ofBytes: number) => void;
}

/** The VM stands while it is dumped: a disk that is too slow must not hold it for ever. */
export interface DumpPace {
  /** So long without a byte, and it is cut off. */
  readonly stallMs: number;
  /** So long in any case, and by so many bytes a second for the rest. */
  readonly leastMs: number;
  readonly slowestRate: number;
}

/** One hypervisor's way of writing a VM's memory. */
export interface MemoryDumpControl extends MemoryDumpOptions {
  /** What stands in the way; null = nothing. */
  obstacle(): Promise<Problem | null>;
  /** The VM's RAM. */
  memoryBytes(): Promise<Result<number>>;
  /** Writes an ELF core to the path; answers when the hypervisor is done with it. The VM stands meanwhile. */
  write(path: string, limitMs: number): Promise<Result<void>>;
}

/** Ids of steps; nothing that leaves a directory. */
const fileId = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Beside RAM a dump holds video memory, firmware and registers. */
const besideRamBytes = 512 * 2 ** 20;
export const paceDefault: DumpPace = { stallMs: 15_000, leastMs: 30_000, slowestRate: 25_000_000 };
const asBeforeMs = 5000;
const readEveryMs = 50;
const tellEveryBytes = 256 * 2 ** 20;

interface Written {
  readonly bytes: number;
  readonly sha256: string;
}

/** `before`: the reading just made. Carried out again under the same id, it finds its own file. Never throws. */
export async function dumpMemory(
  id: string,
  control: MemoryDumpControl,
  before: VmReading,
  readState: () => Promise<Result<VmReading>>,
  patience: Patience,
): Promise<ActOutcome> {
  if (!fileId.test(id)) return failed(problem('refused', `${JSON.stringify(id.slice(0, 40))} can name no file.`));
  const path = join(control.room.directory, `${id}.elf`);
  if (existsSync(path)) return await keptBefore(path);
  const obstacle = await control.obstacle();
  if (obstacle !== null) return failed(obstacle);
  const ram = await control.memoryBytes();
  if (!ram.ok) return failed(ram.error);
  const leave = control.room.take(id, ram.value);
  if (!leave.ok) return failed(leave.error);
  try {
    return await dumpInto(path, id, ram.value, control, before, readState, patience);
  } finally {
    leave.value();
  }
}

async function dumpInto(
  path: string,
  id: string,
  ramBytes: number,
  control: MemoryDumpControl,
  before: VmReading,
  readState: () => Promise<Result<VmReading>>,
  patience: Patience,
): Promise<ActOutcome> {
  const part = `${path}.part`;
  const beganMs = patience.clock.monotonic();
  const written = await writePart(id, part, ramBytes, control);
  const stoodMs = Math.round(patience.clock.monotonic() - beganMs);
  const after = await untilAsBefore(before.run, readState, patience);
  const stands = after === null ? '' : `; the VM is not ${before.run} as it was before: ${after}`;
  const kept = written.ok ? await verify(part, written.value, ramBytes) : written;
  if (!kept.ok) {
    rmSync(part, { force: true });
    const why = { ...kept.error, message: `${kept.error.message}${stands}` };
    return failed(why);
  }
  const sealed = seal(part, path);
  if (!sealed.ok) return failed(sealed.error);
  const evidence = `${sayDump(path, kept.value, written.ok ? written.value.sha256 : '')}; the VM stood for ${stoodMs} ms`;
  return after === null
    ? { state: 'done', evidence: `${evidence} and is ${before.run} as before` }
    : { state: 'unconfirmed', evidence: `${evidence}${stands}`.slice(0, 4000) };
}

async function writePart(
  id: string,
  part: string,
  ramBytes: number,
  control: MemoryDumpControl,
): Promise<Result<Written>> {
  const pipe = await openEvidencePipe(control.room.directory, id);
  if (!pipe.ok) return pipe;
  const { reader } = pipe.value;
  let file: FileHandle | null = null;
  const pace = { ...paceDefault, ...control.pace };
  const limitMs = pace.leastMs + (ramBytes / pace.slowestRate) * 1000;
  const cut = new Cut(reader, limitMs, pace.stallMs, control.cancelled);
  try {
    file = await open(part, 'w', 0o600);
    const told = control.write(pipe.value.path, limitMs + pace.stallMs);
    // One that was refused has opened nothing, so that no end comes.
    void told.then((done) => done.ok || cut.off(sayProblem(done.error)));
    let toldAt = 0;
    const written = await pump(file, reader, ramBytes + besideRamBytes, (bytes) => {
      cut.stirred();
      if (bytes - toldAt < tellEveryBytes) return;
      toldAt = bytes;
      control.progress?.(id, bytes, ramBytes);
    });
    const done = await told;
    await file.sync();
    if (!done.ok) return done;
    return cut.why === null ? ok(written) : fail(problem('failed', `The memory was not kept: ${cut.why}.`));
  } catch (thrown) {
    return fail(problem('failed', `The memory was not kept: ${cut.why ?? causeOf(thrown)}.`));
  } finally {
    cut.done();
    reader.destroy();
    await file?.close();
  }
}

async function pump(
  file: FileHandle,
  reader: EvidencePipe['reader'],
  bytesMax: number,
  stirred: (bytes: number) => void,
): Promise<Written> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of reader as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Error(`it is longer than ${bytesMax} bytes, which is more than the VM has`);
    hash.update(chunk);
    for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten;
    stirred(bytes);
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** Reads the file again, from the disk: what was written is not yet what is there. */
async function verify(part: string, { bytes, sha256 }: Written, ramBytes: number): Promise<Result<ElfCore>> {
  const core = readElfCore(part);
  if (!core.ok) return core;
  const { fileBytes, memoryBytes, processors } = core.value;
  if (fileBytes !== bytes) return notPlausible(`${bytes} bytes were written and ${fileBytes} are there`);
  if (memoryBytes < ramBytes) return notPlausible(`it holds ${memoryBytes} bytes of memory of ${ramBytes}`);
  if (processors === 0) return notPlausible('it holds the registers of no processor');
  const read = await hashOf(part);
  return read === sha256 ? core : notPlausible(`its SHA-256 is ${read} and was ${sha256} when it was written`);
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
    return hash.digest('hex');
  } catch (thrown) {
    return `not to be had: ${causeOf(thrown)}`;
  }
}

async function keptBefore(path: string): Promise<ActOutcome> {
  const core = readElfCore(path);
  return core.ok
    ? { state: 'done', evidence: `already so: ${sayDump(path, core.value, await hashOf(path))}` }
    : failed(core.error);
}

function seal(part: string, path: string): Result<void> {
  try {
    renameSync(part, path);
    return ok(undefined);
  } catch (thrown) {
    return fail(problem('failed', `${part} was written and cannot be named ${path}: ${causeOf(thrown)}.`));
  }
}

function sayDump(path: string, { fileBytes, memoryBytes, processors, bits }: ElfCore, sha256: string): string {
  const what = `${memoryBytes} bytes of memory and the registers of ${processors} processor${processors === 1 ? '' : 's'}`;
  return `${path}: ${fileBytes} bytes, sha256 ${sha256}, read back as an ELF${bits} core with ${what}`;
}

/** Null = it is again as it was. */
async function untilAsBefore(
  run: RunState,
  readState: () => Promise<Result<VmReading>>,
  { clock, sleep }: Patience,
): Promise<string | null> {
  const deadline = clock.monotonic() + asBeforeMs;
  for (;;) {
    const now = await readState();
    if (now.ok && now.value.run === run) return null;
    if (clock.monotonic() >= deadline) return now.ok ? now.value.words : sayProblem(now.error);
    await sleep(readEveryMs);
  }
}

/** Whatever takes too long is ended by closing the pipe, and says why. */
class Cut {
  why: string | null = null;
  readonly #reader: EvidencePipe['reader'];
  readonly #limit: NodeJS.Timeout;
  readonly #stall: NodeJS.Timeout;
  readonly #cancelled: AbortSignal | undefined;
  readonly #onCancel = (): void => this.off('the sentinel is stopping');

  constructor(reader: EvidencePipe['reader'], limitMs: number, stallMs: number, cancelled: AbortSignal | undefined) {
    this.#reader = reader;
    this.#cancelled = cancelled;
    this.#limit = setTimeout(() => this.off(`it took longer than ${Math.round(limitMs)} ms`), limitMs);
    this.#stall = setTimeout(() => this.off(`nothing came for ${stallMs} ms`), stallMs);
    cancelled?.addEventListener('abort', this.#onCancel);
    if (cancelled?.aborted === true) this.#onCancel();
  }

  off(why: string): void {
    this.why ??= why;
    this.#reader.destroy(new Error(why));
  }

  stirred(): void {
    this.#stall.refresh();
  }

  done(): void {
    clearTimeout(this.#limit);
    clearTimeout(this.#stall);
    this.#cancelled?.removeEventListener('abort', this.#onCancel);
  }
}

function failed(why: Problem): ActOutcome {
  return { state: 'failed', evidence: sayProblem(why).slice(0, 4000), problem: why };
}

function notPlausible(why: string): Result<never> {
  return fail(problem('failed', `The memory that was written is not what it should be: ${why}.`));
}
