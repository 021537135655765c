// The main job from beginning to end: see, learn, protect, a quiet minute, an allowed novelty, attacks and their answers.
import { exitReasonOf, type DemoReport } from './demo-report.ts';
import { allowNovelty, declareShop, learnUnderLoad, protectShop, quietMinute, type Say } from './calm-phases.ts';
import { falseAlarms, runAttacks } from './attack-phase.ts';
import { StoryBroke, type DemoWorld } from './world.ts';

type Facts = { -readonly [K in keyof Omit<DemoReport, 'exitReason'>]: DemoReport[K] };

/** Tells the story to its end or to the point where it broke; the report says which. */
export async function tellStory(world: DemoWorld, say: Say, signal: AbortSignal): Promise<DemoReport> {
  const facts: Facts = {
    vms: [],
    learned: { behaviours: 0, secondsObserved: 0 },
    manifests: [],
    benign: { seconds: 0, jobsRun: {}, lossSeconds: 0 },
    attacks: [],
    allow: { alarmId: null, raisedAgain: false },
    falseAlarms: 0,
  };
  try {
    await tell(facts, world, say, signal);
  } catch (thrown) {
    if (!(thrown instanceof StoryBroke)) throw thrown;
    await tellOpenAlarms(world, say);
    return { ...facts, exitReason: thrown.message };
  }
  return { ...facts, exitReason: exitReasonOf(facts) };
}

async function tell(facts: Facts, world: DemoWorld, say: Say, signal: AbortSignal): Promise<void> {
  const chapter = (title: string): void => say(`\n== ${title}`);
  chapter('See: three virtual machines, from outside, nothing prepared in them');
  facts.vms = await declareShop(world, say, signal);
  chapter('Capture: what is this application for?');
  facts.learned = await learnUnderLoad(world, say, signal);
  chapter('Protect: freeze it into one signed manifest per machine');
  const since = new Date().toISOString();
  facts.manifests = await protectShop(world, say, signal);
  chapter('A quiet minute under load: nothing may be raised');
  facts.benign = await quietMinute(world, say, signal);
  chapter('A legitimate novelty: an administrator’s task');
  const { allow, alarms } = await allowNovelty(world, say, signal);
  facts.allow = allow;
  chapter('Attacks');
  const outcomes = await runAttacks(world, say, signal);
  facts.attacks = outcomes.map(({ told }) => told);
  const unexplained = await falseAlarms(world, since, outcomes, alarms);
  facts.falseAlarms = unexplained.length;
  chapter('Result');
  for (const alarm of unexplained) say(`false alarm on ${alarm.vmName}: ${alarm.title}`);
  const slowest = Math.max(...facts.attacks.map((attack) => attack.detectMs ?? Number.POSITIVE_INFINITY));
  say(
    `${facts.attacks.filter((one) => one.detected).length} of ${facts.attacks.length} attacks seen, the slowest after ${slowest} ms; ${facts.falseAlarms} false alarms.`,
  );
}

/** What was open when the story broke is the first thing to look at. */
async function tellOpenAlarms({ client }: DemoWorld, say: Say): Promise<void> {
  const open = await client.listAlarms({ status: 'open' });
  if (!open.ok) return;
  for (const { vmName, severity, title, firstAt } of open.value.items)
    say(`open: ${firstAt} ${vmName} ${severity}: ${title}`);
}
