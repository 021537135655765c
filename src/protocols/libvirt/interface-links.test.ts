// A card's own text comes back as libvirt wrote it but for its link, whatever else stands in the definition.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as holds, constantFrom, property, string } from 'fast-check';
import { counted, seed } from '../../../lab/scale.ts';
import { parseXml } from '../xml/xml-element.ts';
import { readInterfaces } from './interface-links.ts';

const runs = { numRuns: counted(300, 10_000), seed: seed() };
const first = `<interface type='bridge'>
      <mac address='52:54:00:AA:00:01'/>
      <source bridge='br&lt;0'/>
      <link state='down'/>
      <alias name='net0'/>
    </interface>`;
const second = `<interface type='network'><mac address="52:54:00:aa:00:02"/></interface>`;
const domain = `<?xml version="1.0"?><!-- <interface> --><domain type='kvm' xmlns:p='urn:p'>
  <metadata><p:interface><link state='down'/></p:interface></metadata>
  <devices><disk><link state='down'/></disk>${first}\n${second}</devices></domain>`;

test('finds every card with its address, its name and its link', () => {
  const read = readInterfaces(domain);
  assert.ok(read.ok);
  assert.deepEqual(
    read.value.map(({ mac, alias, link }) => [mac, alias, link]),
    [
      ['52:54:00:aa:00:01', 'net0', 'down'],
      ['52:54:00:aa:00:02', '', 'up'],
    ],
  );
});

test('changes the link and nothing else', () => {
  const read = readInterfaces(domain);
  assert.ok(read.ok);
  const [one, two] = read.value;
  const up = "<link state='up'/></interface>";
  assert.equal(one?.withLink('up'), first.replace("<link state='down'/>", '').replace('</interface>', up));
  assert.equal(two?.withLink('down'), second.replace('</interface>', "<link state='down'/></interface>"));
});

test('refuses what is no definition', () => {
  for (const bad of ['', '<domain>', '<!DOCTYPE x><domain/>', '<domain><devices><interface/></devices></domain>'])
    assert.equal(readInterfaces(bad).ok, false, bad);
});

const text = string({ unit: 'grapheme', maxLength: 40 }).map((raw) =>
  raw.replaceAll(/[<>&'"]/gu, (bad) => `&#x${bad === '<' ? '3c' : '26'};`),
);

test('whatever text stands in it, each card comes back well-formed with the link that was asked for', () => {
  holds(
    property(text, array(text, { maxLength: 3 }), constantFrom('up', 'down'), (title, sources, wanted) => {
      const cards = sources.map(
        (source) => `<interface><source bridge='${source}'/><description>${source}</description></interface>`,
      );
      const read = readInterfaces(`<domain><title>${title}</title><devices>${cards.join(title)}</devices></domain>`);
      assert.ok(read.ok, read.ok ? '' : read.error.message);
      assert.equal(read.value.length, cards.length);
      for (const [index, card] of read.value.entries()) {
        const changed = card.withLink(wanted);
        assert.equal(changed, cards[index]?.replace('</interface>', `<link state='${wanted}'/></interface>`));
        assert.ok(parseXml(changed).ok);
      }
    }),
    runs,
  );
});
