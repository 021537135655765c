// Carries out a step through a remote platform, with the guarantees of a sentinel: written down before and after, the same id once,
// done only when the platform, asked again, shows it. The manager's store remembers the ids; what was under way when a manager died
// is asked for again, and does nothing where the platform shows it done.
import { isoTime } from '../../kit/clock.ts';
import { problem, sayProblem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { PlanRun } from '../../model/plan.ts';
import type { Remediation, Step } from '../../model/remediation.ts';
import type { ActOutcome } from '../../connectors/enforcement/enforcer.ts';
import { measureKey } from '../../stages/respond/steps.ts';
import type { Desk } from '../desk.ts';
import { remediationById } from '../store/remediations.ts';
import { platformSightings } from '../store/platform-vms.ts';
import { type Answered, errandOf, outcomeOf, underRecord } from './carry-out.ts';
import { handsOf, type KnownBy, rivalsOf } from './offers.ts';
import type { Carried } from './plan-turn.ts';

export async function carryByPlatform(
  desk: Desk,
  platform: string,
  step: Step,
  run: PlanRun,
  by: string,
): Promise<Carried> {
  const known = await desk.store.read(async (db) => await remediationById(db, step.id));
  if (!known.ok) return { outcome: null, why: sayProblem(known.error) };
  const ended = endOf(known.value);
  if (ended !== null) return ended;
  const errand = await errandOf(desk, step, run, by);
  if (!errand.ok) return { outcome: null, why: sayProblem(errand.error) };
  return outcomeOf(
    await underRecord(desk, { ...errand.value, platform }, async () => {
      const acting = await begin(desk, platform, step);
      if (!acting.ok) return acting;
      const outcome = await untilClosing(desk, acting.value());
      desk.platforms.find(platform)?.readSoon();
      return await answered(desk, outcome);
    }),
  );
}

/** What is to be done; a problem when nobody can be asked for it. */
async function begin(desk: Desk, platform: string, step: Step): Promise<Result<() => Promise<ActOutcome>>> {
  const hand = desk.platforms.find(platform);
  if (hand === null)
    return fail(problem('refused', `Platform ${platform} is not configured any more.`, 'Act on the platform by hand.'));
  // What was put somewhere is taken away there, whoever has the VM's UUID by now.
  const { lifts } = step;
  if (step.action === 'lift') return ok(async () => await hand.measures.lift(step.vm, lifts ?? ''));
  const place = await placeOf(desk, platform, step.vm);
  return place.ok ? ok(async () => await act(place.value, step)) : place;
}

/** What became of it before; null = it was never asked for, or nobody knows. */
function endOf(known: Remediation | null): Carried | null {
  if (known === null || (known.state !== 'done' && known.state !== 'failed')) return null;
  return { outcome: { state: known.state, evidence: known.evidence } };
}

/** Where the VM is on that platform; a problem when it cannot be told or asked. */
async function placeOf(desk: Desk, platform: string, vm: string): Promise<Result<KnownBy>> {
  const sightings = await desk.store.read(async (db) => await platformSightings(db, vm));
  if (!sightings.ok) return sightings;
  const known = handsOf(desk, sightings.value);
  const place = known.find(({ hand }) => hand.name === platform);
  if (place === undefined)
    return fail(
      problem('not-found', `Platform ${platform} lists no VM ${vm} any more.`, 'Act on the platform by hand.'),
    );
  const [rival] = rivalsOf(place, known);
  if (rival === undefined) return ok(place);
  return fail(
    problem('refused', `Platform ${rival} has a VM of the UUID ${vm} too, and one of them is meant.`, 'Name one anew.'),
  );
}

async function act({ hand, sighting }: KnownBy, step: Step): Promise<ActOutcome> {
  if (step.measure !== undefined) return await hand.measures.apply(sighting, measureKey(step), step.measure);
  const enforcer = hand.platform.enforcer(sighting.sight);
  if (enforcer !== null) return await enforcer.act(step);
  const why = problem('refused', `Platform ${hand.name} has no say over VMs, only over their network.`);
  return { state: 'failed', evidence: sayProblem(why), problem: why };
}

/** Null = the manager stopped first. What was begun goes on at the platform, and the next manager looks. */
async function untilClosing(desk: Desk, acting: Promise<ActOutcome>): Promise<ActOutcome | null> {
  const stopped = Promise.withResolvers<null>();
  const giveUp = () => stopped.resolve(null);
  if (desk.closing.aborted) giveUp();
  desk.closing.addEventListener('abort', giveUp);
  try {
    return await Promise.race([acting, stopped.promise]);
  } finally {
    desk.closing.removeEventListener('abort', giveUp);
  }
}

async function answered(desk: Desk, outcome: ActOutcome | null): Promise<Answered> {
  if (outcome === null)
    return fail(
      problem('interrupted', 'The manager stopped before the platform answered.', 'It looks when it is back.'),
    );
  const { state, evidence } = outcome;
  // Who could not be asked has refused nothing; asked again, he may answer.
  if (outcome.state === 'failed' && outcome.problem.kind === 'interrupted') return fail(outcome.problem);
  return await Promise.resolve(ok({ state, evidence, endedAt: isoTime(desk.clock.now()) }));
}
