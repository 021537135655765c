// An evaluation as a person reads it: the product and the naive learners side by side, then what was odd about the recordings.
import type { Detected, Evaluation, Measures } from '../../evaluate/evaluation.ts';
import type { Page } from './page.ts';
import { table, type Column } from './table.ts';
import { visible } from './visible.ts';
import { count } from './words.ts';

interface Row {
  readonly name: string;
  readonly measures: Measures;
}

const columns: readonly Column<Row>[] = [
  { title: 'LEARNER', cell: ({ name }) => name },
  { title: 'FALSE GROUPS', cell: ({ measures }) => sayFalse(measures), align: 'right' },
  { title: 'PER HOST-DAY', cell: ({ measures }) => sayRate(measures.falseAlarmsPerHostDay), align: 'right' },
  { title: 'CHANGE', cell: ({ measures }) => sayChange(measures.change), align: 'right' },
  { title: 'ENTRY', cell: ({ measures }) => sayDetected(measures.detection.entry), align: 'right' },
  { title: 'POST-ENTRY', cell: ({ measures }) => sayDetected(measures.detection.postEntry), align: 'right' },
  { title: 'ARGUMENT-ONLY', cell: ({ measures }) => sayDetected(measures.detection.argumentOnly), align: 'right' },
  { title: 'PRECISION', cell: ({ measures }) => sayNumber(measures.precision), align: 'right' },
  { title: 'ADP', cell: ({ measures }) => sayNumber(measures.adp), align: 'right' },
];

export function printEvaluation({ product, baselines, data }: Evaluation, page: Page): string {
  const rows = [['product', product] as const, ...Object.entries(baselines)];
  const { poison, eventsPerSecond, dropped } = product;
  return [
    table(
      columns,
      rows.map(([name, measures]) => ({ name, measures })),
      page,
    ),
    'Change: groups undeclared / declared / after one allow, on the worst machine.',
    ...(poison === null
      ? []
      : [
          `Poisoned: ${poison.heldOrDetected} of ${count(poison.techniques, 'technique')} held or still found, ${poison.extraFalseGroups} more false groups.`,
        ]),
    `${count(data.events, 'event')} of ${count(data.hosts, 'machine')}, ${data.learned} learned in ${Math.round(data.learnSeconds)} s, scored over ${Math.round(data.testSeconds)} s${eventsPerSecond === null ? '' : `, ${Math.round(eventsPerSecond)} events judged a second`}`,
    ...(dropped === 0 ? [] : [page.paint('warn', `${count(dropped, 'alarm')} beyond the limit, only counted`)]),
    ...data.notes.map(({ reason, count: times, first }) => `${times} x ${visible(reason)} First: ${visible(first)}`),
  ].join('\n');
}

function sayFalse({ falseAlarmGroups, dueGroups }: Measures): string {
  return dueGroups === 0 ? String(falseAlarmGroups) : `${falseAlarmGroups} (${dueGroups} due)`;
}

function sayDetected(detected: Detected | null): string | null {
  return detected === null ? null : `${detected.hit} of ${detected.of}`;
}

function sayChange(change: Measures['change']): string | null {
  return change === null ? null : `${change.undeclared} / ${change.declared} / ${change.afterOneAllow}`;
}

function sayRate(rate: Measures['falseAlarmsPerHostDay']): string | null {
  if (rate === null) return null;
  return rate.value === 0 ? `<= ${sayNumber(rate.high)}` : sayNumber(rate.value);
}

function sayNumber(value: number | null): string | null {
  return value === null ? null : String(Number(value.toPrecision(3)));
}
