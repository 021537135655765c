// What QEMU 7.2 says of its cards, read as it is; and whatever it might say, never a crash, never a link called down that was not read.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { array, assert as holds, asyncProperty, integer, jsonValue, property, string } from 'fast-check';
import { counted, seed } from '../../../lab/scale.ts';
import type { Json } from '../../kit/canonical-json.ts';
import { ok } from '../../kit/result.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';
import { parseCards, readCardLinks } from './card-links.ts';

const runs = { numRuns: counted(300, 10_000), seed: seed() };

const network = [
  'virtio-net-pci.0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:01:02:03',
  ' \\ n0: index=0,type=tap,ifname=tap0,script=no,downscript=no',
  'nic1: index=0,type=nic,model=e1000,macaddr=52:54:00:01:02:04',
  ' \\ n1: index=0,type=user,net=10.0.2.0,restrict=off',
  'nic1: index=1,type=nic,model=e1000,macaddr=52:54:00:01:02:04',
  'odd: name: index=0,type=nic,model=rtl8139,macaddr=52:54:00:01:02:05',
  'n9: index=0,type=user,net=10.0.2.0,restrict=off',
].join('\r\n');

const region = (bar: number, address: number): Json => ({ type: 'memory', bar, address, size: 16_384 });
const card = (vendor: number, device: number, qdev: string, regions: Json[]): Json => ({
  class_info: { class: 512 },
  id: { vendor, device },
  qdev_id: qdev,
  regions,
});
const virtioCard = card(0x1af4, 0x1000, '', [region(1, 0xfebf5000), region(4, 0xfe000000)]);
const intelCard = card(0x8086, 0x100e, 'nic1', [region(0, 0xfeb80000)]);
const bridge: Json = { class_info: { class: 1540 }, pci_bridge: { devices: [intelCard] }, regions: [] };
const realtek = card(0x10ec, 0x8139, '', [region(1, 0xfebf6000)]);

interface Said {
  readonly network?: string;
  readonly pci?: Json;
  /** First byte of the status register, by address. */
  readonly status?: Readonly<Record<string, string>>;
}

function monitorOf({ network: text = network, pci = [{ devices: [virtioCard, bridge, realtek] }], status = {} }: Said) {
  const registers: Readonly<Record<string, string>> = {
    'xp /6xb 0xfe002000': '00000000fe002000: 0x52 0x54 0x00 0x01 0x02 0x03\r\n',
    'xp /6xb 0xfeb85400': '00000000feb85400: 0x52 0x54 0x00 0x01 0x02 0x04\r\n',
    'xp /1xb 0xfe002006': '00000000fe002006: 0x01\r\n',
    'xp /1xb 0xfeb80008': '00000000feb80008: 0x83\r\n',
    ...status,
  };
  const monitor: Pick<Monitor, 'execute' | 'hmp'> = {
    execute: async () => ok(pci),
    hmp: async (line) => ok(line === 'info network' ? text : (registers[line] ?? `${line}: Cannot access memory\r\n`)),
  };
  return monitor as Monitor;
}

async function linksOf(said: Said): Promise<string[]> {
  const read = await readCardLinks(monitorOf(said));
  return read.ok ? read.value.map(({ name, link }) => `${name} ${link}`) : [read.error.message];
}

suite('the links of cards', () => {
  test('are read from their registers, behind bridges too; of a make that is not known they are not', async () => {
    assert.deepEqual(await linksOf({}), ['virtio-net-pci.0 up', 'nic1 up', 'odd: name unknown']);
    const status = {
      'xp /1xb 0xfe002006': '00000000fe002006: 0x00',
      'xp /1xb 0xfeb80008': '00000000feb80008: 0x81',
    };
    assert.deepEqual(await linksOf({ status }), ['virtio-net-pci.0 down', 'nic1 down', 'odd: name unknown']);
  });

  test('are unknown where the guest has moved the registers away or shows another address there', async () => {
    const unmapped = card(0x8086, 0x100e, '', [region(0, -1)]);
    assert.deepEqual(await linksOf({ pci: [{ devices: [virtioCard, unmapped] }] }), [
      'virtio-net-pci.0 up',
      'nic1 unknown',
      'odd: name unknown',
    ]);
    const elsewhere = { 'xp /6xb 0xfe002000': '00000000fe002000: 0x00 0x00 0x00 0x00 0x00 0x00' };
    assert.match((await linksOf({ status: elsewhere })).join(), /virtio-net-pci.0 unknown/);
  });

  test('of two cards with one address and no id are down only when both are', async () => {
    const twin = card(0x1af4, 0x1000, '', [region(4, 0xfd000000)]);
    const status = {
      'xp /6xb 0xfd002000': '00000000fd002000: 0x52 0x54 0x00 0x01 0x02 0x03',
      'xp /1xb 0xfd002006': '00000000fd002006: 0x00',
    };
    for (const devices of [
      [virtioCard, twin],
      [twin, virtioCard],
    ])
      assert.match((await linksOf({ pci: [{ devices }], status })).join(), /virtio-net-pci.0 up/);
  });

  test('are refused when the VM has a network device that is not QEMU’s own', async () => {
    const passed = Array.from({ length: 4 }, () => card(0x15b3, 0x1018, '', []));
    assert.match((await linksOf({ pci: [{ devices: passed }] })).join(), /another was passed through/);
    assert.deepEqual(await linksOf({ network: '' }), []);
  });

  test('are never called down by an answer that says nothing', async () => {
    await holds(
      asyncProperty(string(), jsonValue(), string(), async (text, pci, register) => {
        const status = { 'xp /1xb 0xfe002006': register };
        const said = await linksOf({ network: text, pci, status });
        assert.ok(said.every((line) => !line.endsWith(' down')));
      }),
      runs,
    );
  });
});

test('names of cards are taken as they are, in any number of lines', () => {
  holds(
    property(
      array(string({ minLength: 1, maxLength: 30 }), { maxLength: 100 }),
      integer({ min: 0, max: 9 }),
      (names, index) => {
        const lines = names.map((name) => `${name}: index=${index},type=nic,model=e1000,macaddr=52:54:00:00:00:01`);
        assert.ok(parseCards(lines.join('\n')).length <= 64);
      },
    ),
    runs,
  );
});
