// Which network a card is on, by what names it to vSphere: read from the card, kept in a note, written into a change of the card.
// Source: vSphere Web Services API, VirtualEthernetCard*BackingInfo.
import type { Json } from '../../../kit/canonical-json.ts';
import { asObject, asText } from '../../../kit/json-object.ts';
import { typeOf } from '../../../protocols/vsphere/vim-message.ts';
import { childOf, textAt, type XmlElement } from '../../../protocols/xml/xml-element.ts';
import { xml, type XmlText } from '../../../protocols/xml/xml-text.ts';

/** A port group of a standard switch goes by its name, one of a distributed switch by its key; opaque = a network of NSX's own. */
export type CardBacking =
  | { readonly kind: 'standard'; readonly name: string }
  | { readonly kind: 'distributed'; readonly switchUuid: string; readonly portgroupKey: string }
  | { readonly kind: 'opaque'; readonly id: string; readonly type: string };

const types = {
  standard: 'VirtualEthernetCardNetworkBackingInfo',
  distributed: 'VirtualEthernetCardDistributedVirtualPortBackingInfo',
  opaque: 'VirtualEthernetCardOpaqueNetworkBackingInfo',
} as const satisfies Record<CardBacking['kind'], string>;

/** Null for what could not be written back: a single port without its group, a card that is passed through. */
export function readBacking(device: XmlElement): CardBacking | null {
  const said = childOf(device, 'backing');
  switch (said === null ? '' : typeOf(said)) {
    case types.standard:
      return standard(textAt(said, 'deviceName'));
    case types.distributed:
      return distributed(textAt(said, 'port', 'switchUuid'), textAt(said, 'port', 'portgroupKey'));
    case types.opaque:
      return opaque(textAt(said, 'opaqueNetworkId'), textAt(said, 'opaqueNetworkType'));
    default:
      return null;
  }
}

/** Of a distributed switch the port is left to vSphere: the one that a card was on may be another's by now. */
export function backingText(backing: CardBacking): XmlText {
  const type = { 'xsi:type': types[backing.kind] };
  switch (backing.kind) {
    case 'standard':
      return xml('backing', [xml('deviceName', backing.name)], type);
    case 'distributed': {
      const port = [xml('switchUuid', backing.switchUuid), xml('portgroupKey', backing.portgroupKey)];
      return xml('backing', [xml('port', port)], type);
    }
    case 'opaque':
      return xml('backing', [xml('opaqueNetworkId', backing.id), xml('opaqueNetworkType', backing.type)], type);
  }
}

export function isSameBacking(one: CardBacking | null, other: CardBacking): boolean {
  return one !== null && sayBacking(one) === sayBacking(other);
}

export function sayBacking(backing: CardBacking | null): string {
  if (backing === null) return 'a network of another kind';
  switch (backing.kind) {
    case 'standard':
      return `network ${JSON.stringify(backing.name)}`;
    case 'distributed':
      return `port group ${JSON.stringify(backing.portgroupKey)} of switch ${JSON.stringify(backing.switchUuid)}`;
    case 'opaque':
      return `network ${JSON.stringify(backing.id)} of ${JSON.stringify(backing.type)}`;
  }
}

/** As `JSON.stringify` wrote it; null for anything else. */
export function backingOfNote(said: Json | undefined): CardBacking | null {
  const kept = asObject(said);
  const text = (name: string): string | null => asText(kept?.[name]);
  switch (text('kind') ?? '') {
    case 'standard':
      return standard(text('name'));
    case 'distributed':
      return distributed(text('switchUuid'), text('portgroupKey'));
    case 'opaque':
      return opaque(text('id'), text('type'));
    default:
      return null;
  }
}

function standard(name: string | null): CardBacking | null {
  return isSaid(name) ? { kind: 'standard', name } : null;
}

function distributed(switchUuid: string | null, portgroupKey: string | null): CardBacking | null {
  return isSaid(switchUuid) && isSaid(portgroupKey) ? { kind: 'distributed', switchUuid, portgroupKey } : null;
}

function opaque(id: string | null, type: string | null): CardBacking | null {
  return isSaid(id) && isSaid(type) ? { kind: 'opaque', id, type } : null;
}

function isSaid(text: string | null): text is string {
  return text !== null && text !== '';
}
