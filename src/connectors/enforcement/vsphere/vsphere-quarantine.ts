// Quarantine of a vSphere VM's network card: its link is taken down and kept down over restarts. What was in force before stands
// in the VM's own configuration, written in the same change, so that it can be put back by whoever comes later.
import type { Json } from '../../../kit/canonical-json.ts';
import { asObject, asText } from '../../../kit/json-object.ts';
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { readProperties, runTask, type TaskPatience } from '../../../protocols/vsphere/properties.ts';
import type { VimClient } from '../../../protocols/vsphere/vim-client.ts';
import type { ManagedObject } from '../../../protocols/vsphere/vim-message.ts';
import { textAt, type XmlElement } from '../../../protocols/xml/xml-element.ts';
import { xml, type XmlText } from '../../../protocols/xml/xml-text.ts';
import type { CheckedOrder, CheckedPort } from '../checked-order.ts';
import type { FoundMeasure, SwitchControl } from '../verified-measure.ts';
import { beforeOf, type CardBefore, cardChange, cutOff, type NetworkCard, readCards } from './network-cards.ts';

/** Not below `guestinfo.`, which the guest may read. */
const keyPrefix = 'plumbline.quarantine.';

interface Note {
  readonly id: string;
  readonly vm: string;
  readonly digest: string;
  readonly before: CardBefore;
}

export function vsphereQuarantine(client: VimClient, vm: ManagedObject, patience: TaskPatience): SwitchControl {
  const reconfigure = async (changes: readonly XmlText[]): Promise<Result<void>> => {
    const done = await runTask(client, 'ReconfigVM_Task', vm, [xml('spec', changes)], patience);
    return done.ok ? ok(undefined) : done;
  };
  return {
    backend: 'vsphere',
    unable: { 'block-flow': noFlows, capture: noCapture, reroute: noReroute },
    async obstacle(port) {
      const card = await readCard(client, vm, port);
      return card.ok ? null : card.error;
    },
    rerouteObstacle: async () => noReroute,
    async read(port) {
      const read = await readCard(client, vm, port);
      if (!read.ok) return read;
      const { card, note } = read.value;
      return ok(note === null ? [] : [foundMeasure(card, note)]);
    },
    async put(order) {
      const read = await readCard(client, vm, order.port);
      if (!read.ok) return read;
      const { card, note } = read.value;
      // Put again after something of it was undone by hand: what was before is what was before the first time.
      const kept = noteText(order, note?.before ?? beforeOf(card));
      return await reconfigure([cardChange(card, cutOff), option(order.port, kept)]);
    },
    async take(port) {
      const read = await readCard(client, vm, port);
      if (!read.ok) return read;
      const { card, note } = read.value;
      if (note === null) return ok(undefined);
      return await reconfigure([cardChange(card, note.before), option(port, '')]);
    },
  };
}

const noFlows = problem(
  'refused',
  'vSphere drops no single flow of a VM.',
  'Use NSX, or quarantine the network card instead.',
);
const noCapture = problem('refused', 'vSphere hands out no packets through its API.', 'Capture on its host or in NSX.');
const noReroute = problem('refused', 'vSphere leads no port through an inspection point.', 'Use NSX for that.');

async function readCard(
  client: VimClient,
  vm: ManagedObject,
  port: CheckedPort,
): Promise<Result<{ readonly card: NetworkCard; readonly note: Note | null }>> {
  const read = await readProperties(client, vm, ['config.hardware.device', 'config.extraConfig']);
  if (!read.ok) return read;
  const card = readCards(read.value.values.get('config.hardware.device')).find(({ id }) => id === port.interface);
  if (card === undefined)
    return fail(problem('not-found', `The VM has no network card ${port.interface}.`, 'List the platform again.'));
  if (card.mac !== port.mac)
    return fail(
      problem('refused', `Network card ${port.interface} has the address ${card.mac} and not ${port.mac} any more.`),
    );
  return ok({ card, note: noteFor(port, read.value.values.get('config.extraConfig')) });
}

/** The last one counts, where a server keeps them all. */
function noteFor(port: CheckedPort, options: XmlElement | undefined): Note | null {
  const own = options?.children.findLast((each) => textAt(each, 'key') === `${keyPrefix}${port.interface}`);
  const text = textAt(own, 'value') ?? '';
  return text === '' ? null : readNote(text);
}

function readNote(text: string): Note | null {
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
  return {
    id,
    vm,
    digest,
    before: {
      connected: before['connected'] === true,
      startConnected: before['startConnected'] === true,
      allowGuestControl: before['allowGuestControl'] === true,
    },
  };
}

function noteText({ id, port, digest }: CheckedOrder, before: CardBefore): string {
  return JSON.stringify({ id, vm: port.vm, digest, before });
}

function option(port: CheckedPort, value: string): XmlText {
  return xml('extraConfig', [
    xml('key', `${keyPrefix}${port.interface}`),
    xml('value', value, { 'xsi:type': 'xsd:string' }),
  ]);
}

function foundMeasure(card: NetworkCard, { id, vm, digest }: Note): FoundMeasure {
  const missing = card.isConnected
    ? 'its link is up'
    : card.comesUp
      ? 'its link may come up with the VM or by its guest'
      : null;
  const words = `network card ${card.id} is disconnected and stays so; management cannot reach the VM by it either`;
  return { id, kind: 'quarantine', vm, digest, missing, endsInMs: null, words };
}
