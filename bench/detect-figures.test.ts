// The detect bench reports what it promises; running it takes a minute of a quiet machine, so that is not done here. What it
// compares must answer alike, and that is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { detectFigureNames, detectReport, type DetectFigureName } from './detect-figures.ts';
import { assertSameVerdicts, fiftyRules } from './fifty-rules.ts';
import { ruleEngines } from './rule-engines.ts';

const samples = Object.fromEntries(
  detectFigureNames.map((name, index) => [name, [index + 3, index + 1, index + 2]]),
) as Record<DetectFigureName, number[]>;

test('every promised figure is the median of its samples', () => {
  const { name, figures } = detectReport(samples);
  assert.equal(name, 'detect');
  for (const promised of ['decisionsPerSecond', 'ndjsonPerSecond', 'compileMs100k', 'compiledMiB100k'])
    assert.ok(promised in figures, promised);
  assert.deepEqual(figures['plainDecisionsPerSecond'], { value: 3, unit: '/s', min: 2, max: 4, runs: 3 });
});

test('the ratios are those of the medians, and the best engine is the fastest', () => {
  const { ratios } = detectReport({
    ...samples,
    ndjsonPerSecond: [30],
    parseAndLookupPerSecond: [20],
    parsePerSecond: [40],
    celPerSecond: [2],
    cedarPerSecond: [1],
    jsonLogicPerSecond: [4],
    jsonRulesEnginePerSecond: [1],
    fiftyRulesPerSecond: [200],
    plainFiftyRulesPerSecond: [60],
  });
  assert.deepEqual(ratios, {
    ndjsonVsParseAndLookup: 1.5,
    ndjsonVsParse: 0.75,
    vsBestRuleEngine: 50,
    plainVsBestRuleEngine: 15,
  });
});

test('every engine and ours give the same verdicts', async () => {
  const sample = fiftyRules(300, 0.1);
  const allowed = await assertSameVerdicts(sample, ruleEngines(sample.rules), 300);
  assert.ok(allowed > 200 && allowed < 300, `${allowed} of 300 allowed`);
});
