// A filter of ours as libvirt shows it: which measures stand in it, and what of each is missing. It is libvirt's text of what anybody
// with access to libvirt may have written.
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { attributeOf, childrenOf, parseXml, textAt, type XmlElement } from '../../../protocols/xml/xml-element.ts';
import { chain, endMark, type StoredMeasure } from './filter-text.ts';
import type { FilterRule } from './measure-rules.ts';

export interface FilterReading {
  readonly name: string;
  readonly uuid: string | null;
  readonly owner: string | null;
  /** What keeps it as a whole from doing what it says; null = nothing. */
  readonly fault: string | null;
  readonly measures: readonly FoundInFilter[];
}

export interface FoundInFilter extends StoredMeasure {
  /** Whether all of its rules are there. */
  readonly isWhole: boolean;
}

interface ReadRule extends FilterRule {
  readonly comment: string;
}

const rulesMax = 10_000;
const ownComment =
  /^plumbline ([\w.-]{1,64}) (quarantine|block-flow) ([0-9a-f]{12}) ([0-9a-f]{8}) (\d{1,4})\/(\d{1,4})(?: until (\d{1,15}))?$/;

export function readFilter(text: string): Result<FilterReading> {
  const parsed = parseXml(text);
  if (!parsed.ok) return parsed;
  const root = parsed.value;
  const name = attributeOf(root, 'name');
  const ruleElements = childrenOf(root, 'rule');
  if (root.name !== 'filter' || name === null || ruleElements.length > rulesMax)
    return fail(problem('unreadable', 'libvirt described a network filter in a way that cannot be understood.'));
  const rules = ruleElements.map((rule) => readRule(rule));
  const owners = childrenOf(root, 'filterref').map((reference) => attributeOf(reference, 'filter'));
  return ok({
    name,
    uuid: textAt(root, 'uuid'),
    owner: owners[0] ?? null,
    fault: faultOf(root, rules, owners.length),
    measures: measuresIn(rules),
  });
}

function faultOf(root: XmlElement, rules: readonly (ReadRule | null)[], owners: number): string | null {
  if (attributeOf(root, 'chain') !== chain.name || attributeOf(root, 'priority') !== chain.priority)
    return 'its filter is not asked before all others';
  if (owners > 1) return 'its filter leads to more than the one that the card had';
  if (rules.some((rule) => rule === null || (rule.comment !== endMark && !ownComment.test(rule.comment))))
    return 'a rule stands in its filter that is not ours';
  if (rules.filter((rule) => rule?.comment === endMark).length !== 1) return 'the end of its filter is missing';
  return null;
}

/** Null for one that holds anything but one condition. */
function readRule(element: XmlElement): ReadRule | null {
  const [condition, ...others] = element.children;
  if (condition === undefined || others.length > 0) return null;
  const attributes = condition.attributes.filter(({ namespace }) => namespace === '');
  const match = Object.fromEntries(attributes.map(({ name, value }) => [name, value]));
  const { comment = '', ...rest } = match;
  return {
    action: attributeOf(element, 'action') ?? '',
    direction: attributeOf(element, 'direction') ?? '',
    priority: Number(attributeOf(element, 'priority')),
    protocol: condition.name,
    match: rest,
    comment,
  };
}

function measuresIn(rules: readonly (ReadRule | null)[]): readonly FoundInFilter[] {
  const found = new Map<string, { said: RegExpExecArray; rules: FilterRule[]; numbers: string[] }>();
  for (const rule of rules) {
    const said = rule === null ? null : ownComment.exec(rule.comment);
    if (rule === null || said === null) continue;
    const [, id = '', , vm = '', digest = '', number = ''] = said;
    const key = `${id} ${vm} ${digest}`;
    const known = found.get(key) ?? { said, rules: [], numbers: [] };
    const { comment: _, ...kept } = rule;
    known.rules.push(kept);
    known.numbers.push(number);
    found.set(key, known);
  }
  return [...found.values()].map(({ said, rules: own, numbers }) => {
    const [, id = '', kind, vm = '', digest = '', , total, until] = said;
    const whole = Array.from({ length: Number(total) }, (_, index) => String(index + 1)).join();
    return {
      id,
      kind: kind === 'quarantine' ? 'quarantine' : 'block-flow',
      vm,
      digest,
      untilMs: until === undefined ? null : Number(until),
      total: Number(total),
      rules: own,
      isWhole: numbers.toSorted((one, other) => Number(one) - Number(other)).join() === whole,
    };
  });
}
