// Argument patterns as a trie: patterns that begin alike share their beginning, and an argument that stands for itself is found by
// one look-up. Only arguments with typed parts are tried one by one.
import { PairTable } from '../../kit/pair-table.ts';
import { quoteArgument, restToken } from '../../pattern/argv-pattern.ts';
import { type Template, matchesTemplate } from '../../pattern/template.ts';
import { Chains } from './chains.ts';
import type { PatternTexts } from './pattern-texts.ts';

interface TypedEdge {
  readonly template: Template;
  readonly to: number;
}

export class ArgvTrie {
  readonly #patterns: PatternTexts;
  /** Pattern texts, numbered as they come. A text that stands for itself is quoted one way only. */
  readonly #texts = new Map<string, number>();
  /** Node and text to node. */
  readonly #edges = new PairTable();
  readonly #typed = new Map<number, TypedEdge[]>();
  readonly #ends: Chains<number>;
  readonly #open: Chains<number>;
  #nodes = 0;

  /** `entries` = how many patterns it will hold at most. */
  constructor(patterns: PatternTexts, entries: number) {
    this.#patterns = patterns;
    this.#ends = new Chains(entries);
    this.#open = new Chains(entries);
  }

  /** A node from which patterns of their own begin. */
  root(): number {
    this.#nodes += 1;
    return this.#nodes;
  }

  /** `texts` are an argument vector's pattern. */
  add(root: number, texts: readonly string[], entry: number): void {
    let node = root;
    for (const text of texts) {
      if (text === restToken) return this.#open.add(node, entry);
      node = this.#step(node, text);
    }
    this.#ends.add(node, entry);
  }

  #step(node: number, text: string): number {
    const number = this.#texts.get(text) ?? this.#texts.size;
    this.#texts.set(text, number);
    const known = this.#edges.get(node, number);
    if (known !== -1) return known;
    const to = this.root();
    this.#edges.set(node, number, to);
    const template = this.#patterns.argument(text);
    if (template === null || template.literal !== null) return to;
    const typed = this.#typed.get(node);
    if (typed === undefined) this.#typed.set(node, [{ template, to }]);
    else typed.push({ template, to });
    return to;
  }

  /** The entries whose pattern admits these arguments, in no order. Each node is visited once at most. */
  *admitting(root: number, argv: readonly string[]): Generator<number> {
    const open = [{ node: root, at: 0 }];
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      const { node, at } = place;
      yield* this.#open.of(node);
      const argument = argv[at];
      if (argument === undefined) {
        yield* this.#ends.of(node);
        continue;
      }
      const same = this.#edges.get(node, this.#texts.get(quoteArgument(argument)) ?? -1);
      if (same !== -1) open.push({ node: same, at: at + 1 });
      for (const { template, to } of this.#typed.get(node) ?? [])
        if (matchesTemplate(template, argument)) open.push({ node: to, at: at + 1 });
    }
  }
}
