// Quarantine of a vSphere VM's network card: its link is taken down and kept down over restarts, or the card is moved to a network
// made for that. What was in force before stands in the VM's own configuration, written in the same change, so that it can be put
// back by whoever comes later.
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { readProperties, runTask, type TaskPatience } from '../../../protocols/vsphere/properties.ts';
import type { VimClient } from '../../../protocols/vsphere/vim-client.ts';
import type { ManagedObject } from '../../../protocols/vsphere/vim-message.ts';
import { xml, type XmlText } from '../../../protocols/xml/xml-text.ts';
import type { CheckedPort } from '../checked-order.ts';
import type { FoundMeasure, SwitchControl } from '../verified-measure.ts';
import { isSameBacking, readBacking, sayBacking } from './card-backing.ts';
import { findIsolationNetwork } from './isolation-network.ts';
import { beforeOf, cardChange, cardMove, cutOff, type NetworkCard, readCards } from './network-cards.ts';
import { type CardMove, noteFor, noteOption, type QuarantineNote } from './quarantine-note.ts';

/** `isolationNetwork`: the name of the port group that cards are moved to; null = their links are taken down. */
export function vsphereQuarantine(
  client: VimClient,
  vm: ManagedObject,
  isolationNetwork: string | null,
  patience: TaskPatience,
): SwitchControl {
  const reconfigure = async (changes: readonly XmlText[]): Promise<Result<void>> => {
    const done = await runTask(client, 'ReconfigVM_Task', vm, [xml('spec', changes)], patience);
    return done.ok ? ok(undefined) : done;
  };
  const moveOf = async (card: NetworkCard): Promise<Result<CardMove | null>> =>
    isolationNetwork === null ? ok(null) : await planMove(client, vm, card, isolationNetwork);
  return {
    backend: 'vsphere',
    unable: { 'block-flow': noFlows, capture: noCapture, reroute: noReroute },
    async obstacle(port) {
      const read = await readCard(client, vm, port);
      if (!read.ok) return read.error;
      const { card, note } = read.value;
      // What is in force already is held as it was put: no network has to be found for it.
      const move = note === null ? await moveOf(card) : ok(null);
      return move.ok ? null : move.error;
    },
    rerouteObstacle: async () => noReroute,
    async read(port) {
      const read = await readCard(client, vm, port);
      if (!read.ok) return read;
      const { card, note } = read.value;
      return ok(note === null ? [] : [foundMeasure(card, note)]);
    },
    async put({ id, digest, port }) {
      const read = await readCard(client, vm, port);
      if (!read.ok) return read;
      const { card, note } = read.value;
      // Put again after something of it was undone by hand: what was before, and how it was put, is what it was the first time.
      const move = note === null ? await moveOf(card) : ok(note.move);
      if (!move.ok) return move;
      const kept = { id, vm: port.vm, digest, before: note?.before ?? beforeOf(card), move: move.value };
      const change = kept.move === null ? cardChange(card, cutOff) : cardMove(card, kept.move.to);
      return await reconfigure([change, noteOption(port, kept)]);
    },
    async take(port) {
      const read = await readCard(client, vm, port);
      if (!read.ok) return read;
      const { card, note } = read.value;
      if (note === null) return ok(undefined);
      if (note.move === null) return await reconfigure([cardChange(card, note.before), noteOption(port, null)]);
      const moved = await reconfigure([cardMove(card, note.move.from)]);
      if (!moved.ok) return moved;
      // The note goes when the card has been seen where it was: without it nobody would know where that is.
      const after = await readCard(client, vm, port);
      if (!after.ok) return after;
      const now = readBacking(after.value.card.device);
      if (isSameBacking(now, note.move.from)) return await reconfigure([noteOption(port, null)]);
      return fail(problem('failed', `Network card ${card.id} is on ${sayBacking(now)} and not back where it was.`));
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

async function planMove(
  client: VimClient,
  vm: ManagedObject,
  card: NetworkCard,
  isolationNetwork: string,
): Promise<Result<CardMove>> {
  const from = readBacking(card.device);
  if (from === null)
    return fail(
      problem('refused', `Network card ${card.id} is on a network of a kind that it could not be put back on.`),
    );
  const to = await findIsolationNetwork(client, vm, isolationNetwork);
  return to.ok ? ok({ from, to: to.value }) : to;
}

async function readCard(
  client: VimClient,
  vm: ManagedObject,
  port: CheckedPort,
): Promise<Result<{ readonly card: NetworkCard; readonly note: QuarantineNote | null }>> {
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

function foundMeasure(card: NetworkCard, { id, vm, digest, move }: QuarantineNote): FoundMeasure {
  const { missing, words } = move === null ? cutState(card) : moveState(card, move);
  return { id, kind: 'quarantine', vm, digest, missing, endsInMs: null, words };
}

type State = Pick<FoundMeasure, 'missing' | 'words'>;

function cutState(card: NetworkCard): State {
  const missing = card.isConnected
    ? 'its link is up'
    : card.comesUp
      ? 'its link may come up with the VM or by its guest'
      : null;
  const words = `network card ${card.id} is disconnected and stays so; management cannot reach the VM by it either`;
  return { missing, words };
}

function moveState(card: NetworkCard, { to }: CardMove): State {
  const now = readBacking(card.device);
  const missing = isSameBacking(now, to) ? null : `it is on ${sayBacking(now)}`;
  return { missing, words: `network card ${card.id} is on the isolation network (${sayBacking(to)})` };
}
