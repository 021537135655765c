// One entry of a manifest: what it admits beyond what was seen, and why it is there.
import type { EntryExplanation } from '../../model/entry-explanation.ts';
import type { Page } from './page.ts';
import { visible } from './visible.ts';
import { count, sayBehaviour, sayProvenance, sayTime } from './words.ts';

export function printExplanation(explanation: EntryExplanation, page: Page): string {
  const { entry, says, wide, code, learned, learnedMore } = explanation;
  return [
    page.paint('heading', visible(says)),
    `entry    ${visible(entry.id)}`,
    `from     ${visible(sayProvenance(entry.provenance))}, since ${sayTime(entry.provenance.at)}`,
    ...(wide.length === 0 ? ['', 'It admits this one thing only.'] : []),
    ...wide.flatMap(({ field, pattern, admits, refuses }) => [
      '',
      `${field} is ${visible(pattern)}:`,
      ...admits.map((example) => `  ${page.paint('good', 'admits')}   ${sayExample(example)}`),
      ...refuses.map((example) => `  ${page.paint('bad', 'refuses')}  ${sayExample(example)}`),
    ]),
    ...(code.length === 0 ? [] : ['', 'Never widened, since it is code:', ...code.map((text) => `  ${visible(text)}`)]),
    '',
    learned.length === 0 ? 'Nothing like it was learned.' : 'It rests on what was learned:',
    ...learned.map(
      ({ behaviour, count: times, members, lastAt }) =>
        `  ${count(times, 'time')} on ${count(members.length, 'member')}, last ${sayTime(lastAt)}: ${sayBehaviour(behaviour)}`,
    ),
    ...(learnedMore === 0 ? [] : [`  and ${learnedMore} more`]),
  ].join('\n');
}

function sayExample(example: string): string {
  return example === '' ? '(nothing)' : visible(example);
}
