// A manifest of a web server's VM that allows one program, for tests that care about what is done with the rest.
import type { Manifest } from '../model/manifest.ts';

export function simulatedManifest(
  program: { readonly exe: string; readonly argv: readonly string[] },
  change: Pick<Manifest, 'vm' | 'mode' | 'generation'> & Partial<Manifest>,
): Manifest {
  const at = new Date().toISOString();
  const { exe, argv } = program;
  const behaviour = { kind: 'process' as const, exe, argv: [...argv], user: 'any', parent: '?' };
  return {
    format: 'plumbline.manifest/1',
    vmName: 'vm',
    scope: 'shop',
    service: 'web',
    issuedAt: at,
    entries: [{ id: 'e1', behaviour, provenance: { kind: 'declared', at } }],
    orders: [],
    ...change,
  };
}
