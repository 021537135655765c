// What has come together since the last batch: repetitions counted, bounded per VM, ready to be made into the next one.
import { type Clock, isoTime } from '../../kit/clock.ts';
import type { ChangeWindow } from '../../model/change.ts';
import type { EvidenceReport } from '../../model/evidence.ts';
import type { UseReport } from '../../model/entry-use.ts';
import type { Finding } from '../../model/finding.ts';
import type { Activity, Observed } from '../../model/observation.ts';
import type { Coverage } from '../../model/profile.ts';
import type { Remediation } from '../../model/remediation.ts';
import type { ShownTraits } from '../../model/vm-trait.ts';
import type { Vm } from '../../model/vm.ts';
import type { GuardEvent } from '../../model/guard-event.ts';
import { EntryUses, type EntryUsesLimits } from './entry-uses.ts';
import { fingerprintOf } from './fingerprint.ts';
import type { NewBatch } from './spool.ts';
import { TraitBook } from './trait-book.ts';

/** As the wire's schema bounds them. */
const itemsMax = 10_000;

interface Counted<T> {
  readonly value: T;
  count: number;
  lastAt: string;
}

export class Outbox {
  readonly #sentinel: string;
  readonly #clock: Clock;
  #observed = new Map<string, Map<string, Counted<Activity>>>();
  #findings = new Map<string, Counted<Finding>>();
  #guard: GuardEvent[] = [];
  #changes: { vm: string; window: ChangeWindow }[] = [];
  #admitted = new Map<string, Counted<{ change: string; finding: Finding }>>();
  #remediations = new Map<string, Remediation>();
  #evidence: EvidenceReport[] = [];
  #vms: readonly Vm[] | null = null;
  #coverage = new Map<string, Coverage>();
  #refused = 0;
  readonly #uses: EntryUses;
  #reports: UseReport[] = [];
  readonly #traits: TraitBook;
  #shown: ShownTraits[] = [];

  constructor(sentinel: string, clock: Clock, uses: EntryUsesLimits = {}) {
    this.#sentinel = sentinel;
    this.#clock = clock;
    this.#uses = new EntryUses(clock, uses);
    this.#traits = new TraitBook(clock);
  }

  /** Facts that found no room, since the sentinel started. */
  get refused(): number {
    return this.#refused;
  }

