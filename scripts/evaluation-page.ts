// docs/evaluation.md and its plots, made of evaluations. The prose is here, so that nobody edits figures by hand.
import type { EvaluationSet } from '../src/evaluate/evaluation-sets.data.ts';
import type { Detected, Evaluation, Measures, Poisoned } from '../src/evaluate/evaluation.ts';
import type { Rate } from '../src/evaluate/intervals.ts';
import { svgPlot } from './svg-plot.ts';

export interface Evaluated {
  readonly set: EvaluationSet;
  readonly evaluation: Evaluation;
  /** One for each seed. */
  readonly poisoned: readonly Poisoned[];
}

const intro = `# How well it learns and finds

Made by \`npm run evaluate\` from recorded behaviour that lies beside this repository and is not part of it; do not edit. A group is what a person sees as one
alarm: machine, kind, executable, parent and arguments, or address and port. *Change* is the number of groups a legitimate change raises on the worst machine:
when nobody declared it, when it was declared, and after the alarm with the highest risk was allowed. *Entry* is an attack as it was recorded; *post-entry* the
same with its first process taken away, as if the attacker already lived in the process that starts most; *argument-only* those of the latter that run nothing
but programs the machine was seen to run. Brackets hold 95 % intervals (Wilson, Garwood); no alarm in T host-days is said as at most 3/T. The naive learners
remember exactly what they saw: executable, parent and executable, these with arguments, executable and address with port.

Scored are the product's stages, as manager and sentinel call them.
How the figures came about is in [ADR 9](adr/0009-generalisation.md).
`;

export function evaluationPage(all: readonly Evaluated[], skipped: readonly string[]): string {
  return [
    intro,
    ...(skipped.length === 0 ? [] : [`Not made, because the recordings were not there: ${skipped.join(', ')}.\n`]),
    ...all.map(section),
  ].join('\n');
}

function section({ set, evaluation, poisoned }: Evaluated): string {
  const { product, baselines, data } = evaluation;
  const rows = [['**Plumbline**', product] as const, ...Object.entries(baselines)];
  return [
    `## ${set.name}`,
    '',
    `${set.says}. Learned: ${set.learn.join(', ')}; scored: ${set.test.join(', ')}. ${data.events} events of ${data.hosts} machines, ${data.learned} learned in ${say(data.learnSeconds)} s, harmless part ${say(data.testSeconds)} s.`,
    '',
    '| learner | false groups | per host-day | per 1,000 starts | change | entry | post-entry | argument-only | precision | ADP |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...rows.map(([name, measures]) => row(name, measures)),
    '',
    ...poisoned.map(
      ({ techniques, heldOrDetected, extraFalseGroups }, at) =>
        `Poisoned with ${100 * (set.poison ?? 0)} % of the attack runs, seed ${at + 1}: ${heldOrDetected} of ${techniques} techniques held or still found, ${extraFalseGroups} more false groups.\n`,
    ),
    ...flows(product),
    ...forecasts(product),
    ...plotNames(evaluation).map((kind) => `![${kind} of ${set.name}](evaluation/${set.name}-${kind}.svg)\n`),
    ...data.notes.map(({ reason, count }) => `- ${count} times: ${reason}`),
    '',
  ].join('\n');
}

function row(name: string, measures: Measures): string {
  const { detection, change } = measures;
  const cells = [
    name,
    measures.dueGroups === 0 ? measures.falseAlarmGroups : `${measures.falseAlarmGroups} (${measures.dueGroups} due)`,
    sayRate(measures.falseAlarmsPerHostDay),
    sayRate(measures.falsePer1000Starts),
    change === null ? '-' : `${change.undeclared} / ${change.declared} / ${change.afterOneAllow}`,
    sayDetected(detection.entry),
    sayDetected(detection.postEntry),
    sayDetected(detection.argumentOnly),
    measures.precision === null ? '-' : say(measures.precision),
    measures.adp === null ? '-' : say(measures.adp),
  ];
  return `| ${cells.join(' | ')} |`;
}

function flows({ perHost }: Measures): string[] {
  const hosts = Object.entries(perHost).filter(([, { newPeerGroups }]) => newPeerGroups > 0);
  return hosts.length === 0 || hosts.length > 12
    ? []
    : [
        `New peers that raised a false group: ${hosts.map(([host, { newPeerGroups }]) => `${host} ${newPeerGroups}`).join(', ')}.\n`,
      ];
}

function forecasts({ curve, perHost }: Measures): string[] {
  if (curve.length === 0 || Object.keys(perHost).length === 0) return [];
  const near = curve.filter(
    ({ predictedNew, actualNew }) => predictedNew <= 1.5 * actualNew && actualNew <= 1.5 * predictedNew,
  );
  const in80 = curve.filter(({ low80, high80, actualNew }) => low80 <= actualNew && actualNew <= high80);
  const in95 = curve.filter(({ low, high, actualNew }) => low <= actualNew && actualNew <= high);
  return [
    `New behaviours foretold along the learning part: within a factor of 1.5 of those that came at ${near.length} of ${curve.length} points; in the 80 % interval at ${in80.length}, in the 95 % interval at ${in95.length}.\n`,
  ];
}

function sayDetected(detected: Detected | null): string {
  return detected === null ? '-' : `${detected.hit}/${detected.of} [${say(detected.low)}, ${say(detected.high)}]`;
}

function sayRate(rate: Rate | null): string {
  if (rate === null) return '-';
  return rate.value === 0 ? `<= ${say(rate.high)}` : `${say(rate.value)} [${say(rate.low)}, ${say(rate.high)}]`;
}

function say(value: number): string {
  return String(Number(value.toPrecision(3)));
}

function plotNames({ product }: Evaluation): readonly string[] {
  return [...(product.roc.length > 1 ? ['roc'] : []), ...(Object.keys(product.perHost).length > 0 ? ['curve'] : [])];
}

/** The plots of one set by their file name. */
export function evaluationPlots({ set, evaluation }: Evaluated): ReadonlyMap<string, string> {
  const { product, baselines } = evaluation;
  const drawn: Readonly<Record<string, () => string>> = {
    roc: () =>
      svgPlot({
        title: `${set.name}: found against false alarms`,
        x: 'share of harmless units that alarm',
        y: 'share of attacks found',
        xMax: 1,
        yMax: 1,
        series: [['Plumbline', product] as const, ...Object.entries(baselines)]
          .filter(([, { roc }]) => roc.length > 0)
          .map(([name, { roc }]) => ({
            name,
            dashed: name !== 'Plumbline',
            points: [...roc.map(({ falseAlarm, hit }) => [falseAlarm, hit] as const), [0, 0] as const],
          })),
      }),
    curve: () =>
      svgPlot({
        title: `${set.name}: new behaviours, foretold and come`,
        x: 'share of the learning part',
        y: 'behaviours, groups',
        xMax: 1,
        series: [
          { name: 'foretold', points: product.curve.map((p) => [p.fraction, p.predictedNew]), dashed: true },
          { name: 'come', points: product.curve.map((p) => [p.fraction, p.actualNew]) },
          { name: 'false groups', points: product.curve.map((p) => [p.fraction, p.falseGroups]) },
        ],
      }),
  };
  return new Map(plotNames(evaluation).map((kind) => [`${set.name}-${kind}.svg`, drawn[kind]?.() ?? '']));
}
