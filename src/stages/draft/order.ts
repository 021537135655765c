// The order of a manifest's entries: by kind, then by what a reader looks for first.
import type { Behaviour } from '../../model/behaviour.ts';
import type { ManifestEntry } from '../../model/manifest.ts';

const kinds = ['process', 'listen', 'inbound', 'outbound'] as const satisfies readonly Behaviour['kind'][];

export function inOrder(entries: readonly ManifestEntry[]): ManifestEntry[] {
  return entries
    .map((entry) => ({ entry, keys: keysOf(entry) }))
    .sort((a, b) => compareKeys(a.keys, b.keys))
    .map(({ entry }) => entry);
}

function compareKeys(a: readonly string[], b: readonly string[]): number {
  for (const [at, key] of a.entries()) {
    const other = b[at] ?? '';
    if (key !== other) return key < other ? -1 : 1;
  }
  return 0;
}

function keysOf({ id, behaviour }: ManifestEntry): readonly string[] {
  const kind = String(kinds.indexOf(behaviour.kind));
  if (behaviour.kind === 'process') return [kind, behaviour.exe, behaviour.parent, behaviour.argv.join('\0'), id];
  // Ports as numbers of equal width, words behind them.
  const port = behaviour.port.padStart(12, '0');
  return [kind, behaviour.exe, behaviour.proto, port, behaviour.kind === 'listen' ? '' : behaviour.peer, id];
}
