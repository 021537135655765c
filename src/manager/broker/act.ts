// Acts on any VM at a person's word, with or without an alarm: a plan like every other, and it is waited for.
import { sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import type { PlanPreview } from '../../model/plan.ts';
import type { PlannedAction, Remediation } from '../../model/remediation.ts';
import type { Vm } from '../../model/vm.ts';
import type { Wanted } from '../../stages/respond/wanted.ts';
import { record } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { theVm } from '../intent/references.ts';
import { somebodyIsThere } from './carry-out.ts';
import { adoptWish, type PersonsWish, previewWish } from './plans.ts';
import { settledAnswer } from './respond.ts';

export interface ActRequest {
  /** Name, id or pid. */
  readonly vm: string;
  readonly action: PlannedAction;
  readonly evidence: Wanted['evidence'];
  /** Only for `revert`. */
  readonly snapshot?: string | undefined;
  /** Undefined = the person did not say. */
  readonly why: string | undefined;
  readonly by: string;
}

export async function actOnVm(desk: Desk, request: ActRequest): Promise<Result<Remediation>> {
  const vm = await find(desk, request.vm);
  if (!vm.ok) return vm;
  const { id, name } = vm.value;
  const there = await somebodyIsThere(desk, id, name);
  if (!there.ok) {
    await record(desk, { by: request.by, verb: 'remediation.start', subject: id }, 'failed', sayProblem(there.error));
    return there;
  }
  const begun = await adoptWish(desk, wishOf(id, request));
  return begun.ok ? await settledAnswer(desk, begun.value, request.action) : begun;
}

/** What it would do, by whom and why. Changes nothing. */
export async function previewAct(desk: Desk, request: ActRequest): Promise<Result<PlanPreview>> {
  const vm = await find(desk, request.vm);
  return vm.ok ? await previewWish(desk, wishOf(vm.value.id, request)) : vm;
}

function wishOf(vm: string, { action, evidence, snapshot, why, by }: ActRequest): PersonsWish {
  const named = snapshot === undefined ? {} : { snapshot };
  return { vm, alarm: null, action, by, evidence, why: (why ?? `${by} asked for it`).slice(0, 1000), ...named };
}

async function find(desk: Desk, reference: string): Promise<Result<Vm>> {
  const read = await desk.store.read(async (db) => await theVm(db, reference));
  return read.ok ? read.value : read;
}
