// What the detect bench promises to report, and its samples as a report. Apart from the bench so that a test need not run it.
import { figure, report, type BenchReport, type Figure } from './measure.ts';

/** Unit of each figure. */
const units = {
  /** Events of the mix, numbered before: what an order to compare costs when nothing has to be read or understood. */
  decisionsPerSecond: '/s',
  /** The same events as a sensor's observation, not numbered. */
  plainDecisionsPerSecond: '/s',
  /** The same, each asked for the first time of a manifest that remembers nothing. */
  firstDecisionsPerSecond: '/s',
  /** Bytes to decision, when most lines are like earlier ones. */
  ndjsonPerSecond: '/s',
  /** Bytes to decision, no line like an earlier one. */
  ndjsonNewPerSecond: '/s',
  /** JSON.parse of every line and nothing else. */
  parsePerSecond: '/s',
  /** JSON.parse of every line, and one look-up of what the decision hangs on. */
  parseAndLookupPerSecond: '/s',
  compileMs100k: 'ms',
  compiledMiB100k: 'MiB',
  /** Fifty rules on parsed facts, and ours with the same fifty on the same events. */
  celPerSecond: '/s',
  cedarPerSecond: '/s',
  jsonLogicPerSecond: '/s',
  jsonRulesEnginePerSecond: '/s',
  fiftyRulesPerSecond: '/s',
  plainFiftyRulesPerSecond: '/s',
} as const;

export type DetectFigureName = keyof typeof units;
export type DetectSamples = Readonly<Record<DetectFigureName, readonly number[]>>;

export const detectFigureNames = Object.keys(units) as readonly DetectFigureName[];

export function detectReport(samples: DetectSamples): BenchReport {
  const figures = Object.fromEntries(
    detectFigureNames.map((name) => [name, figure(samples[name], units[name])] as const),
  ) as Readonly<Record<DetectFigureName, Figure>>;
  const { celPerSecond, cedarPerSecond, jsonLogicPerSecond, jsonRulesEnginePerSecond } = figures;
  const engines = [celPerSecond, cedarPerSecond, jsonLogicPerSecond, jsonRulesEnginePerSecond];
  const bestEngine = Math.max(...engines.map(({ value }) => value));
  return report('detect', figures, {
    ndjsonVsParseAndLookup: figures.ndjsonPerSecond.value / figures.parseAndLookupPerSecond.value,
    ndjsonVsParse: figures.ndjsonPerSecond.value / figures.parsePerSecond.value,
    vsBestRuleEngine: figures.fiftyRulesPerSecond.value / bestEngine,
    plainVsBestRuleEngine: figures.plainFiftyRulesPerSecond.value / bestEngine,
  });
}
