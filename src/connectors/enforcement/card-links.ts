// Whether the links of a VM's network cards are up, read from the registers of the cards that QEMU emulates: QEMU tells nobody what
// `set_link` did, but its cards show it to the guest, and their registers can be read from outside. Nothing the guest does changes what
// is read there, and a card of another kind, or one whose registers the guest has moved away, is `unknown`.
import type { Json } from '../../kit/canonical-json.ts';
import { asList, asObject, asText } from '../../kit/json-object.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';

export interface CardLink {
  /** What QEMU calls it: its id, or its model with a number. */
  readonly name: string;
  readonly model: string;
  /** Lower case with colons. */
  readonly mac: string;
  readonly link: 'up' | 'down' | 'unknown';
}

const cardsMax = 64;
const linesMax = 1024;
const devicesMax = 1024;
const networkClass = 0x02;

/** A problem when one of the VM's cards is none of QEMU's own: its link cannot be taken down. */
export async function readCardLinks(monitor: Monitor): Promise<Result<readonly CardLink[]>> {
  const listed = await monitor.hmp('info network');
  if (!listed.ok) return listed;
  const cards = parseCards(listed.value);
  if (cards.length === 0) return ok([]);
  const devices = await monitor.execute('query-pci');
  if (!devices.ok) return devices;
  const found = networkDevices(devices.value);
  if (found.length > cards.length)
    return fail(
      problem(
        'refused',
        `The VM has ${found.length} network devices, and only ${cards.length} are QEMU's own: another was passed through.`,
        'Take the passed-through card out, or suspend the VM.',
      ),
    );
  const links = new Map<string, CardLink['link']>();
  for (const device of found) {
    const read = await readDevice(monitor, device);
    if (read === null) continue;
    const key = device.name === '' ? read.mac : device.name;
    // Of two cards with one address both must be down.
    links.set(key, links.get(key) === 'up' ? 'up' : read.link);
  }
  return ok(cards.map((card) => ({ ...card, link: links.get(card.name) ?? links.get(card.mac) ?? 'unknown' })));
}

export function sayLinks(cards: readonly CardLink[]): string {
  return cards
    .map(({ name, model, mac, link }) => `${name} (${model}, ${mac}): link ${link}`)
    .join('; ')
    .slice(0, 3000);
}

type Card = Omit<CardLink, 'link'>;

/** From `info network` (net/net.c, hmp_info_network): a card's line begins with its name; one with several queues has several lines. */
export function parseCards(text: string): readonly Card[] {
  const cards = new Map<string, Card>();
  for (const line of text.split(/\r?\n/).slice(0, linesMax)) {
    const parts = /^(\S.*): index=\d+,type=nic,model=([^,]{1,64}),macaddr=((?:[0-9a-f]{2}:){5}[0-9a-f]{2})/i.exec(line);
    const [, name, model, mac] = parts ?? [];
    if (name === undefined || model === undefined || mac === undefined || cards.size >= cardsMax) continue;
    cards.set(name, { name, model, mac: mac.toLowerCase() });
  }
  return [...cards.values()];
}

interface PciDevice {
  /** Its id; empty when it was given none, so that only its address tells which card it is. */
  readonly name: string;
  readonly vendor: number;
  readonly device: number;
  /** Guest-physical address by number of its base register; one that is not mapped is left out. */
  readonly bars: ReadonlyMap<number, number>;
}

/** `query-pci` (qapi/pci.json), bridges and what is behind them included. */
function networkDevices(answer: Json): readonly PciDevice[] {
  const found: PciDevice[] = [];
  const open = asList(answer, devicesMax).flatMap((bus) => asList(asObject(bus)?.['devices'], devicesMax));
  for (let seen = 0; open.length > 0 && seen < devicesMax; seen += 1) {
    const device = asObject(open.pop());
    open.push(...asList(asObject(device?.['pci_bridge'])?.['devices'], devicesMax));
    const kind = asObject(device?.['class_info'])?.['class'];
    if (typeof kind !== 'number' || kind >> 8 !== networkClass) continue;
    const id = asObject(device?.['id']);
    const name = asText(device?.['qdev_id']) ?? '';
    found.push({
      name,
      vendor: numberOf(id?.['vendor']),
      device: numberOf(id?.['device']),
      bars: barsOf(device?.['regions']),
    });
  }
  return found;
}

function barsOf(regions: Json | undefined): ReadonlyMap<number, number> {
  const mapped = asList(regions, 16).flatMap((region) => {
    const { type, bar, address } = asObject(region) ?? {};
    return type === 'memory' && typeof bar === 'number' && typeof address === 'number' && address > 0
      ? [[bar, address] as const]
      : [];
  });
  return new Map(mapped);
}

/** Where each kind of card has its address and its link. */
interface Registers {
  readonly bar: number;
  readonly mac: number;
  readonly status: number;
  readonly up: number;
}

/** hw/virtio/virtio-pci.c (device configuration at 0x2000 of base register 4) and struct virtio_net_config. */
const virtio: Registers = { bar: 4, mac: 0x2000, status: 0x2006, up: 0x01 };
/** hw/net/e1000_regs.h: RAL0, STATUS.LU. */
const intel: Registers = { bar: 0, mac: 0x5400, status: 0x0008, up: 0x02 };
const vendors = { virtio: 0x1af4, intel: 0x8086 } as const;
/** 82540EM, 82544GC, 82545EM (e1000), 82574L (e1000e), 82576 (igb). */
const intelCards: readonly number[] = [0x100e, 0x1004, 0x100f, 0x10d3, 0x10c9];

function registersOf({ vendor, device }: PciDevice): Registers | null {
  if (vendor === vendors.virtio) return virtio;
  return vendor === vendors.intel && intelCards.includes(device) ? intel : null;
}

async function readDevice(
  monitor: Monitor,
  device: PciDevice,
): Promise<{ readonly mac: string; readonly link: 'up' | 'down' } | null> {
  const registers = registersOf(device);
  const base = registers === null ? undefined : device.bars.get(registers.bar);
  if (registers === null || base === undefined) return null;
  const mac = await readBytes(monitor, base + registers.mac, 6);
  const status = await readBytes(monitor, base + registers.status, 1);
  if (mac === null || status?.[0] === undefined) return null;
  const text = mac.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  return { mac: text, link: (status[0] & registers.up) === 0 ? 'down' : 'up' };
}

/** `xp` reads guest-physical memory, registers included; none of those named above changes by being read. */
async function readBytes(monitor: Monitor, address: number, count: number): Promise<readonly number[] | null> {
  const said = await monitor.hmp(`xp /${count}xb 0x${address.toString(16)}`);
  if (!said.ok) return null;
  const bytes = [...said.value.slice(0, 1000).matchAll(/ 0x([0-9a-f]{2})\b/gi)].map(([, hex]) =>
    Number.parseInt(hex ?? '', 16),
  );
  return bytes.length === count ? bytes : null;
}

function numberOf(value: Json | undefined): number {
  return typeof value === 'number' ? value : -1;
}
