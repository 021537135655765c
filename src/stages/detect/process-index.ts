// The programs a manifest allows. An entry without typed parts is found by its text; the others by executable and then by arguments.
// User and parent are compared at the end.
import type { Behaviour, ProcessBehaviour } from '../../model/behaviour.ts';
import type { ProcessObservation } from '../../model/observation.ts';
import { quoteArgument } from '../../pattern/argv-pattern.ts';
import { effectiveUser } from '../../pattern/behaviour-of.ts';
import { quotePath } from '../../pattern/path-pattern.ts';
import { ArgvTrie } from './argv-trie.ts';
import { Chains } from './chains.ts';
import { PathTrie } from './path-trie.ts';
import { type PatternTexts, isPlainArgument } from './pattern-texts.ts';

export class ProcessIndex {
  readonly #behaviours: readonly Behaviour[];
  readonly #patterns: PatternTexts;
  readonly #byText: Chains<string>;
  readonly #trie: ArgvTrie;
  /** Text of an executable's pattern to where its arguments begin in the trie. */
  readonly #roots = new Map<string, number>();
  readonly #typedExe = new PathTrie<number>();

  /** `behaviours` are a whole manifest's, of any kind; an entry is told by its place among them. */
  constructor(behaviours: readonly Behaviour[], patterns: PatternTexts) {
    this.#behaviours = behaviours;
    this.#patterns = patterns;
    this.#byText = new Chains(behaviours.length);
    this.#trie = new ArgvTrie(patterns, behaviours.length);
    for (const [at, behaviour] of behaviours.entries()) if (behaviour.kind === 'process') this.#add(at, behaviour);
  }

  #add(at: number, { exe, argv }: ProcessBehaviour): void {
    this.#byText.add(textOf(exe, argv), at);
    const pattern = this.#patterns.path(exe);
    const hasTypedExe = pattern !== null && pattern !== '?';
    if (!hasTypedExe && argv.every(isPlainArgument)) return;
    const root = this.#roots.get(exe) ?? this.#trie.root();
    if (hasTypedExe && !this.#roots.has(exe)) this.#typedExe.add(pattern, root);
    this.#roots.set(exe, root);
    this.#trie.add(root, argv, at);
  }

  /** The entries that are this behaviour, text by text. */
  *same({ exe, argv, user, parent }: ProcessBehaviour): Generator<number> {
    for (const at of this.#byText.of(textOf(exe, argv))) {
      const other = this.#behaviours[at];
      if (other?.kind === 'process' && other.user === user && other.parent === parent) yield at;
    }
  }

  /** The entries that admit the process, in no order; one may come twice. An unknown executable may be any. */
  *admitting(process: ProcessObservation): Generator<number> {
    const { exe, argv } = process.image;
    if (exe === null) {
      for (const root of this.#roots.values()) yield* this.#started(this.#trie.admitting(root, argv), process);
      return yield* this.#started(this.#withArguments(argv), process);
    }
    const texts = argv.map(quoteArgument);
    for (const exeText of [quotePath(exe), '?']) {
      yield* this.#started(this.#byText.of(textOf(exeText, texts)), process);
      const root = this.#roots.get(exeText);
      if (root !== undefined) yield* this.#started(this.#trie.admitting(root, argv), process);
    }
    for (const root of this.#typedExe.matching(exe)) yield* this.#started(this.#trie.admitting(root, argv), process);
  }

  /** Those of the entries that admit the user and the parent as well. */
  *#started(entries: Iterable<number>, { image, parent }: ProcessObservation): Generator<number> {
    const user = effectiveUser(image);
    for (const at of entries) {
      const behaviour = this.#behaviours[at];
      if (behaviour?.kind !== 'process') continue;
      if (behaviour.user !== 'any' && user !== null && Number(behaviour.user) !== user) continue;
      if (this.#patterns.admitsPath(behaviour.parent, parent?.exe ?? null)) yield at;
    }
  }

  /** Entries of just these arguments, whatever the executable: all have to be looked at. */
  *#withArguments(argv: readonly string[]): Generator<number> {
    for (const [at, behaviour] of this.#behaviours.entries()) {
      if (behaviour.kind !== 'process' || behaviour.argv.length !== argv.length) continue;
      if (behaviour.argv.every((text, place) => text === argv[place] && isPlainArgument(text))) yield at;
    }
  }
}

function textOf(exe: string, argv: readonly string[]): string {
  return JSON.stringify([exe, argv]);
}
