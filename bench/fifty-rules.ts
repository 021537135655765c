// Fifty behaviours as a manifest and as rules for other engines, and events to ask both about.
import assert from 'node:assert/strict';
import type { Behaviour } from '../src/model/behaviour.ts';
import type { Activity } from '../src/model/observation.ts';
import type { RawEvent } from '../src/model/raw-event.ts';
import { quoteArgument } from '../src/pattern/argv-pattern.ts';
import { behaviourOf, effectiveUser } from '../src/pattern/behaviour-of.ts';
import { type CompiledManifest, detect } from '../src/stages/detect/detect.ts';
import { mixOf } from './behaviour-mix.ts';
import { activityOf, compiledOf } from './mix-manifests.ts';
import type { Facts, RuleEngine } from './rule-engines.ts';

const rulesCount = 50;
const seed = 43;

export interface FiftyRules {
  readonly manifest: CompiledManifest;
  readonly rules: readonly Facts[];
  readonly activities: readonly Activity[];
  readonly facts: readonly Facts[];
}

/** `unknown` = share of events that no rule allows. */
export function fiftyRules(events: number, unknown: number): FiftyRules {
  const mix = mixOf(seed, { vms: 1, behavioursPerVm: rulesCount, events, unknown });
  const known = [...mix.behaviours.values()].flat();
  const activities = mix.events.map(activityOf);
  return {
    manifest: compiledOf(known.map(activityOf).map(exactBehaviour)),
    rules: known.map(factsOf),
    activities,
    facts: mix.events.map(factsOf),
  };
}

/** Nothing generalised, so that rules of equalities say the same. */
function exactBehaviour(activity: Activity): Behaviour {
  const behaviour = behaviourOf(activity);
  if (behaviour.kind !== 'process' || activity.kind !== 'process') return behaviour;
  return { ...behaviour, argv: activity.image.argv.map(quoteArgument) };
}

function factsOf(event: RawEvent): Facts {
  const activity = activityOf(event);
  const exe = activity.image?.exe ?? '';
  const none = { user: '', parent: '', cmdline: '', proto: '', remote: '', port: '' };
  switch (activity.kind) {
    case 'process': {
      const { image, parent, kind } = activity;
      const user = String(effectiveUser(image));
      return { ...none, kind, exe, user, parent: parent?.exe ?? '', cmdline: image.argv.join(' ') };
    }
    case 'listen':
      return { ...none, kind: 'listen', exe, proto: activity.proto, port: String(activity.localPort) };
    case 'inbound':
    case 'outbound': {
      const { kind, proto, remoteAddr: remote, remotePort } = activity;
      return { ...none, kind, exe, proto, remote, port: String(remotePort) };
    }
  }
}

/** Throws where an engine answers otherwise than ours; returns how many of the first `count` events are allowed. */
export async function assertSameVerdicts(
  { manifest, activities, facts }: FiftyRules,
  engines: readonly RuleEngine[],
  count: number,
): Promise<number> {
  let allowed = 0;
  for (const [at, activity] of activities.slice(0, count).entries()) {
    const isAllowed = detect(manifest, activity) === null;
    const known = facts[at];
    assert.ok(known !== undefined);
    for (const { name, holds } of engines) assert.equal(await holds(known), isAllowed, `${name} on event ${at}`);
    if (isAllowed) allowed += 1;
  }
  return allowed;
}
