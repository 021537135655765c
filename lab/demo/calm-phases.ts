// The phases without an intruder: learning under load, a quiet minute under load, and a legitimate novelty that is allowed.
import { acceptHeld } from '../accept-held.ts';
import type { Alarm } from '../../src/model/alarm.ts';
import type { DemoReport } from './demo-report.ts';
import { scopeName, shopDeclaration } from './shop.ts';
import type { BenignChange } from '../benign-changes.ts';
import { tiers } from '../tier-disk.ts';
import { must, pause, StoryBroke, waitUntilSeen, type DemoWorld } from './world.ts';

export type Say = (line: string) => void;

/** Long enough for two periods of the rarest job (28 s) and more than the minute that was asked for. */
const captureSeconds = 66;
const quietSeconds = 61;

export async function declareShop(world: DemoWorld, say: Say, signal: AbortSignal): Promise<DemoReport['vms']> {
  const { lab, client } = world;
  const names = { web: lab.guests.web.name, app: lab.guests.app.name, db: lab.guests.db.name };
  must(await client.apply({ declaration: shopDeclaration(names) }));
  const vms = await waitUntilSeen(world, signal);
  for (const vm of vms) {
    say(
      `${vm.name}: ${vm.kernel?.split(' ').slice(0, 3).join(' ') ?? vm.why ?? 'not seen'}; ${vm.processes} processes, ${vm.sockets} sockets; attached in ${vm.attachMs} ms`,
    );
  }
  return vms.map(({ name, kernel, attachMs, processes, sockets }) => ({ name, kernel, attachMs, processes, sockets }));
}

export async function learnUnderLoad(
  { lab, client }: DemoWorld,
  say: Say,
  signal: AbortSignal,
): Promise<DemoReport['learned']> {
  must(await lab.startLoad());
  must(await client.setMode({ scope: scopeName, mode: 'capture' }));
  const endsAt = performance.now() + captureSeconds * 1000;
  for (;;) {
    const { services } = must(await client.learning({ scope: scopeName }));
    const behaviours = services.reduce((sum, { completeness }) => sum + completeness.entries, 0);
    const leftSeconds = Math.ceil((endsAt - performance.now()) / 1000);
    say(`learning, ${Math.max(0, leftSeconds)} s to go: ${behaviours} behaviours known`);
    if (leftSeconds <= 0) {
      const shortest = Math.min(...services.flatMap(({ coverage }) => coverage.map((one) => one.observedSeconds)));
      return { behaviours, secondsObserved: Math.round(shortest) };
    }
    await pause(Math.min(10_000, leftSeconds * 1000), signal);
  }
}

export async function protectShop(
  { lab, client }: DemoWorld,
  say: Say,
  signal: AbortSignal,
): Promise<DemoReport['manifests']> {
  for (const { service, why, behaviour } of await acceptHeld(client, scopeName))
    say(`held in ${service} and taken in by the demo: ${behaviour.exe} (${why})`);
  // A demo says how lossy its capture was and goes on; a person would capture longer.
  const change = must(await client.setMode({ scope: scopeName, mode: 'protect', force: true }));
  for (const note of change.notes) say(`note: ${note}`);
  for (const { service, completeness } of change.services) {
    for (const doubt of completeness.doubts) say(`doubt about ${service}: ${doubt}`);
  }
  const manifests: DemoReport['manifests'][number][] = [];
  for (const tier of tiers) {
    const vm = lab.guests[tier].uuid;
    const { manifest, verified } = must(await client.getManifest({ vm }));
    if (!verified) throw new StoryBroke(`the manifest of ${tier} does not verify`);
    manifests.push({ member: manifest.vmName, generation: manifest.generation, entries: manifest.entries.length });
  }
  await waitUntilInstalled({ client }, signal);
  for (const { member, generation, entries } of manifests)
    say(`${member}: manifest generation ${generation}, ${entries} entries, signed and in force`);
  return manifests;
}

/** Returns once every manifest is in force beside its VM. */
export async function waitUntilInstalled({ client }: Pick<DemoWorld, 'client'>, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (must(await client.status({})).manifests.waiting > 0) {
    if (performance.now() > deadline) throw new StoryBroke('a manifest was not installed within 10 s');
    await pause(100, signal);
  }
}

