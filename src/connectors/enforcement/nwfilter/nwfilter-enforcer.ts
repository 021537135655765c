// Carries out measures on the cards of a guest of libvirt's that are on a Linux bridge, through libvirt's network filters: for hosts
// where nft is not there or not ours to use. libvirt is the memory, over restarts of the guest and of the host.
import { type Problem, problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { type DomainForm, type LibvirtClient, openLibvirt } from '../../../protocols/libvirt/libvirt-client.ts';
import type { LibvirtProblem } from '../../../protocols/libvirt/rpc-connection.ts';
import type { CheckedOrder, CheckedPort } from '../checked-order.ts';
import type { NetworkEnforcer } from '../network-enforcer.ts';
import type { PacketCapture } from '../packet-capture.ts';
import type { Patience } from '../verified-action.ts';
import { type SwitchControl, verifiedNetworkEnforcer } from '../verified-measure.ts';
import { type CardState, forms, measuresOf, readCardState } from './card-state.ts';
import { cardObstacle, cardWith, type DomainCard } from './domain-card.ts';
import { cardPrefix, filterName, filterText, namePrefix, type StoredMeasure } from './filter-text.ts';
import { rulesOf } from './measure-rules.ts';
import type { FilterReading } from './read-filter.ts';

export interface NwfilterOptions {
  /** libvirt's read-write unix socket. */
  readonly socket: string;
  /** Of the guest. */
  readonly uuid: string;
  readonly patience: Patience;
  readonly capture: PacketCapture | null;
}

/** Of one guest. */
export function nwfilterEnforcer({ socket, uuid, patience, capture }: NwfilterOptions): NetworkEnforcer {
  const control = nwfilterControl({ socket, uuid, now: () => patience.clock.now() });
  return verifiedNetworkEnforcer(control, capture, patience);
}

interface Guest {
  readonly socket: string;
  readonly uuid: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** What libvirt does for each rule is to run a program of the host. */
const rulesMax = 160;

const noReroute = problem(
  'refused',
  'A network filter of libvirt’s drops frames and leads none elsewhere.',
  'Install nft on the host, or quarantine the VM instead.',
);

function nwfilterControl(guest: Guest): SwitchControl {
  return {
    backend: 'nwfilter',
    unable: { reroute: noReroute },
    rerouteObstacle: async () => noReroute,
    async obstacle(port) {
      const found = await withCard(guest, port, (state) => obstacleOf(state, port));
      return found.ok ? found.value : found.error;
    },
    read: (port) => withCard(guest, port, (state) => measuresOf(state, port, guest.now())),
    async put(order) {
      const done = await withCard(guest, order.port, (state, client) => putMeasure(client, state, order, guest));
      return done.ok ? done.value : done;
    },
    async take(port, id) {
      const done = await withCard(guest, port, (state, client) => takeMeasure(client, state, port, id));
      return done.ok ? done.value : done;
    },
  };
}

async function withCard<T>(
  { socket, uuid }: Guest,
  port: CheckedPort,
  work: (state: CardState, client: LibvirtClient) => T | Promise<T>,
): Promise<Result<T>> {
  const client = await openLibvirt(socket);
  if (!client.ok) return client;
  try {
    const state = await readCardState(client.value, uuid, port);
    return state.ok ? ok(await work(state.value, client.value)) : state;
  } finally {
    client.value.close();
  }
}

function obstacleOf({ domain, cards }: CardState, port: CheckedPort): Problem | null {
  if (domain === null) return problem('not-found', 'libvirt does not know the VM any more.', 'Look where it runs now.');
  const { live } = cards;
  const card = live ?? cards.kept;
  if (card === undefined)
    return problem('refused', `libvirt knows no card ${port.mac} of ${domain.name}.`, 'Look at its domain in libvirt.');
  if (live !== undefined && live.device !== port.interface)
    return problem('refused', `Card ${port.mac} is plugged into ${live.device ?? 'nothing'}, not ${port.interface}.`);
  return cardObstacle(card, port.interface);
}

async function putMeasure(
  client: LibvirtClient,
  state: CardState,
  order: CheckedOrder,
  guest: Guest,
): Promise<Result<void>> {
  const { measure: ordered, port, id, digest } = order;
  if (ordered.kind !== 'quarantine' && ordered.kind !== 'block-flow') return fail(noReroute);
  const rules = rulesOf(order);
  if (rules.length > rulesMax) return fail(tooMany(rules.length));
  const untilMs = ordered.kind === 'block-flow' ? guest.now() + ordered.seconds * 1000 : null;
  const measure: StoredMeasure = { id, kind: ordered.kind, vm: port.vm, digest, untilMs, total: rules.length, rules };
  const targets = targetsOf(state, port);
  const own = [...state.filters.values()].filter(({ name }) => name.startsWith(cardPrefix(port)));
  const others = distinct(own.flatMap(({ measures }) => measures)).filter((other) => other.id !== id);
  const put = await putTargets(client, state, targets, [...others, measure]);
  // Not for now and not for the next start, or the other way round: what was done of it is taken back.
  if (!put.ok && put.error.kind !== 'interrupted') await takeAgain(client, guest, port, id);
  return put;
}

interface Target {
  readonly name: string;
  readonly owner: string | null;
  readonly cards: readonly (readonly [DomainForm, DomainCard])[];
}

/** The filters that are to be, each with the cards that are to refer to it. */
function targetsOf({ cards, filters }: CardState, port: CheckedPort): readonly Target[] {
  const targets = new Map<string, Target>();
  for (const form of forms) {
    const card = cards[form];
    if (card === undefined) continue;
    // What the owner set since is what he wants back.
    const isOurs = card.filter?.startsWith(namePrefix) === true;
    const owner = isOurs ? (filters.get(card.filter ?? '')?.owner ?? null) : card.filter;
    const name = filterName(port, owner);
    targets.set(name, { name, owner, cards: [...(targets.get(name)?.cards ?? []), [form, card]] });
  }
  return [...targets.values()];
}

async function putTargets(
  client: LibvirtClient,
  state: CardState,
  targets: readonly Target[],
  measures: readonly StoredMeasure[],
): Promise<Result<void>> {
  for (const { name, owner, cards } of targets) {
    const uuid = state.filters.get(name)?.uuid ?? null;
    const defined = await client.filters.define(filterText({ name, uuid, owner, measures }));
    if (!defined.ok) return perhapsDone(defined.error);
    for (const [form, card] of cards) {
      const referred = card.filter === name ? ok(undefined) : await refer(client, state, form, name);
      if (!referred.ok) return referred;
    }
  }
  return ok(undefined);
}

async function takeAgain(client: LibvirtClient, guest: Guest, port: CheckedPort, id: string): Promise<void> {
  const state = await readCardState(client, guest.uuid, port);
  if (state.ok) await takeMeasure(client, state.value, port, id);
}

async function takeMeasure(
  client: LibvirtClient,
  state: CardState,
  port: CheckedPort,
  id: string,
): Promise<Result<void>> {
  for (const filter of state.filters.values()) {
    if (!filter.measures.some((measure) => measure.id === id)) continue;
    const rest = filter.measures.filter((measure) => measure.id !== id);
    // A guest that was made as a copy of another refers to the other's.
    const isOwn = filter.name.startsWith(cardPrefix(port));
    const done =
      isOwn && rest.length > 0 ? await define(client, filter, rest) : await dismiss(client, state, filter, isOwn);
    if (!done.ok) return done;
  }
  return ok(undefined);
}

/** First nothing refers to it, then it goes: a guest whose filter is not there does not start. */
async function dismiss(
  client: LibvirtClient,
  state: CardState,
  filter: FilterReading,
  isOwn: boolean,
): Promise<Result<void>> {
  for (const form of forms) {
    if (state.cards[form]?.filter !== filter.name) continue;
    const restored = await refer(client, state, form, filter.owner);
    if (!restored.ok) return restored;
  }
  if (!isOwn || filter.uuid === null) return ok(undefined);
  const removed = await client.filters.undefine({ name: filter.name, uuid: filter.uuid });
  // Somebody else refers to it: then it is to do nothing.
  return removed.ok ? ok(undefined) : define(client, filter, []);
}

async function define(
  client: LibvirtClient,
  { name, uuid, owner }: FilterReading,
  measures: readonly StoredMeasure[],
): Promise<Result<void>> {
  const defined = await client.filters.define(filterText({ name, uuid, owner, measures }));
  return defined.ok ? ok(undefined) : perhapsDone(defined.error);
}

async function refer(
  client: LibvirtClient,
  { domain, cards }: CardState,
  form: DomainForm,
  filter: string | null,
): Promise<Result<void>> {
  const card = cards[form];
  if (domain === null || card === undefined) return ok(undefined);
  const text = cardWith(card, filter);
  if (!text.ok) return text;
  const updated = await client.updateDevice(domain, text.value.markup, form);
  return updated.ok ? ok(undefined) : perhapsDone(updated.error);
}

/** One that did not answer may have done it, or may do it yet. */
function perhapsDone(error: LibvirtProblem): Result<never> {
  const isAnswer = error.code !== null || error.kind !== 'failed';
  return fail(isAnswer ? error : problem('interrupted', error.message, error.mend));
}

function distinct(measures: readonly StoredMeasure[]): readonly StoredMeasure[] {
  return [...new Map(measures.map((measure) => [`${measure.id} ${measure.digest}`, measure])).values()];
}

function tooMany(rules: number): Problem {
  return problem(
    'refused',
    `It would take ${rules} rules, and libvirt runs a program for each: ${rulesMax} are the most.`,
    'Give fewer addresses, or blocks of them.',
  );
}
