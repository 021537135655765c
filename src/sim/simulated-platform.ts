// A remote platform without a server: VMs with cards, power and snapshots, which outlive whoever works them, as a platform does. It
// can be away, refuse, lie, lose an answer or answer late; somebody else can put a link up by hand. It may tell of changes.
import type { Clock } from '../kit/clock.ts';
import { problem, type Problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import type { CheckedOrder, CheckedPort } from '../connectors/enforcement/checked-order.ts';
import type { Enforcer, RunState } from '../connectors/enforcement/enforcer.ts';
import type { FollowedPlatform, Platform, PlatformNews, PlatformVm } from '../connectors/enforcement/platform.ts';
import { type Patience, verifiedEnforcer, type VmControl } from '../connectors/enforcement/verified-action.ts';
import { type SwitchControl, verifiedNetworkEnforcer } from '../connectors/enforcement/verified-measure.ts';

export interface SimulatedCard {
  readonly id: string;
  readonly mac: string;
  isUp: boolean;
  /** Who cut it off. */
  note: { readonly id: string; readonly vm: string; readonly digest: string } | null;
}

export interface SimulatedVm {
  readonly id: string;
  name: string;
  uuid: string | null;
  power: 'running' | 'suspended' | 'off';
  addresses: string[];
  readonly snapshots: Set<string>;
  readonly cards: SimulatedCard[];
  /** Everything that changed it, in order. */
  readonly effects: string[];
}

/** refuses = an error, nothing done; lies = accepted, nothing done; loses = done, and no answer. */
export type PlatformFault = 'refuses' | 'lies' | 'loses';

export class SimulatedPlatform {
  readonly vms = new Map<string, SimulatedVm>();
  /** Nothing answers. */
  isAway = false;
  /** There are more VMs than it lists. */
  isCut = false;
  fault: PlatformFault | null = null;
  /** It has a say over the network only. */
  isNetworkOnly = false;
  /** Awaited before anything is done. */
  gate: Promise<void> = Promise.resolve();
  questions = 0;
  /** It can be followed: what is done through it is told, and what `tell` is called for. Set before it is opened. */
  canBeFollowed = false;
  /** Who is told. */
  readonly followers = new Set<(news: PlatformNews) => void>();
  #broken: Problem | null = null;

  /** Something changed by another hand. */
  tell(): void {
    if (this.#broken === null) for (const told of this.followers) told({ kind: 'changed' });
  }

  /** The stream of changes breaks, or comes back. */
  breakStream(why: Problem | null): void {
    this.#broken = why;
    for (const told of this.followers) told(this.#standing());
  }

  add(id: string, uuid: string | null, name = id, cards = 1): SimulatedVm {
    const vm: SimulatedVm = {
      id,
      name,
      uuid,
      power: 'running',
      addresses: ['10.9.0.11'],
      snapshots: new Set(),
      cards: Array.from({ length: cards }, (_, n) => ({
        id: `net${n}`,
        mac: `52:54:00:00:${String(this.vms.size).padStart(2, '0')}:0${n}`,
        isUp: true,
        note: null,
      })),
      effects: [],
    };
    this.vms.set(id, vm);
    return vm;
  }

  open({ clock, sleep }: { readonly clock: Clock; readonly sleep: (ms: number) => Promise<void> }): Platform {
    const patience: Patience = { clock, sleep };
    return {
      kind: 'vsphere',
      place: 'https://simulated.example',
      listVms: async () => {
        this.questions += 1;
        await this.gate;
        if (this.isAway) return fail(noAnswer);
        return ok({ vms: [...this.vms.values()].map(sightOf), isCut: this.isCut, gaps: [] });
      },
      enforcer: (vm) => (this.isNetworkOnly ? null : this.#enforcer(vm.id, patience)),
      network: (vm) => verifiedNetworkEnforcer(this.#network(vm.id), null, patience),
      ...(this.canBeFollowed ? { follow: (told: (news: PlatformNews) => void) => this.#follow(told) } : {}),
      close: async () => await Promise.resolve(),
    };
  }

  #follow(told: (news: PlatformNews) => void): FollowedPlatform {
    this.followers.add(told);
    queueMicrotask(() => {
      if (this.followers.has(told)) told(this.#standing());
    });
    return { close: async () => await Promise.resolve(void this.followers.delete(told)) };
  }

  #standing(): PlatformNews {
    return this.#broken === null ? { kind: 'following' } : { kind: 'broken', why: this.#broken };
  }

  #enforcer(id: string, patience: Patience): Enforcer {
    return verifiedEnforcer(this.#control(id), patience);
  }

  #control(id: string): VmControl {
    const set = async (word: string, work: (vm: SimulatedVm) => void) => await this.#do(id, word, work);
    return {
      suspend: async () => await set('suspend', (vm) => (vm.power = 'suspended')),
      resume: async () => await set('resume', (vm) => (vm.power = 'running')),
      powerOff: async () => await set('power-off', (vm) => (vm.power = 'off')),
      snapshot: async (name) => await set(`snapshot ${name}`, (vm) => vm.snapshots.add(name)),
      snapshotObstacle: async () => await Promise.resolve(null),
      readState: async () => {
        await this.gate;
        const vm = this.#find(id);
        if (!vm.ok) return vm;
        const { power, snapshots } = vm.value;
        return ok({ run: runs[power], words: `power: ${power}`, snapshots: [...snapshots] });
      },
    };
  }

  #network(id: string): SwitchControl {
    const cardOf = (port: CheckedPort): Result<SimulatedCard> => {
      const vm = this.#find(id);
      if (!vm.ok) return vm;
      const card = vm.value.cards.find((one) => one.id === port.interface);
      if (card === undefined) return fail(problem('not-found', `The VM has no card ${port.interface}.`));
      return card.mac === port.mac ? ok(card) : fail(problem('refused', `Card ${card.id} has another address.`));
    };
    const unable = problem('refused', 'It cannot.');
    const set = async (port: CheckedPort, word: string, work: (card: SimulatedCard) => void) => {
      const card = cardOf(port);
      return card.ok ? await this.#do(id, `${word} ${port.interface}`, () => work(card.value)) : card;
    };
    return {
      backend: 'simulated',
      unable: { 'block-flow': unable, capture: unable, reroute: unable },
      async obstacle(port) {
        const card = cardOf(port);
        return await Promise.resolve(card.ok ? null : card.error);
      },
      rerouteObstacle: async () => await Promise.resolve(unable),
      read: async (port) => {
        await this.gate;
        const card = cardOf(port);
        if (!card.ok) return card;
        const { note, isUp } = card.value;
        const missing = isUp ? 'its link is up' : null;
        const rest = { kind: 'quarantine', missing, endsInMs: null, words: 'its link is down' } as const;
        return ok(note === null ? [] : [{ ...note, ...rest }]);
      },
      put: async (order: CheckedOrder) =>
        await set(order.port, 'cut', (card) => {
          card.isUp = false;
          card.note = { id: order.id, vm: order.port.vm, digest: order.digest };
        }),
      take: async (port) =>
        await set(port, 'join', (card) => {
          card.isUp = true;
          card.note = null;
        }),
    };
  }

  async #do(id: string, word: string, work: (vm: SimulatedVm) => void): Promise<Result<void>> {
    await this.gate;
    const vm = this.#find(id);
    if (!vm.ok) return vm;
    if (this.fault === 'refuses') return fail(problem('refused', 'The account may not do that.'));
    if (this.fault === 'lies') return ok(undefined);
    work(vm.value);
    vm.value.effects.push(word);
    this.tell();
    return this.fault === 'loses' ? fail(noAnswer) : ok(undefined);
  }

  #find(id: string): Result<SimulatedVm> {
    this.questions += 1;
    const vm = this.vms.get(id);
    if (this.isAway) return fail(noAnswer);
    return vm === undefined ? fail(problem('not-found', `There is no VM ${id}.`)) : ok(vm);
  }
}

const noAnswer: Problem = problem('interrupted', 'https://simulated.example did not answer within 100 ms.');

const runs = { running: 'running', suspended: 'paused', off: 'gone' } as const satisfies Record<string, RunState>;

function sightOf({ id, name, uuid, power, addresses, cards }: SimulatedVm): PlatformVm {
  return {
    id,
    name,
    uuid,
    state: power,
    host: 'esx1',
    addresses: [...addresses],
    tags: ['tier:web'],
    attributes: { owner: 'shop' },
    cards: cards.map((card) => ({ id: card.id, mac: card.mac, network: 'VM Network', isConnected: card.isUp })),
  };
}
