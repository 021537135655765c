// What a card was before its quarantine, as it stands in the VM's own configuration: whoever comes later can put it back by that
// alone. Anything else that stands there is no note.
import type { Json } from '../../../kit/canonical-json.ts';
import { asObject, asText } from '../../../kit/json-object.ts';
import { textAt, type XmlElement } from '../../../protocols/xml/xml-element.ts';
import { xml, type XmlText } from '../../../protocols/xml/xml-text.ts';
import type { CheckedPort } from '../checked-order.ts';
import { backingOfNote, type CardBacking } from './card-backing.ts';
import type { CardBefore } from './network-cards.ts';

/** Not below `guestinfo.`, which the guest may read. */
const keyPrefix = 'plumbline.quarantine.';

export interface QuarantineNote {
  readonly id: string;
  readonly vm: string;
  readonly digest: string;
  readonly before: CardBefore;
  /** Null = its link is down; otherwise its link is as it was, and it was moved. */
  readonly move: CardMove | null;
}

export interface CardMove {
  readonly from: CardBacking;
  readonly to: CardBacking;
}

/** The last one counts, where a server keeps them all. */
export function noteFor(port: CheckedPort, options: XmlElement | undefined): QuarantineNote | null {
  const own = options?.children.findLast((each) => textAt(each, 'key') === `${keyPrefix}${port.interface}`);
  return readNote(textAt(own, 'value') ?? '');
}

/** Part of a VM's change; null takes it away. */
export function noteOption(port: CheckedPort, note: QuarantineNote | null): XmlText {
  return xml('extraConfig', [
    xml('key', `${keyPrefix}${port.interface}`),
    xml('value', note === null ? '' : JSON.stringify(note), { 'xsi:type': 'xsd:string' }),
  ]);
}

export function readNote(text: string): QuarantineNote | null {
  let said: Json;
  try {
    said = JSON.parse(text) as Json;
  } catch {
    return null;
  }
  const note = asObject(said);
  const before = asObject(note?.['before']);
  const [id, vm, digest] = [asText(note?.['id']), asText(note?.['vm']), asText(note?.['digest'])];
  if (id === null || vm === null || digest === null || before === null) return null;
  const move = moveOf(note?.['move']);
  if (move === undefined) return null;
  const was = (name: keyof CardBefore): boolean => before[name] === true;
  const connection = {
    connected: was('connected'),
    startConnected: was('startConnected'),
    allowGuestControl: was('allowGuestControl'),
  };
  return { id, vm, digest, before: connection, move };
}

/** Undefined for what says neither that it was moved nor that it was not. */
function moveOf(said: Json | undefined): CardMove | null | undefined {
  // Notes had none before there were isolation networks.
  if (said === null || said === undefined) return null;
  const [from, to] = [backingOfNote(asObject(said)?.['from']), backingOfNote(asObject(said)?.['to'])];
  return from === null || to === null ? undefined : { from, to };
}
