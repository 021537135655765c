// Which sentinels are within reach now. One name, one sentinel: a sentinel that starts again takes the place of the old one.
import type { SentinelEnd } from '../wire/link.ts';

export interface AttachedSentinels {
  attach(end: SentinelEnd): () => void;
  find(name: string): SentinelEnd | null;
  names(): string[];
}

export function makeAttachedSentinels(onAttach: (name: string) => void): AttachedSentinels {
  const ends = new Map<string, SentinelEnd>();
  return {
    attach(end) {
      ends.set(end.sentinel, end);
      onAttach(end.sentinel);
      return () => {
        if (ends.get(end.sentinel) === end) ends.delete(end.sentinel);
      };
    },
    find: (name) => ends.get(name) ?? null,
    names: () => [...ends.keys()],
  };
}
