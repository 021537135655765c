// The sealed manifests of this host's VMs. An envelope is believed only after its signature, issuer, VM, schema and
// generation have held, when it arrives and again whenever it is read from disk. What fails is refused and told; what was
// last good stays in force, and goes back to disk.
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, isoTime } from '../../kit/clock.ts';
import { causeOf, type Problem, problem, sayProblem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Manifest, SealedManifest } from '../../model/manifest.ts';
import type { TrustedKeys } from '../../protocols/dsse/keys.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import type { Withdrawal } from '../../wire/messages.ts';
import { replaceFile } from './atomic-file.ts';
import type { GenerationMemory, HeldGeneration } from './generation-memory.ts';
import { openInstruction } from './sealed-instruction.ts';

/** A manifest that may be used, with what the caller made of it. */
export interface InForce<C> {
  readonly manifest: Manifest;
  readonly compiled: C;
}

export interface VaultOptions<C> {
  readonly dir: string;
  readonly generations: GenerationMemory;
  readonly trusted: TrustedKeys;
  readonly clock: Clock;
  /** Makes the manifest usable; one that cannot be is refused. */
  readonly compile: (manifest: Manifest) => Result<C>;
  readonly guard: (event: GuardEvent) => void;
}

interface Held<C> extends InForce<C> {
  /** The envelope's text as it must stand on disk. */
  readonly text: string;
  readonly digest: string;
}

interface Refusal {
  readonly what: GuardEvent['what'];
  readonly problem: Problem;
}

/** A base64 payload of 384 MiB; a manifest of 200 000 entries stays below a tenth of it. */
const fileBytesMax = 512 * 1024 * 1024;

export class Vault<C> {
  readonly #options: VaultOptions<C>;
  readonly #held = new Map<string, Held<C>>();
  /** By VM: identity of the file when it was last read in full, so that a quick look can tell whether it was touched. */
  readonly #seen = new Map<string, string>();
  /** What was told already, so that one tampered file is one alarm and not one every few seconds. */
  readonly #told = new Map<string, string>();

  constructor(options: VaultOptions<C>) {
    this.#options = options;
  }

  inForce(vm: string): InForce<C> | null {
    return this.#held.get(vm) ?? null;
  }

