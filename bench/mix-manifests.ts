// Behaviours of the mix as compiled manifests, by the product's own stages.
import type { Behaviour } from '../src/model/behaviour.ts';
import type { Manifest } from '../src/model/manifest.ts';
import type { Activity } from '../src/model/observation.ts';
import type { RawEvent } from '../src/model/raw-event.ts';
import { type CompiledManifest, compileManifest } from '../src/stages/detect/detect.ts';
import { normalise } from '../src/stages/normalise/normalise.ts';

const at = '2026-11-21T00:00:00.000Z';

export function activityOf(event: RawEvent): Activity {
  const observation = normalise(event);
  if (!observation.ok) throw new Error(observation.error.message);
  if (observation.value.kind === 'loss') throw new Error('the mix has no losses');
  return observation.value;
}

export function manifestOf(behaviours: readonly Behaviour[]): Manifest {
  return {
    format: 'plumbline.manifest/1',
    vm: 'name:mix',
    vmName: 'mix',
    scope: 'shop',
    service: 'mix',
    mode: 'detect',
    generation: 1,
    issuedAt: at,
    entries: behaviours.map((behaviour, id) => ({
      id: String(id),
      behaviour,
      provenance: { kind: 'learned', at, count: 1 },
    })),
    orders: [],
  };
}

export function compiledOf(behaviours: readonly Behaviour[]): CompiledManifest {
  const compiled = compileManifest(manifestOf(behaviours));
  if (!compiled.ok) throw new Error(compiled.error.message);
  return compiled.value;
}
