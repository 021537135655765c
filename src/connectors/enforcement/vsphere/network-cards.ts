// A vSphere VM's network cards as they are read, and as they are written back cut off, moved or put back.
import { rewritten } from '../../../protocols/vsphere/vim-message.ts';
import { childOf, textAt, type XmlElement } from '../../../protocols/xml/xml-element.ts';
import { xml, type XmlText } from '../../../protocols/xml/xml-text.ts';
import { backingText, type CardBacking } from './card-backing.ts';

export interface NetworkCard {
  /** Key of the device within its VM. */
  readonly id: string;
  readonly mac: string;
  /** What the platform calls the network it is on. */
  readonly network: string;
  readonly isConnected: boolean;
  /** Whether it comes up with the VM, or by the guest's own hand. */
  readonly comesUp: boolean;
  readonly device: XmlElement;
}

/** What a card was before it was cut off. */
export interface CardBefore {
  readonly connected: boolean;
  readonly startConnected: boolean;
  readonly allowGuestControl: boolean;
}

export function readCards(devices: XmlElement | undefined): readonly NetworkCard[] {
  return (devices?.children ?? []).flatMap((device) => {
    const [id, mac] = [textAt(device, 'key'), textAt(device, 'macAddress')];
    if (id === null || mac === null) return [];
    const connectable = childOf(device, 'connectable');
    const backing = childOf(device, 'backing');
    return {
      id,
      mac: mac.toLowerCase(),
      network: (textAt(backing, 'deviceName') ?? textAt(backing, 'port', 'portgroupKey') ?? '').slice(0, 256),
      isConnected: textAt(connectable, 'connected') === 'true',
      comesUp: textAt(connectable, 'startConnected') === 'true' || textAt(connectable, 'allowGuestControl') === 'true',
      device,
    };
  });
}

export function beforeOf({ device }: NetworkCard): CardBefore {
  const connectable = childOf(device, 'connectable');
  const is = (name: string): boolean => textAt(connectable, name) === 'true';
  return {
    connected: is('connected'),
    startConnected: is('startConnected'),
    allowGuestControl: is('allowGuestControl'),
  };
}

export const cutOff: CardBefore = { connected: false, startConnected: false, allowGuestControl: false };

/** The change of one card for ReconfigVM_Task; everything but its connection stays as it was read. */
export function cardChange({ device }: NetworkCard, to: CardBefore): XmlText {
  const connectable = xml('connectable', [
    xml('startConnected', String(to.startConnected)),
    xml('allowGuestControl', String(to.allowGuestControl)),
    xml('connected', String(to.connected)),
  ]);
  const withConnection: XmlElement =
    childOf(device, 'connectable') === null ? { ...device, children: [...device.children, emptyConnection] } : device;
  return xml('deviceChange', [xml('operation', 'edit'), rewritten(withConnection, 'device', { connectable })]);
}

/** The change of one card that puts it on another network; its connection stays as it was read. */
export function cardMove({ device }: NetworkCard, to: CardBacking): XmlText {
  return xml('deviceChange', [xml('operation', 'edit'), rewritten(device, 'device', { backing: backingText(to) })]);
}

const emptyConnection: XmlElement = { name: 'connectable', namespace: '', attributes: [], children: [], text: '' };
