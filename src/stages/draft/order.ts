// The order of a manifest's entries: by kind, then by what a reader looks for first.
import type { Behaviour } from '../../model/behaviour.ts';
import type { ManifestEntry } from '../../model/manifest.ts';

const kinds = ['process', 'listen', 'inbound', 'outbound'] as const satisfies readonly Behaviour['kind'][];

export function compareEntries(a: ManifestEntry, b: ManifestEntry): number {
  const byKind = kinds.indexOf(a.behaviour.kind) - kinds.indexOf(b.behaviour.kind);
  if (byKind !== 0) return byKind;
  const keysA = keysOf(a);
  const keysB = keysOf(b);
  for (const [at, key] of keysA.entries()) {
    const other = keysB[at] ?? '';
    if (key !== other) return key < other ? -1 : 1;
  }
  return 0;
}

function keysOf({ id, behaviour }: ManifestEntry): readonly string[] {
  if (behaviour.kind === 'process') return [behaviour.exe, behaviour.parent, behaviour.argv.join('\0'), id];
  // Ports as numbers of equal width, words behind them.
  const port = behaviour.port.padStart(12, '0');
  return [behaviour.exe, behaviour.proto, port, behaviour.kind === 'listen' ? '' : behaviour.peer, id];
}
