// How long the API takes to list alarms when there are ten thousand: the first page, a filtered one, and one deep in the list.
import { connect } from '../src/client/connect.ts';
import type { SentinelBatch } from '../src/wire/messages.ts';
import { must, startTrial } from '../src/manager/trial.ts';
import { at, findingOf, runningVm, started, vmId } from '../src/sim/simulated-activity.ts';

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
console.log(`${alarms} new alarms stored in ${Math.round(performance.now() - ingestFrom)} ms`);

async function measure(what: string, call: () => Promise<unknown>): Promise<void> {
  for (let n = 0; n < 20; n += 1) await call();
  const times: number[] = [];
  for (let n = 0; n < calls; n += 1) {
    const from = performance.now();
    await call();
    times.push(performance.now() - from);
  }
  times.sort((a, b) => a - b);
  const quantile = (share: number) => (times[Math.floor(share * calls)] ?? 0).toFixed(1);
  console.log(`${what}: p50 ${quantile(0.5)} ms, p99 ${quantile(0.99)} ms`);
}

await measure('first page of 100', async () => must(await client.listAlarms({ limit: 100 })));
await measure('open and serious, page of 100', async () =>
  must(await client.listAlarms({ limit: 100, status: 'open', minSeverity: 'serious' })),
);
const deep = `${at(alarms / 2)}~zzz`;
await measure('page of 100 in the middle', async () => must(await client.listAlarms({ limit: 100, after: deep })));
await measure('status', async () => must(await client.status()));
await trial.end();