export async function quietMinute(
  { lab, client }: DemoWorld,
  say: Say,
  signal: AbortSignal,
): Promise<DemoReport['benign']> {
  const jobsBefore = must(await lab.counts()).jobs;
  const lostBefore = must(await client.status({})).losses.observationSeconds;
  const startedAt = performance.now();
  await pause(quietSeconds * 1000, signal);
  const jobsAfter = must(await lab.counts()).jobs;
  const names = Object.keys({ ...jobsBefore, ...jobsAfter }).filter((name) => !name.startsWith('finished'));
  const jobsRun = Object.fromEntries(
    names.toSorted().map((name) => [name, (jobsAfter[name] ?? 0) - (jobsBefore[name] ?? 0)]),
  );
  const idle = names.filter((name) => (jobsRun[name] ?? 0) === 0);
  if (idle.length > 0) throw new StoryBroke(`no run of ${idle.join(', ')} in the quiet minute`);
  const lossSeconds = Math.round((must(await client.status({})).losses.observationSeconds - lostBefore) * 10) / 10;
  say(
    `a minute of ordinary work: ${Object.entries(jobsRun)
      .map(([name, runs]) => `${name} ${runs}`)
      .join(', ')}; ${lossSeconds} s in which something may have gone unseen`,
  );
  return { seconds: Math.round((performance.now() - startedAt) / 1000), jobsRun, lossSeconds };
}

export interface Allowed {
  readonly allow: DemoReport['allow'];
  /** Alarms that the novelty raised and that were allowed: true alarms, not false ones. */
  readonly alarms: readonly string[];
}

/** An administrator runs a maintenance task that nobody saw before; it is allowed, run again, and must stay silent. */
export async function allowNovelty(world: DemoWorld, say: Say, signal: AbortSignal): Promise<Allowed> {
  const { client } = world;
  const change = await maintain(world, signal);
  const raised = await alarmsOf(world, change);
  const main = raised.toSorted((a, b) => b.risk - a.risk)[0];
  if (main === undefined) return { allow: { alarmId: null, raisedAgain: false }, alarms: [] };
  for (const { id, severity, title } of raised) {
    const isStillOpen = must(await client.getAlarm({ alarm: id })).alarm.status === 'open';
    if (isStillOpen) must(await client.allowAlarm({ alarm: id }));
    say(
      `alarm ${id.slice(0, 8)} ${severity}: ${title}; legitimate, so ${isStillOpen ? 'allowed' : 'already covered by what was allowed'}`,
    );
  }
  await waitUntilInstalled(world, signal);
  const again = await alarmsOf(world, await maintain(world, signal));
  for (const alarm of again) say(`raised again: ${alarm.title}`);
  if (again.length === 0) say('the same task again: silent');
  return { allow: { alarmId: main.id, raisedAgain: again.length > 0 }, alarms: raised.map(({ id }) => id) };
}

/** Open alarms behind which the novelty stands; any other is nobody's, and will be counted as false. */
async function alarmsOf({ client, lab }: DemoWorld, change: BenignChange): Promise<readonly Alarm[]> {
  const open = must(await client.listAlarms({ status: 'open' })).items;
  return open.filter(({ vm, finding }) => {
    const activity = finding?.deviation.activity;
    if (vm !== lab.guests[change.tier].uuid || activity === undefined) return false;
    const words = [activity.image?.exe ?? '', ...(activity.image?.argv ?? [])];
    const parent = activity.kind === 'process' ? (activity.parent?.argv ?? []) : [];
    return (
      [...words, ...parent].some((word) => change.executables.includes(word)) ||
      words.some((word) => word.includes('/finished/'))
    );
  });
}

/** Has the task done and waits for its end; the agent asks for work every 12 s. */
async function maintain({ lab }: DemoWorld, signal: AbortSignal): Promise<BenignChange> {
  const change = must(await lab.maintain('app', 'tidy-up'));
  const before = must(await lab.counts()).jobs[change.finishedJob] ?? 0;
  const deadline = performance.now() + 40_000;
  while ((must(await lab.counts()).jobs[change.finishedJob] ?? 0) === before) {
    if (performance.now() > deadline) throw new StoryBroke('the maintenance task did not finish within 40 s');
    await pause(200, signal);
  }
  await pause(1500, signal);
  return change;
}
