// A filter of ours as libvirt's XML: one for each card and owner's filter, with all measures of the card. Its rules carry whose they
// are; the owner's filter is within it, so that what it forbade stays forbidden, and so that the note of what the card had before
// lies in libvirt itself.
import { createHash } from 'node:crypto';
import { xml, type XmlText } from '../../../protocols/xml/xml-text.ts';
import type { CheckedPort } from '../checked-order.ts';
import type { FilterRule } from './measure-rules.ts';

/** A measure as it stands in a filter. */
export interface StoredMeasure {
  readonly id: string;
  readonly kind: 'quarantine' | 'block-flow';
  /** `vmMark` of the VM it was ordered for. */
  readonly vm: string;
  readonly digest: string;
  /** Since the epoch; null = until it is released. */
  readonly untilMs: number | null;
  /** How many rules it has when it is whole. */
  readonly total: number;
  readonly rules: readonly FilterRule[];
}

export interface FilterContent {
  readonly name: string;
  /** 32 hexadecimal digits or with dashes; null = libvirt is to make one. */
  readonly uuid: string | null;
  /** The filter that the card had before; null = none. */
  readonly owner: string | null;
  readonly measures: readonly StoredMeasure[];
}

export const namePrefix = 'plumbline-';
/** Of all frames, before the owner's chains, which cannot have a lower priority. libvirt takes a name of 12 letters. */
export const chain = { name: 'mac-plumb', priority: '-1000' } as const;
export const endMark = 'plumbline end';

/** What leaves a chain at its end without a verdict is accepted there, and the owner's filter would not be asked. */
const endRule: FilterRule = { action: 'return', direction: 'inout', priority: 1000, protocol: 'mac', match: {} };

/** Of all filters of that card. */
export function cardPrefix({ vm, mac }: Pick<CheckedPort, 'vm' | 'mac'>): string {
  return `${namePrefix}${vm}-${mac.replaceAll(':', '')}-`;
}

/** A running guest and what is kept of it may have had different filters: then there are two of ours. */
export function filterName(port: Pick<CheckedPort, 'vm' | 'mac'>, owner: string | null): string {
  const mark = owner === null ? 'none' : createHash('sha256').update(owner).digest('hex').slice(0, 8);
  return `${cardPrefix(port)}${mark}`;
}

export function filterText({ name, uuid, owner, measures }: FilterContent): string {
  const rules = measures.flatMap((measure) =>
    measure.rules.map((rule, index) => ruleText(rule, commentOf(measure, index + 1))),
  );
  const content: readonly (XmlText | null)[] = [
    uuid === null ? null : xml('uuid', uuid),
    owner === null ? null : xml('filterref', '', { filter: owner }),
    ...rules,
    ruleText(endRule, endMark),
  ];
  return xml('filter', content, { name, chain: chain.name, priority: chain.priority }).markup;
}

/** libvirt keeps 256 characters of it. */
function commentOf({ id, kind, vm, digest, untilMs, total }: StoredMeasure, number: number): string {
  const until = untilMs === null ? '' : ` until ${untilMs}`;
  return `plumbline ${id} ${kind} ${vm} ${digest} ${number}/${total}${until}`;
}

function ruleText({ action, direction, priority, protocol, match }: FilterRule, comment: string): XmlText {
  const attributes = { action, direction, priority: String(priority) };
  return xml('rule', [xml(protocol, '', { ...match, comment })], attributes);
}
