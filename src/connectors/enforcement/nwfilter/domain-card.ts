// A guest's network card in libvirt's description of the guest, and the same card with another filter. All else of it stays as
// libvirt wrote it, the parameters that the owner gave its filter included.
import { problem, type Problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import {
  attributeOf,
  childOf,
  childrenOf,
  parseXml,
  type XmlAttribute,
  type XmlElement,
} from '../../../protocols/xml/xml-element.ts';
import { xml, type XmlText } from '../../../protocols/xml/xml-text.ts';

export interface DomainCard {
  /** libvirt's word for what it is plugged into: `bridge`, `network`, `direct` ... */
  readonly type: string;
  /** The host's device; a guest that does not run may have none yet. */
  readonly device: string | null;
  /** Name of the filter it refers to; null = none. */
  readonly filter: string | null;
  readonly virtualPort: string | null;
  readonly element: XmlElement;
}

const filterable = ['bridge', 'network', 'ethernet'];

/** Null when the guest has no card with that hardware address; two with the same cannot be told apart. */
export function readCard(domainXml: string, mac: string): Result<DomainCard | null> {
  const parsed = parseXml(domainXml);
  if (!parsed.ok) return parsed;
  const found = childrenOf(childOf(parsed.value, 'devices'), 'interface').filter(
    (card) => valueOf(card, 'mac', 'address')?.toLowerCase() === mac,
  );
  const [element, twin] = found;
  if (element === undefined) return ok(null);
  if (twin !== undefined)
    return fail(problem('refused', `The guest has two network cards with the address ${mac}.`, 'Give one another.'));
  const virtualPort = valueOf(element, 'virtualport', 'type');
  const [type, device] = [attributeOf(element, 'type') ?? '', valueOf(element, 'target', 'dev')];
  return ok({ type, device, filter: valueOf(element, 'filterref', 'filter'), virtualPort, element });
}

/** Why libvirt puts no filter before it; null = it does. */
export function cardObstacle({ type, virtualPort }: DomainCard, name: string): Problem | null {
  if (filterable.includes(type) && virtualPort === null) return null;
  const what = virtualPort === null ? `of type ${type.slice(0, 40)}` : `on ${virtualPort.slice(0, 40)}`;
  return problem(
    'refused',
    `${name} is a card ${what}, which libvirt filters nothing on.`,
    'Plug it into a Linux bridge, or let Open vSwitch act.',
  );
}

/** The `<interface>` with that filter; null = with none. */
export function cardWith(card: DomainCard, filter: string | null): Result<XmlText> {
  if (!isPlain(card.element))
    return fail(problem('unreadable', 'The card’s description holds words of other programs.'));
  const reference = childOf(card.element, 'filterref');
  const kept = card.element.children.filter((child) => child !== reference).map((child) => again(child));
  const parameters = (reference?.children ?? []).map((child) => again(child));
  const added = filter === null ? [] : [xml('filterref', parameters, { filter })];
  return ok(xml('interface', [...kept, ...added], attributesOf(card.element.attributes)));
}

function again({ name, attributes, children, text }: XmlElement): XmlText {
  return xml(name, children.length > 0 ? children.map((child) => again(child)) : text, attributesOf(attributes));
}

function attributesOf(attributes: readonly XmlAttribute[]): Readonly<Record<string, string>> {
  return Object.fromEntries(attributes.map(({ name, value }) => [name, value]));
}

/** Nothing in it is of a namespace, which could not be written back as it was. */
function isPlain({ namespace, attributes, children }: XmlElement): boolean {
  return (
    namespace === '' && attributes.every((each) => each.namespace === '') && children.every((each) => isPlain(each))
  );
}

function valueOf(element: XmlElement, child: string, attribute: string): string | null {
  const found = childOf(element, child);
  return found === null ? null : attributeOf(found, attribute);
}
