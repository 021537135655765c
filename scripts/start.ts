// `npm start [-- --once] [--json]`: sets up what is missing and tells the main job on real VMs; without --once it stays up with the console.
import { once } from 'node:events';
import { tellStory } from '../lab/demo/story.ts';
import { openWorld, StoryBroke } from '../lab/demo/world.ts';
import { provideRequirements } from '../lab/provide-requirements.ts';

const args = process.argv.slice(2);
const unknown = args.filter((arg) => arg !== '--once' && arg !== '--json');
if (unknown.length > 0) {
  console.error(`npm start takes --once and --json, not ${unknown.join(' ')}.`);
  process.exit(2);
}
const isJson = args.includes('--json');
const startedAt = performance.now();
const say = (line: string): void => {
  const seconds = `${((performance.now() - startedAt) / 1000).toFixed(0)} s`.padStart(6);
  const text = line.startsWith('\n') ? `\n${seconds}  ${line.slice(1)}` : `${seconds}  ${line}`;
  (isJson ? process.stderr : process.stdout).write(`${text}\n`);
};

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    say('stopping: guests, network and services are being removed');
    stopping.abort(new StoryBroke('interrupted'));
  });
}

process.exit(await main());

async function main(): Promise<number> {
  // The demo's guests run on plain QEMU.
  if (!(await provideRequirements(say, ['guests']))) return 1;
  let world;
  try {
    world = await openWorld(say, stopping.signal);
  } catch (thrown) {
    if (stopping.signal.aborted) return 130;
    if (!(thrown instanceof StoryBroke)) throw thrown;
    console.error(thrown.message);
    return 1;
  }
  try {
    const report = await tellStory(world, say, stopping.signal);
    if (isJson) console.log(JSON.stringify(report));
    say(report.exitReason === 'ok' ? 'Every promise was kept.' : `Not as promised: ${report.exitReason}.`);
    if (!args.includes('--once') && !stopping.signal.aborted) {
      say(`Console: ${world.consoleLink}`);
      say('The shop stays up and protected. Ctrl-C removes everything.');
      await once(stopping.signal, 'abort');
    }
    return stopping.signal.aborted ? 130 : report.exitReason === 'ok' ? 0 : 1;
  } finally {
    await world.close();
  }
}
