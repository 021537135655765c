// Small regular languages, matched in time linear in the text and compared exactly. JavaScript's own RegExp backtracks: a
// hostile guest chooses both the text and, by what it does while it is learned, the pattern.
import { type CharSet, hasChar, oneChar, sampleRegions } from './char-set.ts';

export type Expression =
  | { readonly kind: 'char'; readonly set: CharSet }
  | { readonly kind: 'sequence'; readonly parts: readonly Expression[] }
  | { readonly kind: 'choice'; readonly parts: readonly Expression[] }
  | { readonly kind: 'optional'; readonly of: Expression }
  /** Once or more. */
  | { readonly kind: 'repeated'; readonly of: Expression };

export function char(set: CharSet): Expression {
  return { kind: 'char', set };
}

export function sequence(...parts: readonly Expression[]): Expression {
  return { kind: 'sequence', parts };
}

export function choice(...parts: readonly Expression[]): Expression {
  return { kind: 'choice', parts };
}

export function optional(of: Expression): Expression {
  return { kind: 'optional', of };
}

export function repeated(of: Expression): Expression {
  return { kind: 'repeated', of };
}

export function literal(text: string): Expression {
  return sequence(...Array.from({ length: text.length }, (_, at) => char(oneChar(text.charCodeAt(at)))));
}

/** `of` from `min` times to `max` times. */
export function times(of: Expression, min: number, max: number): Expression {
  const parts = Array.from({ length: min }, () => of);
  let tail: Expression | null = null;
  for (let count = min; count < max; count += 1) tail = optional(tail === null ? of : sequence(of, tail));
  return sequence(...parts, ...(tail === null ? [] : [tail]));
}

/** Glushkov's automaton: each place of the expression is a state, entered by one character of its set. */
export interface Automaton {
  readonly sets: readonly CharSet[];
  readonly follow: readonly (readonly number[])[];
  readonly first: readonly number[];
  readonly last: ReadonlySet<number>;
  readonly acceptsEmpty: boolean;
}

interface Part {
  readonly first: readonly number[];
  readonly last: readonly number[];
  readonly empty: boolean;
}

export function automatonOf(expression: Expression): Automaton {
  const sets: CharSet[] = [];
  const follow: Set<number>[] = [];
  const link = (from: readonly number[], to: readonly number[]): void => {
    for (const state of from) for (const next of to) follow[state]?.add(next);
  };
  const build = (node: Expression): Part => {
    switch (node.kind) {
      case 'char': {
        const state = sets.push(node.set) - 1;
        follow.push(new Set());
        return { first: [state], last: [state], empty: false };
      }
      case 'sequence':
        return node.parts.map(build).reduce(join, { first: [], last: [], empty: true });
      case 'choice': {
        const parts = node.parts.map(build);
        return {
          first: parts.flatMap((part) => part.first),
          last: parts.flatMap((part) => part.last),
          empty: parts.some((part) => part.empty),
        };
      }
      case 'optional':
        return { ...build(node.of), empty: true };
      case 'repeated': {
        const part = build(node.of);
        link(part.last, part.first);
        return part;
      }
    }
  };
  const join = (before: Part, after: Part): Part => {
    link(before.last, after.first);
    return {
      first: before.empty ? [...before.first, ...after.first] : before.first,
      last: after.empty ? [...before.last, ...after.last] : after.last,
      empty: before.empty && after.empty,
    };
  };
  const whole = build(expression);
  return {
    sets,
    follow: follow.map((states) => [...states]),
    first: whole.first,
    last: new Set(whole.last),
    acceptsEmpty: whole.empty,
  };
}

/** Whether the whole text is in the language. */
export function accepts(automaton: Automaton, text: string): boolean {
  if (text.length === 0) return automaton.acceptsEmpty;
  let candidates: Iterable<number> = automaton.first;
  let entered: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    entered = [];
    for (const state of candidates) if (hasChar(automaton.sets[state] ?? [], unit)) entered.push(state);
    if (entered.length === 0) return false;
    candidates = successors(automaton, entered);
  }
  return entered.some((state) => automaton.last.has(state));
}

function successors(automaton: Automaton, states: readonly number[]): Iterable<number> {
  const [only] = states;
  if (states.length === 1 && only !== undefined) return automaton.follow[only] ?? [];
  return new Set(states.flatMap((state) => automaton.follow[state] ?? []));
}

/** Pairs of states looked at before an inclusion counts as not shown. */
const pairsMax = 20_000;

/**
 * Whether every text of `narrow` is a text of `wide`. Exact up to `pairsMax`; beyond it answers false, which callers read as
 * "cannot be shown" and which therefore never makes anything allowed.
 */
export function includes(wide: Automaton, narrow: Automaton): boolean {
  if (narrow.acceptsEmpty && !wide.acceptsEmpty) return false;
  const seen = new Set<string>();
  const open: { readonly narrowNext: readonly number[]; readonly wideNext: readonly number[] }[] = [
    { narrowNext: narrow.first, wideNext: wide.first },
  ];
  for (let pair = open.pop(); pair !== undefined; pair = open.pop()) {
    const wideSets = pair.wideNext.map((state) => wide.sets[state] ?? []);
    for (const state of pair.narrowNext) {
      for (const unit of sampleRegions(narrow.sets[state] ?? [], wideSets)) {
        const reached = pair.wideNext.filter((_, at) => hasChar(wideSets[at] ?? [], unit));
        if (reached.length === 0) return false;
        if (narrow.last.has(state) && !reached.some((each) => wide.last.has(each))) return false;
        const key = `${state}:${reached.join(',')}`;
        if (seen.has(key)) continue;
        if (seen.size >= pairsMax) return false;
        seen.add(key);
        open.push({
          narrowNext: narrow.follow[state] ?? [],
          wideNext: [...successors(wide, reached)].sort((a, b) => a - b),
        });
      }
    }
  }
  return true;
}
