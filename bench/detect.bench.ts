// How fast a decision is: alone, from the bytes of a sensor, and beside what users would write their rules for. One process, one core,
// the same events; what is held against each other takes turns. Time is the process's own on the processor, collecting garbage
// included, so that neighbours on the machine count little.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { behaviourOf } from '../src/pattern/behaviour-of.ts';
import { EventDecoder } from '../src/sensors/ndjson/event-decoder.ts';
import type { Manifest } from '../src/model/manifest.ts';
import type { Activity } from '../src/model/observation.ts';
import { type CompiledManifest, compileManifest, detect, detectInterned, intern } from '../src/stages/detect/detect.ts';
import { normalise } from '../src/stages/normalise/normalise.ts';
import { type Mix, mixOf } from './behaviour-mix.ts';
import { type DetectFigureName, type DetectSamples, detectFigureNames, detectReport } from './detect-figures.ts';
import { type FiftyRules, assertSameVerdicts, fiftyRules } from './fifty-rules.ts';
import { type BenchReport } from './measure.ts';
import { activityOf, compiledOf, manifestOf } from './mix-manifests.ts';
import { type RuleEngine, ruleEngines } from './rule-engines.ts';

const seed = 42;
const size = { vms: 100, behavioursPerVm: 200, events: 100_000, unknown: 0.01 } as const;
const rounds = 5;
/** As a file is read. */
const chunkBytes = 64 * 1024;
const newline = 0x0a;

type Add = (name: DetectFigureName, sample: number) => void;

export async function bench(say: (line: string) => void): Promise<BenchReport> {
  const samples = Object.fromEntries(detectFigureNames.map((name) => [name, []])) as unknown as Record<
    DetectFigureName,
    number[]
  >;
  const add: Add = (name, sample) => void samples[name].push(sample);
  const mix = mixOf(seed, size);
  say(`${mix.events.length} events of ${Math.round(mix.ndjson.length / mix.events.length)} bytes`);
  say('lines');
  measureLines(mix, add);
  say('decisions');
  measureDecisions(mix, add);
  say('a manifest of 100,000 entries');
  measureCompiling(add);
  say('rule engines');
  await measureEngines(add);
  return detectReport(samples satisfies DetectSamples);
}

function manifestsOf(mix: Mix): ReadonlyMap<string, CompiledManifest> {
  return new Map(
    [...mix.behaviours].map(([host, events]) => [host, compiledOf(events.map(activityOf).map(behaviourOf))]),
  );
}

/** Of this process on the processor, all threads together. */
function processorMsSince(from: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(from);
  return (user + system) / 1000;
}

/** Events a second. */
function rateOf(events: number, run: () => void): number {
  const from = process.cpuUsage();
  run();
  return (events / processorMsSince(from)) * 1000;
}

function measureLines(mix: Mix, add: Add): void {
  const { events, ndjson } = mix;
  const known = new Set([...mix.behaviours.values()].flat().map((event) => decisiveFacts({ ...event })));
  const manifests = manifestsOf(mix);
  const decoder = new EventDecoder<'allowed'>('mix');
  let deviations = 0;
  let unknown = 0;
  const count = events.length;
  for (let round = 0; round <= rounds; round += 1) {
    deviations = unknown = 0;
    const decided = rateOf(count, () => void (deviations = decideLines(decoder, manifests, ndjson)));
    const looked = rateOf(count, () => eachLine(ndjson, (line) => void (unknown += isIn(known, line) ? 0 : 1)));
    const parsed = rateOf(count, () => eachLine(ndjson, (line) => JSON.parse(line)));
    const fresh = manifestsOf(mix);
    const first = rateOf(count / 5, () => {
      decideLines(new EventDecoder('mix'), fresh, ndjson.subarray(0, ndjson.indexOf(newline, ndjson.length / 5) + 1));
    });
    if (deviations !== unknown) throw new Error(`${deviations} deviations, ${unknown} by look-up`);
    // The first round warms up.
    if (round === 0) continue;
    add('ndjsonPerSecond', decided);
    add('parseAndLookupPerSecond', looked);
    add('parsePerSecond', parsed);
    add('ndjsonNewPerSecond', first);
  }
}

/** What the product does with each line (src/evaluate/replay.ts), for many machines. */
function decideLines(
  decoder: EventDecoder<'allowed'>,
  manifests: ReadonlyMap<string, CompiledManifest>,
  bytes: Buffer,
): number {
  let deviations = 0;
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    for (const line of decoder.decode(bytes.subarray(at, at + chunkBytes))) {
      if (line.like?.note === 'allowed') continue;
      const observation = line.result.ok ? normalise(line.result.value) : line.result;
      if (!observation.ok || observation.value.kind === 'loss') throw new Error('the mix can be judged');
      const manifest = manifests.get(observation.value.vm);
      if (manifest === undefined) throw new Error('every machine has a manifest');
      if (detect(manifest, observation.value) !== null) deviations += 1;
      else if (line.like !== null) line.like.note = 'allowed';
    }
  }
  return deviations;
}

