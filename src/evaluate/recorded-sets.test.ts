// What was reached on the recorded sets must not be lost again. They lie beside the repository; where they do not, that is said.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { evaluate } from './evaluate.ts';
import type { Detected, Evaluation } from './evaluation.ts';
import { evaluationSets, recordingName } from './evaluation-sets.data.ts';

const data = join(import.meta.dirname, '../../../shared/data');

function share(detected: Detected | null): number {
  return detected === null || detected.of === 0 ? 0 : detected.hit / detected.of;
}

/** The highest share of attacks found at no more than this share of false alarms. */
function hitAt({ roc }: Evaluation['product'], falseAlarm: number): number {
  return Math.max(0, ...roc.filter((point) => point.falseAlarm <= falseAlarm).map(({ hit }) => hit));
}

function resistsPoison({ poison }: Evaluation['product']): void {
  assert.ok(poison !== null && poison.heldOrDetected >= 0.9 * poison.techniques);
  assert.ok(poison.extraFalseGroups <= 1);
}

/** Where all that came is counted, an interval of 95 % must hold for most of the few points there are. */
function intervalsHold({ curve }: Evaluation['product']): boolean {
  const held = curve.filter(({ low, high, actualNew }) => low <= actualNew && actualNew <= high);
  return held.length >= 0.8 * curve.length;
}

const reached: Readonly<Record<string, (evaluation: Evaluation) => void>> = {
  'linux-debian': ({ product }) => {
    assert.equal(product.falseAlarmGroups - product.dueGroups, 0);
    assert.ok(product.change !== null && product.change.undeclared <= 2);
    assert.deepEqual([product.change.declared, product.change.afterOneAllow], [0, 0]);
    assert.equal(share(product.detection.entry), 1);
    assert.ok(share(product.detection.postEntry) >= 0.98 && share(product.detection.argumentOnly) >= 0.95);
    assert.ok((product.precision ?? 0) >= 0.95);
    resistsPoison(product);
  },
  'linux-attacks': ({ product }) => {
    assert.equal(share(product.detection.entry), 1);
    assert.ok(share(product.detection.postEntry) >= 0.98);
  },
  'linux-containers': ({ product, baselines }) => {
    const naive = ['parentExeArgs', 'exeRemote'].map((name) => baselines[name]?.falseAlarmGroups ?? 0);
    assert.ok(product.falseAlarmGroups < naive.reduce((sum, each) => sum + each, 0));
  },
  'unix-accounting': ({ product, baselines }) => {
    const naive = baselines['exe'];
    assert.ok(naive !== undefined && naive.roc.length > 10);
    for (const falseAlarm of [0.26, 0.18, 0.12, 0.08])
      assert.ok(hitAt(product, falseAlarm) > hitAt(naive, falseAlarm), `at ${falseAlarm}`);
  },
  'network-flows': ({ product, baselines }) => {
    for (const [host, { newPeerGroups }] of Object.entries(product.perHost)) assert.ok(newPeerGroups <= 3, host);
    assert.ok(share(product.detection.entry) >= share(baselines['exeRemote']?.detection.entry ?? null));
  },
  'windows-recordings': ({ product, baselines }) => {
    assert.ok(share(product.detection.entry) >= 0.95 && share(product.detection.postEntry) >= 0.95);
    // What looks at processes and what looks at peers, together: the product looks at both.
    const naive = ['parentExeArgs', 'exeRemote'].map((name) => baselines[name]?.falseAlarmGroups ?? 0);
    assert.ok(product.falseAlarmGroups <= naive.reduce((sum, each) => sum + each, 0) / 2);
    resistsPoison(product);
  },
  'windows-attacks': ({ product }) => assert.ok(share(product.detection.entry) >= 0.95),
};

test('every set is held to what was reached', () => {
  assert.deepEqual(Object.keys(reached).sort(), evaluationSets.map(({ name }) => name).sort());
});

for (const { name, learn, test: scored, poison } of evaluationSets) {
  const [learnFiles, testFiles] = [learn, scored].map((names) => names.map((each) => join(data, recordingName(each))));
  const files = { learn: learnFiles ?? [], test: testFiles ?? [] };
  const isThere = [...files.learn, ...files.test].every((path) => existsSync(path));
  test(`recorded set ${name}`, { skip: isThere ? false : 'the recordings are not in ../shared/data' }, async () => {
    // One seed is enough here; npm run evaluate tries three.
    const evaluation = await evaluate(poison === undefined ? files : { ...files, poison: { share: poison, seed: 1 } });
    assert.ok(evaluation.ok);
    reached[name]?.(evaluation.value);
    const { product } = evaluation.value;
    assert.ok(Object.keys(product.perHost).length === 0 || intervalsHold(product), 'intervals of the forecasts');
  });
}
