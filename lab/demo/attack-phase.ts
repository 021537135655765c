// The intruder at work, one attack after the other: each must be seen, answered, and the answer read back from the hypervisor.
import type { Alarm } from '../../src/model/alarm.ts';
import { severityOrder } from '../../src/model/finding.ts';
import type { VmAction } from '../../src/model/remediation.ts';
import { attacks, runAttack, type Attack, type AttackTrace } from '../attacks.ts';
import type { Guest } from '../guest.ts';
import { tiers, type Tier } from '../tier-disk.ts';
import { isBehind, type AttackWindow } from './alarm-ownership.ts';
import { waitUntilInstalled, type Say } from './calm-phases.ts';
import type { DemoAttack } from './demo-report.ts';
import { answeredFrom, answers, rulesFor, scopeName, type Answer } from './shop.ts';
import { must, pause, StoryBroke, type DemoWorld } from './world.ts';

const detectPatienceMs = 12_000;
const answerPatienceMs = 8000;
/** A machine that was put back is seen to be so within this time. */
const aftermathMs = 3000;
const watchedPatienceMs = 20_000;

export interface AttackOutcome {
  readonly told: DemoAttack;
  readonly windows: readonly AttackWindow[];
}

export async function runAttacks(world: DemoWorld, say: Say, signal: AbortSignal): Promise<AttackOutcome[]> {
  must(await world.lab.stopLoad());
  const outcomes: Promise<AttackOutcome>[] = [];
  for (const attack of attacks) {
    signal.throwIfAborted();
    outcomes.push((await runOne(world, attack, say, signal)).outcome);
  }
  return Promise.all(outcomes);
}

/** The outcome follows later: the request that carried an attack into a machine that was frozen runs into its time limit. */
async function runOne(
  world: DemoWorld,
  attack: Attack,
  say: Say,
  signal: AbortSignal,
): Promise<{ outcome: Promise<AttackOutcome> }> {
  const { tier, action } = answers[attack.name];
  say(`attack ${attack.name}: ${attack.description}`);
  await setPolicy(world, answers[attack.name], signal);
  const settled = new Set((await openAlarms(world)).map(({ id }) => id));
  const startedAtMs = Date.now();
  const running = runAttack(world.lab, attack.name);
  const found = await firstAlarm(world, tier, settled, signal);
  const detectMs = found === null ? null : Date.now() - startedAtMs;
  say(
    found === null
      ? '  not detected'
      : `  seen after ${detectMs} ms: ${found.severity} (risk ${found.risk}): ${found.title}`,
  );
  const verified = found !== null && (await isAnswered(world.lab.guests[tier], action, signal));
  if (found !== null)
    say(`  answer ${action} of ${tier}: ${verified ? 'read back from the hypervisor' : 'could not be read back'}`);
  // What was not stopped comes to its end before its machines are put back.
  const isStopped = verified && tier === 'web' && action !== 'snapshot';
  if (!isStopped) {
    const ran = await running;
    // Whether it was missed or never happened is not the same.
    if (found === null) say(`  of the attack itself: ${ran.ok ? howFar(ran.value) : ran.error.message}`);
  }
  for (const one of new Set<Tier>(['web', tier])) must(await world.lab.restore(one));
  const untilMs = Date.now() + aftermathMs;
  await waitUntilWatched(world, signal);
  const told = {
    name: attack.name,
    detected: found !== null,
    detectMs,
    alarmId: found?.id ?? null,
    response: found === null ? null : action,
    verified,
  };
  return { outcome: running.then((trace) => ({ told, windows: windowsOf(world, must(trace), startedAtMs, untilMs) })) };
}

function howFar({ completed, output }: AttackTrace): string {
  return `${completed ? 'it came to its end' : 'it did not come to its end'}, and said ${JSON.stringify(output.slice(-200))}`;
}

/** The owner's policy for this attack; in force before it begins. */
async function setPolicy({ client }: DemoWorld, answer: Answer, signal: AbortSignal): Promise<void> {
  for (const tier of tiers)
    must(await client.setRules({ scope: scopeName, service: tier, rules: rulesFor(answer, tier) }));
  await waitUntilInstalled({ client }, signal);
}