  observe(vm: string, activity: Activity): void {
    let items = this.#observed.get(vm);
    if (items === undefined) this.#observed.set(vm, (items = new Map()));
    if (this.#count(items, fingerprintOf(activity), activity, activity.at)) return;
    this.cover({ vm, observedSeconds: 0, lossSeconds: 0, missed: 1 });
  }

  use(vm: string, entry: string, activity: Activity): void {
    if (!this.#uses.count(vm, entry, activity)) this.#refused += 1;
  }

  show(vm: string, activity: Activity): void {
    if (!this.#traits.show(vm, activity)) this.#refused += 1;
  }

  /** Takes in what was seen of VMs, and the reports of used entries that are due; `all` = those that are not due yet, too. */
  gather(all: boolean): void {
    if (this.#reports.length === 0) this.#reports = this.#uses.take(all);
    if (this.#shown.length === 0) this.#shown = this.#traits.take();
  }

  find(finding: Finding): void {
    const { activity, at } = finding.deviation;
    this.#count(this.#findings, `${finding.group} ${fingerprintOf(activity)}`, finding, at);
  }

  change(vm: string, window: ChangeWindow): void {
    if (this.#changes.length < itemsMax) this.#changes.push({ vm, window });
    else this.#refused += 1;
  }

  admit(change: string, finding: Finding): void {
    const { activity, at } = finding.deviation;
    this.#count(this.#admitted, `${change} ${fingerprintOf(activity)}`, { change, finding }, at);
  }

  guard(event: GuardEvent): void {
    if (this.#guard.length < itemsMax) this.#guard.push(event);
    else this.#refused += 1;
  }

  /** The last state of a remediation is the one that is told. */
  remedy(remediation: Remediation): void {
    if (this.#remediations.has(remediation.id) || this.#remediations.size < itemsMax)
      this.#remediations.set(remediation.id, remediation);
    else this.#refused += 1;
  }

  evidence(report: EvidenceReport): void {
    if (this.#evidence.length < itemsMax) this.#evidence.push(report);
    else this.#refused += 1;
  }

  inventory(vms: readonly Vm[]): void {
    this.#vms = vms.slice(0, itemsMax);
  }

  cover(more: Coverage): void {
    this.#uses.cover(more);
    const so = this.#coverage.get(more.vm) ?? { vm: more.vm, observedSeconds: 0, lossSeconds: 0, missed: 0 };
    this.#coverage.set(more.vm, {
      vm: more.vm,
      observedSeconds: so.observedSeconds + more.observedSeconds,
      lossSeconds: so.lossSeconds + more.lossSeconds,
      missed: so.missed + more.missed,
    });
  }

  /** Something a person waits for: it should not wait for the next round. */
  get urgent(): boolean {
    const isTold = this.#remediations.size > 0 || this.#evidence.length > 0;
    return this.#findings.size > 0 || this.#guard.length > 0 || isTold;
  }

  /** More than seconds watched, which can wait. */
  get worthSending(): boolean {
    const isChanging = this.#changes.length > 0 || this.#admitted.size > 0;
    return this.urgent || isChanging || this.#observed.size > 0 || this.#vms !== null || this.#isTelling;
  }

  get #isTelling(): boolean {
    return this.#reports.length > 0 || this.#shown.length > 0;
  }

  /**
   * The next batch, or null when there is nothing to tell. It stays in the outbox until `taken` says that it was kept, so
   * that a full disk loses nothing; both are called without anything in between.
   */
  next(): NewBatch | null {
    if (!this.worthSending && this.#coverage.size === 0) return null;
    const findings = [...this.#findings.values()];
    const repeated = findings
      .filter(({ count }) => count > 1)
      .map(({ value, count }) => ({ vm: value.deviation.vm, group: value.group, count: count - 1 }));
    return {
      sentinel: this.#sentinel,
      sentAt: isoTime(this.#clock.now()),
      ...(this.#vms === null ? {} : { vms: [...this.#vms] }),
      observed: [...this.#observed]
        .slice(0, itemsMax)
        .map(([vm, items]) => ({ vm, items: [...items.values()].map(asObserved) })),
      coverage: [...this.#coverage.values()].slice(0, itemsMax),
      findings: findings.map(({ value }) => value),
      ...(repeated.length === 0 ? {} : { repeated }),
      guard: this.#guard,
      ...(this.#changes.length === 0 ? {} : { changes: this.#changes }),
      ...(this.#admitted.size === 0 ? {} : { admitted: [...this.#admitted.values()].map(asAdmitted) }),
      remediations: [...this.#remediations.values()],
      ...(this.#evidence.length === 0 ? {} : { evidence: this.#evidence }),
      ...(this.#reports.length === 0 ? {} : { uses: this.#reports }),
      ...(this.#shown.length === 0 ? {} : { traits: this.#shown }),
    };
  }

  taken(): void {
    this.#observed = new Map();
    this.#findings = new Map();
    this.#guard = [];
    this.#changes = [];
    this.#admitted = new Map();
    this.#remediations = new Map();
    this.#evidence = [];
    this.#vms = null;
    this.#coverage = new Map();
    this.#reports = [];
    this.#shown = [];
  }

  #count<T>(into: Map<string, Counted<T>>, key: string, value: T, at: string): boolean {
    const known = into.get(key);
    if (known !== undefined) {
      known.count += 1;
      known.lastAt = at;
      return true;
    }
    if (into.size >= itemsMax) {
      this.#refused += 1;
      return false;
    }
    into.set(key, { value, count: 1, lastAt: at });
    return true;
  }
}

function asAdmitted({ value, count, lastAt }: Counted<{ change: string; finding: Finding }>) {
  return { ...value, count, lastAt };
}

function asObserved({ value, count, lastAt }: Counted<Activity>): Observed {
  return { activity: value, count, firstAt: value.at, lastAt };
}
