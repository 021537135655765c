// Everything the store knows about an alarm or a plan, read at once: what a bundle holds beside the items themselves.
import { ok, type Result } from '../../kit/result.ts';
import type { AlarmDetail } from '../../model/alarm-detail.ts';
import type { AuditEntry } from '../../model/audit-entry.ts';
import { bundleItemsMax } from '../../model/evidence.ts';
import type { SealedManifest } from '../../model/manifest.ts';
import type { PlanRun } from '../../model/plan.ts';
import type { Remediation } from '../../model/remediation.ts';
import type { Vm } from '../../model/vm.ts';
import { attemptOf } from '../../stages/respond/steps.ts';
import { readAlarm } from '../broker/alarms.ts';
import { thePlan } from '../broker/plans.ts';
import { auditAbout } from '../store/audit.ts';
import { evidenceOfSteps, type StoredEvidence } from '../store/evidence.ts';
import { issueOf, listGenerations } from '../store/issues.ts';
import { planRunsOfAlarm } from '../store/plans.ts';
import { remediationsNamed, remediationsOfAlarm } from '../store/remediations.ts';
import type { Db } from '../store/tables.ts';
import { vmById } from '../store/vms.ts';
import { findSubject } from './subject.ts';

export interface Gathered {
  readonly subject: { readonly kind: 'alarm' | 'plan'; readonly id: string };
  readonly vm: string;
  readonly vmName: string;
  /** As the inventory shows it now; null = it is known no more. */
  readonly inventory: Vm | null;
  readonly alarm: AlarmDetail | null;
  readonly plans: readonly PlanRun[];
  readonly remediations: readonly Remediation[];
  readonly items: readonly StoredEvidence[];
  readonly audit: readonly AuditEntry[];
  /** The one that judged, and the one in force now where that is another. */
  readonly manifests: readonly {
    readonly generation: number;
    readonly issuedAt: string;
    readonly envelope: SealedManifest;
  }[];
  /** What should be there and is not, one sentence each. */
  readonly missing: readonly string[];
}

const auditMax = 5000;

export async function gather(db: Db, reference: string): Promise<Result<Gathered>> {
  const found = await findSubject(db, reference, ['alarm', 'plan']);
  if (!found.ok) return found;
  const { kind, id } = found.value;
  const run = kind === 'plan' ? await thePlan(db, id) : null;
  if (run?.ok === false) return run;
  const alarmId = run === null ? id : run.value.plan.alarm;
  const alarm = alarmId === null ? null : await readAlarm(db, alarmId);
  if (kind === 'alarm' && alarm?.ok === false) return alarm;
  const detail = alarm?.ok === true ? alarm.value : null;
  const plans = run !== null ? [run.value] : await planRunsOfAlarm(db, id);
  const remediations = await remediationsFor(db, plans, run === null ? id : null);
  const vm = run?.value.plan.vm ?? detail?.alarm.vm ?? '';
  const inventory = await vmById(db, vm);
  const all = await itemsOf(db, remediations);
  const items = all.slice(0, bundleItemsMax);
  const named = [alarmId ?? '', ...plans.map(({ plan }) => plan.id), ...remediations.map(({ id: step }) => step), vm];
  const audit = await auditAbout(db, [...named, ...items.map(({ item }) => item.id)], auditMax);
  const at = detail?.alarm.firstAt ?? run?.value.plan.madeAt ?? '';
  const manifests = await manifestsOf(db, vm, detail?.alarm.finding?.deviation.generation ?? null, at);
  return ok({
    subject: { kind: kind === 'plan' ? 'plan' : 'alarm', id },
    vm,
    vmName: detail?.alarm.vmName ?? inventory?.name ?? vm,
    inventory,
    alarm: detail,
    plans,
    remediations,
    items,
    audit: audit.entries,
    manifests: manifests.found,
    missing: [
      ...manifests.missing,
      ...(kind === 'plan' && alarmId !== null && detail === null ? [`alarm ${alarmId} is not in the store`] : []),
      ...(detail !== null && detail.activitiesDropped > 0
        ? [`${detail.activitiesDropped} activities of alarm ${detail.alarm.id} were seen and not kept`]
        : []),
      ...(audit.leftOut > 0
        ? [`${audit.leftOut} older entries of the audit log, beyond the limit of ${auditMax}`]
        : []),
      ...(all.length > items.length
        ? [`${all.length - items.length} items beyond the limit of ${bundleItemsMax}`]
        : []),
    ],
  });
}

/** Those of the alarm, and each attempt of each step of its plans. */
async function remediationsFor(db: Db, plans: readonly PlanRun[], alarm: string | null): Promise<Remediation[]> {
  const named = plans.flatMap(({ plan, steps }) =>
    plan.steps.flatMap((step, index) => {
      const { attempts = 0, remediation = null } = steps[index] ?? {};
      const tried = Array.from({ length: Math.max(1, attempts) }, (_, n) => attemptOf(step, n + 1).id);
      return remediation === null ? tried : [...tried, remediation];
    }),
  );
  const known = new Map<string, Remediation>();
  for (const one of alarm === null ? [] : await remediationsOfAlarm(db, alarm)) known.set(one.id, one);
  for (const one of await remediationsNamed(db, [...new Set(named)])) known.set(one.id, one);
  return [...known.values()].toSorted((a, b) => (`${a.startedAt} ${a.id}` < `${b.startedAt} ${b.id}` ? -1 : 1));
}

/** A sentinel may name any step as its item's; only what was done to that very VM collected anything of it. */
async function itemsOf(db: Db, remediations: readonly Remediation[]): Promise<StoredEvidence[]> {
  const vmOf = new Map(remediations.map(({ id, step }) => [id, step.vm]));
  const stored = await evidenceOfSteps(db, [...vmOf.keys()]);
  return stored.filter(({ item }) => vmOf.get(item.step) === item.vm);
}

async function manifestsOf(
  db: Db,
  vm: string,
  judgedBy: number | null,
  at: string,
): Promise<{ found: Gathered['manifests']; missing: string[] }> {
  const issued = (await listGenerations(db, vm)).filter(({ kind }) => kind === 'manifest');
  const then = judgedBy ?? issued.find(({ issuedAt }) => issuedAt <= at)?.generation ?? null;
  const now = issued[0]?.generation ?? null;
  const found: Gathered['manifests'][number][] = [];
  for (const generation of new Set([then, now])) {
    const issue = generation === null ? null : await issueOf(db, vm, generation);
    if (issue !== null)
      found.push({ generation: issue.generation, issuedAt: issue.issuedAt, envelope: issue.envelope });
  }
  const has = (generation: number | null) => found.some((one) => one.generation === generation);
  if (then === null) return { found, missing: ['no manifest had been issued for the VM at that time'] };
  return {
    found,
    missing: has(then) ? [] : [`manifest generation ${then}, which judged, is not in the store any more`],
  };
}