function windowsOf({ lab }: DemoWorld, trace: AttackTrace, startedAtMs: number, untilMs: number): AttackWindow[] {
  return trace.touched.map((touched) => ({
    vm: lab.guests[touched.tier].uuid,
    fromMs: startedAtMs - 100,
    untilMs,
    touched,
    pids: touched.tier === 'web' ? trace.pids : [],
  }));
}

async function openAlarms({ client }: DemoWorld): Promise<readonly Alarm[]> {
  return must(await client.listAlarms({ status: 'open', kind: 'deviation' })).items;
}

/** The first new alarm on the VM that a rule would answer. */
async function firstAlarm(
  world: DemoWorld,
  tier: Tier,
  settled: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Alarm | null> {
  const vm = world.lab.guests[tier].uuid;
  const least = answeredFrom(tier);
  const deadline = performance.now() + detectPatienceMs;
  while (performance.now() < deadline) {
    const found = (await openAlarms(world)).filter((alarm) => alarm.vm === vm && !settled.has(alarm.id));
    const answered = found.find(({ severity }) => severityOrder.indexOf(severity) >= severityOrder.indexOf(least));
    if (answered !== undefined) return answered;
    await pause(25, signal);
  }
  return null;
}

/** Asks QEMU itself, over the lab's own monitor, what the product claims to have done. */
async function isAnswered(guest: Guest, action: VmAction, signal: AbortSignal): Promise<boolean> {
  const deadline = performance.now() + answerPatienceMs;
  while (performance.now() < deadline) {
    if (await isInForce(guest, action)) return true;
    await pause(50, signal);
  }
  return false;
}

async function isInForce(guest: Guest, action: VmAction): Promise<boolean> {
  if (action === 'power-off') return guest.pid() === undefined;
  if (guest.pid() === undefined) return false;
  if (action === 'snapshot') {
    const listed = await guest.qmp().hmp('info snapshots');
    return listed.ok && /^\S+\s+plumbline/m.test(listed.value);
  }
  const status = await guest.qmp().execute('query-status');
  return status.ok && (status.value as { status?: string }).status === 'paused';
}

/** After the machines were put back, Plumbline must see into the new processes of all of them before the next attack may count. */
async function waitUntilWatched({ client, lab }: DemoWorld, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + watchedPatienceMs;
  for (;;) {
    const vms = must(await client.listVms({}));
    const unseen = tiers.flatMap((tier) => {
      const vm = vms.find(({ id }) => id === lab.guests[tier].uuid);
      const isWatched = vm?.state === 'running' && vm.pid === lab.guests[tier].pid() && vm.processes !== null;
      return isWatched ? [] : [`${tier}: ${vm === undefined ? 'not listed' : `${vm.state}, ${vm.why ?? 'no reason'}`}`];
    });
    if (unseen.length === 0) break;
    if (performance.now() > deadline)
      throw new StoryBroke(`a machine that was put back was not watched again (${unseen.join('; ')})`);
    await pause(100, signal);
  }
  await pause(500, signal);
}

/** Alarms that nothing explains: no attack's own doing, and no machine that was being answered. */
export async function falseAlarms(
  world: DemoWorld,
  since: string,
  outcomes: readonly AttackOutcome[],
  allowed: readonly string[],
): Promise<readonly Alarm[]> {
  const windows = outcomes.flatMap((outcome) => outcome.windows);
  const all = must(await world.client.listAlarms({ limit: 500 })).items.filter(
    (alarm) => alarm.firstAt >= since && !allowed.includes(alarm.id),
  );
  const unexplained: Alarm[] = [];
  for (const alarm of all) {
    const { activities } = must(await world.client.getAlarm({ alarm: alarm.id }));
    const isExplained =
      alarm.kind === 'guard'
        ? isAnsweredVm(alarm, outcomes)
        : windows.some((window) => isBehind(window, alarm.vm, activities));
    if (!isExplained) unexplained.push(alarm);
  }
  return unexplained;
}

/** Losing sight of a machine that was powered off or frozen is the answer's doing. */
function isAnsweredVm(alarm: Alarm, outcomes: readonly AttackOutcome[]): boolean {
  return outcomes.some(
    ({ told, windows }) =>
      told.response !== null &&
      windows.some(
        (one) =>
          one.vm === alarm.vm &&
          Date.parse(alarm.firstAt) >= one.fromMs &&
          Date.parse(alarm.firstAt) <= one.untilMs + 5000,
      ),
  );
}