function eachLine(bytes: Buffer, take: (line: string) => void): void {
  let start = 0;
  for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
    take(bytes.toString('utf8', start, end));
    start = end + 1;
  }
}

interface DecisiveFacts {
  readonly host?: string;
  readonly kind?: string;
  readonly exe?: string;
  readonly cmdline?: string;
  readonly parentExe?: string;
  readonly uid?: number;
  readonly remoteAddr?: string;
  readonly remotePort?: number;
}

/** One key that can tell the behaviours of the mix apart. */
function decisiveFacts({ host, kind, exe, cmdline, parentExe, uid, remoteAddr, remotePort }: DecisiveFacts): string {
  return `${host}\n${kind}\n${exe}\n${cmdline}\n${parentExe}\n${uid}\n${remoteAddr}\n${remotePort}`;
}

function isIn(known: ReadonlySet<string>, line: string): boolean {
  return known.has(decisiveFacts(JSON.parse(line) as DecisiveFacts));
}

function measureDecisions(mix: Mix, add: Add): void {
  const manifests = manifestsOf(mix);
  const activities = mix.events.map(activityOf);
  const asked = activities.map((activity) => manifests.get(activity.vm) ?? compiledOf([]));
  const interned = activities.map((activity, at) => intern(asked[at] ?? compiledOf([]), activity));
  for (let round = 0; round <= rounds; round += 1) {
    const fresh = manifestsOf(mix);
    const first = rateOf(activities.length / 5, () => {
      for (const activity of activities.slice(0, activities.length / 5)) {
        const manifest = fresh.get(activity.vm);
        if (manifest !== undefined) detect(manifest, activity);
      }
    });
    const plain = rateOf(activities.length, () => countDeviations(activities, asked, detect));
    const numbered = rateOf(activities.length, () => countDeviations(interned, asked, detectInterned));
    if (round === 0) continue;
    add('firstDecisionsPerSecond', first);
    add('plainDecisionsPerSecond', plain);
    add('decisionsPerSecond', numbered);
  }
}

function countDeviations<T>(
  items: readonly T[],
  manifests: readonly CompiledManifest[],
  ask: (manifest: CompiledManifest, item: T) => unknown,
): number {
  let deviations = 0;
  for (const [at, item] of items.entries()) {
    const manifest = manifests[at];
    if (manifest !== undefined && ask(manifest, item) !== null) deviations += 1;
  }
  return deviations;
}

function measureCompiling(add: Add): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const { behaviours } = mixOf(seed, { vms: 1, behavioursPerVm: 100_000, events: 1, unknown: 0 });
  const activities = [...behaviours.values()].flat().map(activityOf);
  const manifest = manifestOf(activities.map(behaviourOf));
  const [asked] = activities;
  if (asked === undefined) throw new Error('the mix is not empty');
  for (let round = 0; round < rounds; round += 1) measureCompiled(manifest, asked, collect, add);
}

/** A function of its own, so that nothing holds what the round before compiled. */
function measureCompiled(manifest: Manifest, asked: Activity, collect: () => void, add: Add): void {
  collect();
  const before = process.memoryUsage();
  const from = process.cpuUsage();
  const compiled = compileManifest(manifest);
  add('compileMs100k', processorMsSince(from));
  collect();
  const after = process.memoryUsage();
  add('compiledMiB100k', (after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers) / 2 ** 20);
  // Asked, so that it is held until it has been measured.
  if (!compiled.ok || detect(compiled.value, asked) !== null)
    throw new Error('a compiled manifest allows what is in it');
}

async function measureEngines(add: Add): Promise<void> {
  const sample = fiftyRules(2000, size.unknown);
  const engines = ruleEngines(sample.rules);
  await assertSameVerdicts(sample, engines, 500);
  for (let round = 0; round <= rounds; round += 1) {
    measureOurs(sample, round === 0 ? () => undefined : add);
    for (const engine of engines) {
      const rate = await rateOfEngine(engine, sample);
      if (round > 0) add(`${engine.name}PerSecond`, rate);
    }
  }
}

function measureOurs({ manifest, activities }: FiftyRules, add: Add): void {
  const repeated = 20;
  const interned = activities.map((activity) => intern(manifest, activity));
  const manifests = activities.map(() => manifest);
  const ask = (run: () => void): number =>
    rateOf(activities.length * repeated, () => {
      for (let time = 0; time < repeated; time += 1) run();
    });
  add(
    'plainFiftyRulesPerSecond',
    ask(() => countDeviations(activities, manifests, detect)),
  );
  add(
    'fiftyRulesPerSecond',
    ask(() => countDeviations(interned, manifests, detectInterned)),
  );
}

async function rateOfEngine({ name, holds }: RuleEngine, { facts }: FiftyRules): Promise<number> {
  const events = name === 'jsonRulesEngine' ? facts.slice(0, 300) : facts;
  const from = process.cpuUsage();
  for (const each of events) {
    const held = holds(each);
    if (typeof held !== 'boolean') await held;
  }
  return (events.length / processorMsSince(from)) * 1000;
}
