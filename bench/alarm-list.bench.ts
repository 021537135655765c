// How long the API takes to list alarms when there are ten thousand: the first page, a filtered one, and one deep in the list.
import { connect } from '../src/client/connect.ts';
import type { SentinelBatch } from '../src/wire/messages.ts';
import { must, startTrial } from '../src/manager/trial.ts';
import { at, findingOf, runningVm, started, vmId } from '../src/sim/simulated-activity.ts';
import { figure, report } from './measure.ts';

const alarms = 10_000;
const perBatch = 500;
const calls = 200;

const trial = await startTrial();
const client = connect(trial.manager);
const severities = ['info', 'minor', 'serious', 'critical'] as const;
const ingestFrom = performance.now();
for (let seq = 1; seq <= alarms / perBatch; seq += 1) {
  const findings = Array.from({ length: perBatch }, (_, i) => {
    const n = (seq - 1) * perBatch + i;
    const activity = started(vmId(n % 50), `/tmp/program-${n}`, ['program', String(n)], n);
    return findingOf(activity, `group-${n}`, { severity: severities[n % 4] ?? 'info' });
  });
  const batch: SentinelBatch = {
    sentinel: 'host1',
    seq,
    sentAt: at(seq),
    observed: [],
    coverage: [],
    findings,
    guard: [],
    remediations: [],
  };
  if (seq === 1) batch.vms = Array.from({ length: 50 }, (_, n) => runningVm(n, `vm${n}`));
  must(await trial.manager.end.deliver(batch));
}
const ingestMs = (performance.now() - ingestFrom) / (alarms / perBatch);

async function timesOf(call: () => Promise<unknown>): Promise<number[]> {
  for (let n = 0; n < 20; n += 1) await call();
  const times: number[] = [];
  for (let n = 0; n < calls; n += 1) {
    const from = performance.now();
    await call();
    times.push(performance.now() - from);
  }
  return times;
}

const pages = {
  first: { limit: 100 },
  filtered: { limit: 100, status: 'open', minSeverity: 'serious' },
  inTheMiddle: { limit: 100, after: `${at(alarms / 2)}~zzz` },
} as const;
const list = async (page: keyof typeof pages) => await timesOf(async () => must(await client.listAlarms(pages[page])));
const first = figure(await list('first'), 'ms');
const inTheMiddle = figure(await list('inTheMiddle'), 'ms');
const figures = {
  firstPage: first,
  filteredPage: figure(await list('filtered'), 'ms'),
  pageInTheMiddle: inTheMiddle,
  status: figure(await timesOf(async () => must(await client.status())), 'ms'),
  batchOfNewAlarms: figure([ingestMs], `ms for ${perBatch}`),
};
console.log(JSON.stringify(report('alarm-list', figures, { middleToFirst: inTheMiddle.value / first.value }), null, 2));
await trial.end();
