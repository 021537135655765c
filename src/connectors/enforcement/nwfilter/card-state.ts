// All that libvirt says about one card of a guest: the card as the guest runs and as it is kept for the next start, the filters of
// ours that are about it, and the filter that libvirt has put into force on its device.
import { type Problem, problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { DomainForm, LibvirtClient, LibvirtDomain } from '../../../protocols/libvirt/libvirt-client.ts';
import type { LibvirtProblem } from '../../../protocols/libvirt/rpc-connection.ts';
import { attributeOf, childOf, parseXml } from '../../../protocols/xml/xml-element.ts';
import type { CheckedPort } from '../checked-order.ts';
import type { FoundMeasure } from '../verified-measure.ts';
import { type DomainCard, readCard } from './domain-card.ts';
import { cardPrefix, namePrefix } from './filter-text.ts';
import { type FilterReading, type FoundInFilter, readFilter } from './read-filter.ts';

export interface CardState {
  /** Null = libvirt does not know the guest any more. */
  readonly domain: LibvirtDomain | null;
  /** `live` is absent when the guest does not run, `kept` when libvirt keeps nothing of it. */
  readonly cards: Readonly<Partial<Record<DomainForm, DomainCard>>>;
  /** Of this card, and those that it refers to. */
  readonly filters: ReadonlyMap<string, FilterReading>;
  /** Filter in force on the running card's device; null = none. */
  readonly applied: string | null;
}

/** virErrorNumber. */
const noSuchFilter = 62;
/** virErrorNumber of a libvirt without a driver for network filters. */
export const noSupport = 3;

export const forms: readonly DomainForm[] = ['live', 'kept'];

export async function readCardState(
  client: LibvirtClient,
  uuid: string,
  port: Pick<CheckedPort, 'vm' | 'mac'>,
): Promise<Result<CardState>> {
  const found = await client.domain(uuid);
  if (!found.ok && found.error.kind !== 'not-found') return found;
  const domain = found.ok ? found.value : null;
  const cards: Result<CardState['cards']> = domain === null ? ok({}) : await readCards(client, domain, port.mac);
  if (!cards.ok) return cards;
  const referred = forms.flatMap((form) => cards.value[form]?.filter ?? []);
  const filters = await readFilters(client, cardPrefix(port), referred);
  if (!filters.ok) return filters;
  const applied = await readApplied(client, cards.value.live?.device ?? null);
  if (!applied.ok) return applied;
  return ok({ domain, cards: cards.value, filters: filters.value, applied: applied.value });
}

async function readCards(
  client: LibvirtClient,
  domain: LibvirtDomain,
  mac: string,
): Promise<Result<CardState['cards']>> {
  const persistent = await client.isPersistent(domain);
  if (!persistent.ok) return persistent;
  const cards: Partial<Record<DomainForm, DomainCard>> = {};
  for (const form of forms) {
    if (form === 'live' ? domain.id < 0 : !persistent.value) continue;
    const described = await client.describe(domain, form);
    if (!described.ok) return described;
    const card = readCard(described.value, mac);
    if (!card.ok) return card;
    if (card.value !== null) cards[form] = card.value;
  }
  return ok(cards);
}

async function readFilters(
  client: LibvirtClient,
  prefix: string,
  referred: readonly string[],
): Promise<Result<ReadonlyMap<string, FilterReading>>> {
  const listed = await client.filters.list();
  if (!listed.ok) return fail(explained(listed.error));
  const filters = new Map<string, FilterReading>();
  for (const filter of listed.value) {
    const isReferred = filter.name.startsWith(namePrefix) && referred.includes(filter.name);
    if (!isReferred && !filter.name.startsWith(prefix)) continue;
    const text = await client.filters.describe(filter);
    // Undefined in between.
    if (!text.ok && text.error.code === noSuchFilter) continue;
    if (!text.ok) return text;
    const reading = readFilter(text.value);
    if (!reading.ok) return reading;
    filters.set(filter.name, { ...reading.value, uuid: filter.uuid });
  }
  return ok(filters);
}

async function readApplied(client: LibvirtClient, device: string | null): Promise<Result<string | null>> {
  const binding = device === null ? ok(null) : await client.filters.bindingOf(device);
  if (!binding.ok || binding.value === null) return binding;
  const parsed = parseXml(binding.value);
  if (!parsed.ok) return parsed;
  const reference = childOf(parsed.value, 'filterref');
  return ok(reference === null ? null : attributeOf(reference, 'filter'));
}

function explained(error: LibvirtProblem): Problem {
  if (error.code !== noSupport) return error;
  const mend = 'Install libvirt-daemon-config-nwfilter, or the driver virtnwfilterd, or nft.';
  return problem('refused', 'This libvirt has no driver for network filters.', mend);
}

/** What stands in any filter about the card, and what keeps it from being in force whole. */
export function measuresOf(state: CardState, port: Pick<CheckedPort, 'interface'>, nowMs: number): FoundMeasure[] {
  const all = [...state.filters.values()].flatMap(({ measures }) => measures);
  const distinct = new Map(all.map((measure) => [keyOf(measure), measure]));
  return [...distinct.values()].map((measure) => {
    const { id, kind, vm, digest, untilMs } = measure;
    const hasEnded = untilMs !== null && untilMs <= nowMs;
    const until = untilMs === null ? '' : `, to be ended at ${timeText(untilMs)}`;
    return {
      id,
      kind,
      vm,
      digest,
      missing: missingOf(state, measure) ?? (hasEnded ? 'its time is over, and it is to be taken away' : null),
      // libvirt has no clock: we end it.
      endsInMs: null,
      words: `libvirt network filter: ${kind} ${id} on ${port.interface}, ${measure.rules.length} rules${until}`,
    };
  });
}

function missingOf({ cards, filters, applied }: CardState, measure: FoundInFilter): string | null {
  if (cards.live === undefined && cards.kept === undefined) return 'the guest does not have the card';
  for (const form of forms) {
    const card = cards[form];
    if (card === undefined) continue;
    const filter = filters.get(card.filter ?? '');
    const found = filter?.measures.find((other) => keyOf(other) === keyOf(measure));
    const which = form === 'live' ? 'the card' : 'the card as it is kept for the next start';
    if (filter === undefined || found === undefined) return `${which} does not refer to it`;
    if (filter.fault !== null) return filter.fault;
    if (!found.isWhole) return 'some of its rules';
    if (form === 'live' && applied !== card.filter) return 'libvirt has not put the filter into force';
  }
  return null;
}

function keyOf({ id, vm, digest }: FoundInFilter): string {
  return `${id} ${vm} ${digest}`;
}

/** Of a number that somebody may have written. */
function timeText(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : 'no time';
}
