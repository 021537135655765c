// What a simulated NSX manager knows: VMs with their tags and cards, groups, security policies, and how much of what is intended has
// been realised yet. It does what is asked literally; whatever it is asked wrongly has been turned down before.
import type { Json } from '../../kit/canonical-json.ts';
import { asList, asObject, asText, type JsonObject } from '../../kit/json-object.ts';
import { captureOf, type SimulatedSession } from './nsx-session.ts';

export const hostId = 'f1e8a3c2-0000-4000-8000-000000000001';

export interface SimulatedTag {
  readonly scope: string;
  readonly tag: string;
}

export interface SimulatedCard {
  readonly deviceKey: string;
  readonly mac: string;
  readonly attachment: string | null;
  readonly addresses: readonly string[];
}

export interface SimulatedVm {
  readonly externalId: string;
  readonly name: string;
  readonly biosUuid: string | null;
  readonly instanceUuid: string | null;
  readonly type: 'REGULAR' | 'EDGE' | 'SERVICE';
  readonly power: string;
  tags: readonly SimulatedTag[];
  /** By which groups count it; behind `tags` until they are realised. */
  effectiveTags: readonly SimulatedTag[];
  tagsDueMs: number;
  readonly cards: SimulatedCard[];
}

export type IntentKind = 'groups' | 'policies' | 'redirections';

/** As paths name them. */
const folders: Readonly<Record<IntentKind, string>> = {
  groups: 'groups',
  policies: 'security-policies',
  redirections: 'redirection-policies',
};

export function intentPath(kind: IntentKind, id: string): string {
  return `/infra/domains/default/${folders[kind]}/${id}`;
}

/** A group or a policy: what is wanted, and what of it is in force. */
export interface Intent {
  readonly path: string;
  wanted: JsonObject;
  revision: number;
  realised: { readonly object: JsonObject; readonly revision: number } | null;
  dueMs: number;
  isGoing: boolean;
  /** Of two policies with one sequence number the older one is asked first. */
  readonly made: number;
}

export class NsxWorld {
  readonly vms = new Map<string, SimulatedVm>();
  readonly groups = new Map<string, Intent>();
  readonly policies = new Map<string, Intent>();
  readonly redirections = new Map<string, Intent>();
  readonly excluded = new Set<string>();
  /** Service chains by path, as an owner of the network has set them up. */
  readonly chains = new Map<string, JsonObject>();
  /** Groups that nothing is redirected of. */
  readonly unredirected = new Set<string>();
  /** Segment by attachment. */
  readonly segments = new Map<string, string>();
  /** Hosts that NSX knows as transport nodes. */
  readonly nodes = new Set([hostId]);
  readonly sessions = new Map<string, SimulatedSession>();
  sessionsMax = 4;
  /** What every capture session has in its file. */
  captured: Buffer = captureOf([60, 1500, 90]);
  version = '4.1.2.3.0.23382408';
  isFirewallOn = true;
  /** From the wish to its being in force; infinite = never. */
  delayMs = 20;
  #made = 0;

  addVm(vm: Partial<SimulatedVm> & Pick<SimulatedVm, 'externalId'>): SimulatedVm {
    const tags = vm.tags ?? [];
    const added: SimulatedVm = {
      name: vm.externalId,
      biosUuid: null,
      instanceUuid: vm.externalId,
      type: 'REGULAR',
      power: 'VM_RUNNING',
      cards: [],
      ...vm,
      tags,
      effectiveTags: tags,
      tagsDueMs: 0,
    };
    this.vms.set(vm.externalId, added);
    for (const { attachment } of added.cards) if (attachment !== null) this.segments.set(attachment, 'web');
    return added;
  }

  setTags(vm: SimulatedVm, tags: readonly SimulatedTag[]): void {
    this.settle();
    vm.tags = tags;
    vm.tagsDueMs = performance.now() + this.delayMs;
  }

  write(kind: IntentKind, id: string, wanted: JsonObject): Intent {
    this.settle();
    const all = this[kind];
    const before = all.get(id);
    const path = intentPath(kind, id);
    const intent: Intent = before ?? { path, wanted, revision: -1, realised: null, dueMs: 0, isGoing: false, made: 0 };
    const made = before === undefined ? { ...intent, made: (this.#made += 1) } : intent;
    made.wanted = wanted;
    made.revision += 1;
    made.dueMs = performance.now() + this.delayMs;
    all.set(id, made);
    return made;
  }

  remove(intent: Intent): void {
    this.settle();
    intent.isGoing = true;
    intent.dueMs = performance.now() + this.delayMs;
  }

  /** Brings into force what is due. */
  settle(): void {
    const now = performance.now();
    for (const vm of this.vms.values()) if (vm.tagsDueMs <= now) vm.effectiveTags = vm.tags;
    for (const all of [this.groups, this.policies, this.redirections]) {
      for (const [id, intent] of all) {
        if (intent.dueMs > now) continue;
        if (intent.isGoing) all.delete(id);
        else intent.realised = { object: intent.wanted, revision: intent.revision };
      }
    }
  }

  /** Whom NSX counts to the group by now. */
  members(groupPath: string): readonly SimulatedVm[] {
    this.settle();
    const group = [...this.groups.values()].find(({ path }) => path === groupPath);
    const conditions = asList(group?.realised?.object['expression'] ?? null, 5).map((each) => asObject(each));
    return [...this.vms.values()].filter((vm) => conditions.some((condition) => matches(vm, condition)));
  }

  groupsOf(vm: SimulatedVm): readonly string[] {
    return [...this.groups.values()].map(({ path }) => path).filter((path) => this.members(path).includes(vm));
  }

  usersOf(groupPath: string): readonly string[] {
    const rules = (intent: Intent): readonly Json[] => asList(intent.wanted['rules'], 1000);
    return [...this.policies.values(), ...this.redirections.values()]
      .filter((policy) => JSON.stringify(rules(policy)).includes(JSON.stringify(groupPath)))
      .map(({ path }) => path);
  }
}

/** NSX compares tags without regard to case. */
function matches(vm: SimulatedVm, condition: JsonObject | null): boolean {
  const [scope, tag] = (asText(condition?.['value']) ?? '').toLowerCase().split('|');
  return vm.effectiveTags.some((own) => own.scope.toLowerCase() === scope && own.tag.toLowerCase() === tag);
}
