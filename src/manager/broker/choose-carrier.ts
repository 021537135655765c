// Who carries out a step: who began it, or put into force what it takes back; else the VM's sentinel where it is there and its host
// can, else a platform that can. One thing is never begun by two.
import { sayProblem } from '../../kit/problem.ts';
import { ok, type Result } from '../../kit/result.ts';
import { type PlannedAction, plannedActions, type Remediation, type Step } from '../../model/remediation.ts';
import { actionTraits } from '../../stages/respond/action-traits.data.ts';
import { measureKey } from '../../stages/respond/steps.ts';
import type { Desk } from '../desk.ts';
import { remediationsOfVm } from '../store/remediations.ts';
import { sentinelOfVm } from '../store/vms.ts';
import { offerFor } from './merge-offers.ts';
import { offerOfSentinel, offersFor } from './offers.ts';
import { carryByPlatform } from './platform-carrier.ts';
import type { StepCarrier } from './plan-turn.ts';

/** `beside` takes what is carried out beside the VM, by its sentinel. */
export function makeCarrier(desk: Desk, beside: StepCarrier): StepCarrier {
  return {
    async carry(step, run, by) {
      const chosen = await choosePlatform(desk, step);
      if (!chosen.ok) return { outcome: null, why: sayProblem(chosen.error) };
      if (chosen.value === null) return await beside.carry(step, run, by);
      return await carryByPlatform(desk, chosen.value, step, run, by);
    },
  };
}

/** Null = the sentinel. */
async function choosePlatform(desk: Desk, step: Step): Promise<Result<string | null>> {
  const read = await desk.store.read(async (db) => ({
    before: await remediationsOfVm(db, step.vm),
    sentinel: await sentinelOfVm(db, step.vm),
  }));
  if (!read.ok) return read;
  const { before, sentinel } = read.value;
  const begun = begunBy(step, before);
  if (begun !== undefined) return ok(begun.platform ?? null);
  const action = plannedActions.find((it) => it === step.action);
  // Where no platform is configured, or the sentinel can, nobody else has to be asked, or waited for.
  if (desk.platforms.hands().length === 0 || action === undefined) return ok(null);
  const own = sentinel === null ? [] : [await offerOfSentinel(desk, sentinel, step.vm)];
  if (offerFor(own, action) !== null) return ok(null);
  const offers = await offersFor(desk, step.vm);
  if (!offers.ok) return offers;
  const able = offerFor(offers.value, action);
  if (able !== null) return ok(able.platform);
  // Nobody can: the one nearest to the VM says why, or is waited for.
  return ok(sentinel === null ? (offers.value[0]?.platform ?? null) : null);
}

/** The newest remediation that this step goes on with, or takes back; `remediations` with the newest first. */
export function begunBy(step: Step, remediations: readonly Remediation[]): Remediation | undefined {
  const own = remediations.find(({ id }) => id === step.id);
  if (own !== undefined) return own;
  const mayHold = remediations.filter(({ state }) => state !== 'failed' && state !== 'planned');
  if (step.action === 'lift') return mayHold.find((one) => isMeasure(one.step) && measureKey(one.step) === step.lifts);
  const reversed = reversedBy(step);
  if (reversed !== null) return mayHold.find((one) => one.step.action === reversed);
  return isMeasure(step)
    ? mayHold.find((one) => isMeasure(one.step) && measureKey(one.step) === measureKey(step))
    : undefined;
}

function reversedBy({ action }: Step): PlannedAction | null {
  const planned = plannedActions.find((it) => it === action);
  return planned === undefined ? null : actionTraits[planned].reverses;
}

function isMeasure({ measure }: Step): boolean {
  return measure !== undefined;
}
