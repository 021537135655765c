// The demo may only end well when every promise was kept: each broken one is named.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exitReasonOf, type DemoReport } from './demo-report.ts';

type Facts = Omit<DemoReport, 'exitReason'>;

const attack = (name: string, response: string | null) => ({
  name,
  detected: true,
  detectMs: 100,
  alarmId: 'a',
  response,
  verified: true,
});

const kept: Facts = {
  vms: [{ name: 'web', kernel: 'Linux', attachMs: 9, processes: 40, sockets: 7 }],
  learned: { behaviours: 30, secondsObserved: 180 },
  manifests: [{ member: 'web', generation: 2, entries: 30 }],
  benign: { seconds: 60, jobsRun: { order: 100 }, lossSeconds: 0 },
  attacks: [attack('web shell', 'suspend'), attack('memfd', 'snapshot'), attack('listener', 'power-off')],
  allow: { alarmId: 'b', raisedAgain: false },
  falseAlarms: 0,
};

const broken: readonly (readonly [Partial<Facts>, string])[] = [
  [{}, 'ok'],
  [{ vms: [] }, 'no VM was not attached'],
  [{ vms: [{ name: 'db', kernel: null, attachMs: null, processes: null, sockets: null }] }, 'db was not attached'],
  [{ attacks: [] }, 'attack (none ran) was not detected'],
  [{ attacks: [...kept.attacks, { ...attack('reverse', null), detected: false }] }, 'attack reverse was not detected'],
  [
    { attacks: kept.attacks.map((one) => ({ ...one, verified: one.response !== 'snapshot' })) },
    'the answer to memfd (snapshot) could not be read back',
  ],
  [{ attacks: kept.attacks.slice(0, 2) }, 'no attack was answered by power-off'],
  [{ allow: { alarmId: null, raisedAgain: false } }, 'the benign deviation raised no alarm to allow'],
  [{ allow: { alarmId: 'b', raisedAgain: true } }, 'what was allowed was raised again'],
  [{ falseAlarms: 2 }, '2 false alarms'],
];

test('each broken promise is named, and only none of them is ok', () => {
  for (const [change, reason] of broken) assert.equal(exitReasonOf({ ...kept, ...change }), reason);
});
