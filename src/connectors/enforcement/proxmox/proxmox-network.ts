// What can be done to a Proxmox VE VM's network card. Quarantine takes its link down and keeps it down, noted in the VM's own
// configuration in the same change. A block is rules of the platform's firewall, which lets go on what was connected before:
// that is why it makes no quarantine.
import type { Clock } from '../../../kit/clock.ts';
import { isoTime } from '../../../kit/clock.ts';
import { asList, asObject, asText, type JsonObject } from '../../../kit/json-object.ts';
import { type Problem, problem, sayProblem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { ProxmoxClient } from '../../../protocols/proxmox/proxmox-client.ts';
import type { CheckedBlock, CheckedOrder, CheckedPort } from '../checked-order.ts';
import { checkPort } from '../checked-order.ts';
import type { NetworkEnforcer } from '../network-enforcer.ts';
import type { Patience } from '../verified-action.ts';
import { type FoundMeasure, type SwitchControl, verifiedNetworkEnforcer } from '../verified-measure.ts';
import { blockObstacle } from './firewall-flags.ts';
import { measuresOf, ownRules, type OwnRule, rulesFor, rulesMax, superfluous } from './flow-rules.ts';
import { type NetworkCard, readCards, withLink } from './network-cards.ts';
import { noteFor, notesMax, type QuarantineNote, readNotes, withNote } from './quarantine-note.ts';
import type { VmPlace } from './vm-place.ts';

const backend = 'proxmox';
const triesMax = 3;
const deletionsMax = 64;
const rulesPath = ['firewall', 'rules'];

/** The card as it is now, in the configuration that it was read from. */
interface ReadCard {
  readonly card: NetworkCard;
  readonly note: QuarantineNote | null;
  readonly config: JsonObject;
}

export function proxmoxNetwork(client: ProxmoxClient, vm: VmPlace, patience: Patience): NetworkEnforcer {
  const base = verifiedNetworkEnforcer(control(client, vm, patience.clock), null, patience);
  return {
    ...base,
    async capabilities(port) {
      const able = await base.capabilities(port);
      const checked = checkPort(port);
      const read = checked.ok ? await readCard(vm, checked.value) : checked;
      if (!read.ok) return able;
      const own = {
        quarantine: await quarantineObstacle(vm, read.value),
        'block-flow': await blockObstacle(client, vm, read.value.card),
      };
      return able.map((each) => {
        const why = each.measure === 'quarantine' || each.measure === 'block-flow' ? own[each.measure] : null;
        return !each.available || why === null ? each : { ...each, available: false, why: sayProblem(why) };
      });
    },
  };
}

function control(client: ProxmoxClient, vm: VmPlace, clock: Clock): SwitchControl {
  return {
    backend,
    unable: { capture: noCapture, reroute: noReroute },
    async obstacle(port) {
      const read = await readCard(vm, port);
      return read.ok ? null : read.error;
    },
    rerouteObstacle: async () => noReroute,
    read: (port) => readMeasures(client, vm, port),
    async put(order) {
      if (isQuarantine(order)) return await putQuarantine(vm, order);
      return isBlock(order) ? await putBlock(client, vm, order, clock) : fail(noReroute);
    },
    async take(port, id) {
      const released = await releaseQuarantine(vm, port, id);
      const rules = await deleteRules(vm, port, (own) => own.filter((rule) => rule.id === id));
      return released.ok ? rules : released;
    },
  };
}

const noCapture = problem(
  'refused',
  'Proxmox VE hands out no packets through its API.',
  'Let a sentinel on its node capture them.',
);
const noReroute = problem(
  'refused',
  'Proxmox VE leads no card through an inspection point.',
  'Let a sentinel on its node do that.',
);

function isQuarantine(order: CheckedOrder): boolean {
  return order.measure.kind === 'quarantine';
}

function isBlock(order: CheckedOrder): order is CheckedOrder<CheckedBlock> {
  return order.measure.kind === 'block-flow';
}

async function readCard(vm: VmPlace, port: CheckedPort): Promise<Result<ReadCard>> {
  const config = await vm.config();
  if (!config.ok) return config;
  const card = readCards(config.value).find(({ id }) => id === port.interface);
  if (card === undefined)
    return fail(problem('not-found', `${vm.name} has no network card ${port.interface}.`, 'List the platform again.'));
  if (card.mac !== port.mac)
    return fail(
      problem('refused', `Network card ${port.interface} has the address ${card.mac} and not ${port.mac} any more.`),
    );
  return ok({ card, note: readNotes(notesOf(config.value)).get(card.id) ?? null, config: config.value });
}

function notesOf(config: JsonObject): string {
  return asText(config['description']) ?? '';
}

async function readMeasures(
  client: ProxmoxClient,
  vm: VmPlace,
  port: CheckedPort,
): Promise<Result<readonly FoundMeasure[]>> {
  const read = await readCard(vm, port);
  if (!read.ok) return read;
  const { card, note } = read.value;
  const own = await readRules(vm, port);
  if (!own.ok) return own;
  const gap = own.value.length === 0 ? null : await blockObstacle(client, vm, card);
  const blocks = measuresOf(own.value, gap === null ? null : gap.message);
  return ok(note === null ? blocks : [foundQuarantine(card, note), ...blocks]);
}

function foundQuarantine({ id: card, isLinkDown }: NetworkCard, { id, vm, digest }: QuarantineNote): FoundMeasure {
  const words = `the link of network card ${card} is down and stays so; management cannot reach the VM by it either`;
  return { id, kind: 'quarantine', vm, digest, missing: isLinkDown ? null : 'its link is up', endsInMs: null, words };
}

/** What stands in the way of a change of the card's link that holds at once. */
async function quarantineObstacle(vm: VmPlace, { card, config }: ReadCard): Promise<Problem | null> {
  const lock = asText(config['lock']);
  if (lock !== null)
    return problem(
      'refused',
      `${vm.name} is locked (${lock.slice(0, 40)}), and its configuration cannot be changed meanwhile.`,
      'Try again when that work has ended.',
    );
  if (card.bridge === null)
    return problem(
      'refused',
      `Network card ${card.id} of ${vm.name} is on QEMU's own user network, where a link is not taken down.`,
      'Put it on a bridge, or suspend the VM instead.',
    );
  const pending = await vm.get(['pending']);
  if (!pending.ok) return pending.error;
  const waiting = asList(pending.value, 1000)
    .map(asObject)
    .find((each) => each?.['key'] === card.id && (each['pending'] !== undefined || each['delete'] !== undefined));
  if (waiting === undefined) return null;
  return problem(
    'refused',
    `Network card ${card.id} of ${vm.name} has a change that waits for the VM's restart, and would be lost.`,
    'Revert that change or restart the VM, or suspend it instead.',
  );
}

async function putQuarantine(vm: VmPlace, order: CheckedOrder): Promise<Result<void>> {
  return await changeCard(vm, order.port, (read) => {
    // Put again after something of it was undone by hand: what was before is what was before the first time.
    const wasDown = read.note?.wasDown ?? read.card.isLinkDown;
    return { isDown: true, note: noteFor(order, wasDown) };
  });
}

async function releaseQuarantine(vm: VmPlace, port: CheckedPort, id: string): Promise<Result<void>> {
  const read = await readCard(vm, port);
  if (!read.ok) return read;
  if (read.value.note?.id !== id) return ok(undefined);
  return await changeCard(vm, port, ({ note }) => (note?.id === id ? { isDown: note.wasDown, note: null } : null));
}

/** Link and note in one change, made to what was read: when somebody changes the VM in between, it is read again. */
async function changeCard(
  vm: VmPlace,
  port: CheckedPort,
  wanted: (read: ReadCard) => { readonly isDown: boolean; readonly note: QuarantineNote | null } | null,
): Promise<Result<void>> {
  for (let tries = 1; ; tries += 1) {
    const read = await readCard(vm, port);
    if (!read.ok) return read;
    const to = wanted(read.value);
    if (to === null) return ok(undefined);
    const obstacle = await quarantineObstacle(vm, read.value);
    if (obstacle !== null) return fail(obstacle);
    const { card, config } = read.value;
    const notes = withNote(notesOf(config), card.id, to.note);
    if (notes.length > notesMax)
      return fail(
        problem(
          'refused',
          `The notes of ${vm.name} have no room for what ${card.id} was before.`,
          `Shorten them below ${notesMax - 400} characters.`,
        ),
      );
    const changed = await vm.change('PUT', ['config'], {
      [card.id]: withLink(card, to.isDown),
      ...(notes === '' ? { delete: 'description' } : { description: notes }),
      digest: asText(config['digest']) ?? '',
    });
    if (changed.ok) return ok(undefined);
    if (changed.error.fault !== 'stale' || tries >= triesMax) return changed;
  }
}

async function readRules(vm: VmPlace, port: CheckedPort): Promise<Result<readonly OwnRule[]>> {
  const read = await vm.get(rulesPath);
  if (!read.ok) return read;
  return ok(ownRules(asList(read.value, rulesMax), port.interface));
}

/** New rules come first, at the top; only then what they replace is deleted, so that the flow is never open in between. */
async function putBlock(
  client: ProxmoxClient,
  vm: VmPlace,
  order: CheckedOrder<CheckedBlock>,
  clock: Clock,
): Promise<Result<void>> {
  const { port, id, digest, measure } = order;
  const read = await readCard(vm, port);
  if (!read.ok) return read;
  const obstacle = await blockObstacle(client, vm, read.value.card);
  if (obstacle !== null) return fail(obstacle);
  for (const rule of rulesFor(order, isoTime(clock.now() + measure.seconds * 1000))) {
    const made = await vm.change('POST', rulesPath, rule);
    if (!made.ok) return made;
  }
  return await deleteRules(vm, port, (own) =>
    superfluous(
      own.filter((rule) => rule.id === id),
      digest,
    ),
  );
}

/** One after the other from below: positions move with every change, and the digest says whether they are still what was read. */
async function deleteRules(
  vm: VmPlace,
  port: CheckedPort,
  which: (own: readonly OwnRule[]) => readonly OwnRule[],
): Promise<Result<void>> {
  for (let changes = 0; changes < deletionsMax; changes += 1) {
    const read = await vm.get(rulesPath);
    if (!read.ok) return read;
    const rules = asList(read.value, rulesMax);
    const last = which(ownRules(rules, port.interface)).at(-1);
    if (last === undefined) return ok(undefined);
    const digest = asText(asObject(rules[last.position])?.['digest']) ?? '';
    const deleted = await vm.change('DELETE', [...rulesPath, String(last.position)], { digest });
    if (!deleted.ok && deleted.error.fault !== 'stale') return deleted;
  }
  return fail(problem('failed', `The rules of ${vm.name} keep changing while ours are being deleted.`, 'Try again.'));
}