  all(): readonly InForce<C>[] {
    return [...this.#held.values()];
  }

  /** Reads every manifest this host ever held and has not been told to let go. Answers how many are in force. */
  load(): Result<number> {
    const known = this.#options.generations.all();
    if (!known.ok) return known;
    for (const [vm, memory] of known.value) if (!memory.withdrawn) this.#read(vm, memory);
    return ok(this.#held.size);
  }

  /**
   * Looks whether what is on disk is still what is in force; `thorough` reads the files even when their dates say that
   * nobody touched them. Answers the VMs whose manifest changed by it.
   */
  recheck(thorough: boolean): readonly string[] {
    const changed: string[] = [];
    const known = this.#options.generations.all();
    if (!known.ok) return changed;
    for (const [vm, memory] of known.value) {
      if (memory.withdrawn || (!thorough && this.#seen.get(vm) === fileIdentity(this.#pathOf(vm)))) continue;
      const before = this.#held.get(vm)?.digest;
      this.#read(vm, memory);
      if (this.#held.get(vm)?.digest !== before) changed.push(vm);
    }
    return changed;
  }

  /** Takes a signed manifest or withdrawal; the value is the VM it is for and the generation now in force. */
  install(envelope: SealedManifest): Result<{ vm: string; generation: number }> {
    const opened = openInstruction(envelope, this.#options.trusted);
    if (!opened.ok) return opened;
    const { kind } = opened.value;
    if (kind !== 'manifest' && kind !== 'withdrawal')
      return fail(problem('refused', `A signed ${kind} was handed over as a manifest.`, 'Send it as what it is.'));
    const { digest } = opened.value;
    if (opened.value.kind === 'withdrawal') return this.#withdraw(opened.value.withdrawal, digest);
    const { manifest } = opened.value;
    const { vm, generation } = manifest;
    const memory = this.#options.generations.get(vm);
    if (!memory.ok) return memory;
    const refusal = refusalOf(vm, manifest, digest, memory.value);
    if (refusal !== null) return this.#refuse(vm, refusal, digest);
    if (this.#held.get(vm)?.digest === digest) return ok({ vm, generation });
    const compiled = this.#options.compile(manifest);
    if (!compiled.ok) return compiled;

    // The file first: after a crash in between it is newer than the memory, which is no rollback.
    const text = JSON.stringify(envelope);
    const written = replaceFile(this.#pathOf(vm), text);
    if (!written.ok) return written;
    const raised = this.#options.generations.raise(vm, { generation, digest, withdrawn: false });
    if (!raised.ok) return raised;
    this.#hold(vm, { manifest, compiled: compiled.value, text, digest });
    return ok({ vm, generation });
  }

  #withdraw({ vm, generation }: Withdrawal, digest: string): Result<{ vm: string; generation: number }> {
    const memory = this.#options.generations.get(vm);
    if (!memory.ok) return memory;
    if (memory.value !== null && generation < memory.value.generation)
      return this.#refuse(vm, rolledBack(vm, generation, memory.value.generation), digest);
    const raised = this.#options.generations.raise(vm, { generation, digest, withdrawn: true });
    if (!raised.ok) return raised;
    this.#held.delete(vm);
    this.#seen.delete(vm);
    // The memory refuses this file from now on; that it cannot be moved aside does no harm.
    moveAside(this.#pathOf(vm), 'withdrawn');
    return ok({ vm, generation });
  }

  #read(vm: string, memory: HeldGeneration): void {
    const path = this.#pathOf(vm);
    const identity = fileIdentity(path);
    const text = readText(path);
    const held = this.#held.get(vm);
    if (text.ok && held?.text === text.value) {
      this.#seen.set(vm, identity);
      return;
    }
    const judged = text.ok
      ? this.#judge(vm, text.value, memory)
      : fail({ what: text.error.what, problem: text.error.problem });
    if (judged.ok) {
      const raised = this.#options.generations.raise(vm, {
        generation: judged.value.manifest.generation,
        digest: judged.value.digest,
        withdrawn: false,
      });
      if (raised.ok) this.#hold(vm, judged.value);
      return;
    }
    const content = text.ok ? createHash('sha256').update(text.value).digest('hex') : 'nothing';
    this.#tell(vm, judged.error, content);
    this.#seen.set(vm, identity);
    if (held !== undefined) this.#restore(vm, held);
  }

  #judge(vm: string, text: string, memory: HeldGeneration): Result<Held<C>, Refusal> {
    const tampered = (why: Problem): Result<Held<C>, Refusal> => fail({ what: 'manifest-tampered', problem: why });
    let envelope: unknown;
    try {
      envelope = JSON.parse(text);
    } catch {
      return tampered(problem('unreadable', `The manifest of ${vm} on disk is not a whole JSON file.`));
    }
    const opened = openInstruction(envelope, this.#options.trusted);
    if (!opened.ok) return tampered(opened.error);
    if (opened.value.kind !== 'manifest')
      return tampered(
        problem('refused', `The file of ${vm} holds a signed ${opened.value.kind} instead of a manifest.`),
      );
    const { manifest, digest } = opened.value;
    const refusal = refusalOf(vm, manifest, digest, memory);
    if (refusal !== null) return fail(refusal);
    const compiled = this.#options.compile(manifest);
    return compiled.ok ? ok({ manifest, compiled: compiled.value, text, digest }) : tampered(compiled.error);
  }

  #hold(vm: string, held: Held<C>): void {
    this.#held.set(vm, held);
    this.#seen.set(vm, fileIdentity(this.#pathOf(vm)));
    this.#told.delete(vm);
  }

  /** Keeps the refused file as evidence and puts the good one back, so that a restart does not lose it. */
  #restore(vm: string, held: Held<C>): void {
    const path = this.#pathOf(vm);
    moveAside(path, 'refused');
    if (replaceFile(path, held.text).ok) this.#seen.set(vm, fileIdentity(path));
  }

  #refuse(vm: string, refusal: Refusal, content: string): Result<never> {
    this.#tell(vm, refusal, content);
    return fail(refusal.problem);
  }

  #tell(vm: string, { what, problem }: Refusal, content: string): void {
    const news = `${what} ${content}`;
    if (this.#told.get(vm) === news) return;
    this.#told.set(vm, news);
    const stays = this.#held.has(vm)
      ? ' The last good manifest stays in force.'
      : ' No manifest is in force until the manager sends one.';
    const detail = `${sayProblem(problem)}${stays}`.slice(0, 2000);
    this.#options.guard({ vm, at: isoTime(this.#options.clock.now()), what, detail });
  }

  #pathOf(vm: string): string {
    // A UUID is a fine file name; a name somebody chose is not.
    const safe = /^[0-9a-f-]{36}(#[0-9]+)?$/.test(vm)
      ? vm
      : `name-${createHash('sha256').update(vm).digest('hex').slice(0, 32)}`;
    return join(this.#options.dir, `${safe}.json`);
  }
}

function refusalOf(vm: string, manifest: Manifest, digest: string, memory: HeldGeneration | null): Refusal | null {
  if (manifest.vm !== vm)
    return {
      what: 'manifest-tampered',
      problem: problem('refused', `The manifest in the place of ${vm} was issued for ${manifest.vm}.`),
    };
  if (memory === null || manifest.generation > memory.generation) return null;
  if (manifest.generation === memory.generation && digest === memory.digest && !memory.withdrawn) return null;
  return rolledBack(vm, manifest.generation, memory.generation);
}

function rolledBack(vm: string, offered: number, held: number): Refusal {
  const which = offered === held ? `another generation ${held}` : `generation ${offered} after generation ${held}`;
  return {
    what: 'manifest-rolled-back',
    problem: problem(
      'refused',
      `${vm} was offered ${which}: a manifest never goes backwards, however well it is signed.`,
      `Issue one with a generation above ${held}.`,
    ),
  };
}

/** Changes whenever somebody writes, replaces or touches the file; ctime cannot be set back by a program. */
function fileIdentity(path: string): string {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? 'missing' : `${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`;
}

function readText(path: string): Result<string, Refusal> {
  try {
    const { size } = statSync(path);
    if (size <= fileBytesMax) return ok(readFileSync(path, 'utf8'));
    return fail({
      what: 'manifest-tampered',
      problem: problem('unreadable', `${path} is larger than a manifest can be.`),
    });
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return fail({
      what: missing ? 'manifest-missing' : 'manifest-tampered',
      problem: problem('unreadable', missing ? `${path} is missing.` : `${path} cannot be read: ${causeOf(error)}.`),
    });
  }
}

function moveAside(path: string, as: string): void {
  try {
    renameSync(path, `${path}.${as}`);
  } catch {
    // It was missing, or cannot be moved: the caller goes on without it.
  }
}
