// From observed activities to the profile of a service: what its members, all together, were seen to do. The same set of
// observations gives the same profile in whatever order and in whatever batches they come.
import type { Behaviour } from '../../model/behaviour.ts';
import type { Observed } from '../../model/observation.ts';
import type { Coverage, Profile, ProfileEntry } from '../../model/profile.ts';
import { behaviourId } from '../../pattern/behaviour-id.ts';
import { behaviourOf } from '../../pattern/behaviour-of.ts';
import { mergeEntries } from './merge.ts';
import { poolPeers } from './pool-peers.ts';
import { poolPorts } from './pool-ports.ts';

export function emptyProfile(scope: string, service: string): Profile {
  return { scope, service, entries: {}, coverage: [] };
}

/** `vm` is the member that showed the activities. */
export function learn(profile: Profile, vm: string, observed: readonly Observed[]): Profile {
  if (observed.length === 0) return profile;
  const entries = new Map(Object.entries(profile.entries));
  const touched = new Map<string, Behaviour>();
  for (const { activity, count, firstAt, lastAt } of observed) {
    const behaviour = behaviourOf(activity);
    const id = behaviourId(behaviour);
    touched.set(id, behaviour);
    put(entries, id, { behaviour, count, firstAt, lastAt, members: [vm] });
  }
  poolPeers(entries, [...touched.values()]);
  poolPorts(entries, [...touched.values()]);
  return { ...profile, entries: Object.fromEntries([...entries].sort(([a], [b]) => (a < b ? -1 : 1))) };
}

function put(entries: Map<string, ProfileEntry>, id: string, entry: ProfileEntry): void {
  const known = entries.get(id);
  entries.set(id, known === undefined ? entry : mergeEntries(entry.behaviour, [known, entry]));
}

/** Adds seconds watched and lost, per member. */
export function cover(profile: Profile, coverage: Coverage): Profile {
  const before = profile.coverage.find((each) => each.vm === coverage.vm);
  const sum: Coverage = {
    vm: coverage.vm,
    observedSeconds: (before?.observedSeconds ?? 0) + coverage.observedSeconds,
    lossSeconds: (before?.lossSeconds ?? 0) + coverage.lossSeconds,
    missed: (before?.missed ?? 0) + coverage.missed,
  };
  const others = profile.coverage.filter((each) => each.vm !== coverage.vm);
  return { ...profile, coverage: [...others, sum].sort((a, b) => (a.vm < b.vm ? -1 : 1)) };
}
