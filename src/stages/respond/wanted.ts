// What is wanted of a VM, by rules and by people, and how contradicting wishes become one. Merging is commutative, associative
// and idempotent, so that it does not matter who spoke first: of two words about the same thing a person's newer one wins, and
// among rules what contains more.
import type { NetworkMeasure } from '../../model/network-measure.ts';
import type { PlannedAction } from '../../model/remediation.ts';
import type { Evidence, Rule } from '../../model/rule.ts';
import { actionTraits, phaseOrder } from './action-traits.data.ts';

export interface Wanted {
  readonly action: PlannedAction;
  readonly by: 'rule' | 'person';
  readonly atMs: number;
  readonly consent: Rule['approval'];
  /** Minutes; null = it stays. */
  readonly expiresMinutes: number | null;
  readonly evidence: Evidence;
  /** Only for `revert`: the snapshot to go back to. */
  readonly snapshot?: string;
  /** Only for `lift` and `undo-re-image`: the remediation that is taken back. */
  readonly lifts?: string;
  /** Only for `lift`: what that remediation had put into force. */
  readonly of?: NetworkMeasure['kind'];
  /** Only for `call`: which of the configured calls. */
  readonly call?: string;
}

/** Whoever asks for memory asks for more than a snapshot, which may leave out what a VM's disk has no room for. */
const evidenceOrder: readonly Evidence[] = ['none', 'first', 'memory'];

/** One wish for each thing. Nothing that is covered is dropped yet: what covers it may itself be overruled by the next merge. */
export function mergeWanted(one: readonly Wanted[], other: readonly Wanted[]): readonly Wanted[] {
  const winners = new Map<string, Wanted>();
  for (const wanted of [...one, ...other]) {
    const rival = winners.get(aboutOf(wanted));
    if (rival === undefined || compare(wanted, rival) > 0) winners.set(aboutOf(wanted), wanted);
  }
  return [...winners.values()].toSorted(byOrder);
}

export function covers(stronger: PlannedAction, weaker: PlannedAction): boolean {
  return actionTraits[stronger].covers.includes(weaker);
}

/** Lifting first, then isolate, tell, collect, stop; what destroys comes last. */
export function byOrder(a: Pick<Wanted, 'action' | 'call'>, b: Pick<Wanted, 'action' | 'call'>): number {
  const name = (one: Pick<Wanted, 'action' | 'call'>) => `${one.action} ${one.call ?? ''}`;
  return place(a.action) - place(b.action) || (name(a) < name(b) ? -1 : Number(name(a) > name(b)));
}

function place(action: PlannedAction): number {
  const { phase, destroys } = actionTraits[action];
  return phaseOrder.indexOf(phase) * 2 + Number(destroys);
}

/** Two wishes about the same thing contradict or repeat each other: one of them holds. */
function aboutOf({ action, of, call }: Wanted): string {
  if (call !== undefined) return `call ${call}`;
  return of ?? actionTraits[action].reverses ?? action;
}

/** A total order: equal only when nothing that counts differs. */
function compare(a: Wanted, b: Wanted): number {
  const person = Number(a.by === 'person') - Number(b.by === 'person');
  if (person !== 0) return person;
  const newer = a.atMs - b.atMs;
  if (a.by === 'person' && newer !== 0) return newer;
  return (
    Number(isContaining(a)) - Number(isContaining(b)) ||
    Number(a.consent === 'automatic') - Number(b.consent === 'automatic') ||
    evidenceOrder.indexOf(a.evidence) - evidenceOrder.indexOf(b.evidence) ||
    longer(a.expiresMinutes) - longer(b.expiresMinutes) ||
    newer ||
    (keyOf(a) < keyOf(b) ? -1 : Number(keyOf(a) > keyOf(b)))
  );
}

function isContaining({ action }: Wanted): boolean {
  return actionTraits[action].phase !== 'lift';
}

/** What stays for good stays longest; subtracting two of them must not make NaN. */
function longer(minutes: number | null): number {
  return minutes ?? Number.MAX_SAFE_INTEGER;
}

function keyOf({ action, lifts, of, snapshot, call }: Wanted): string {
  return `${action} ${lifts ?? ''} ${of ?? ''} ${snapshot ?? ''} ${call ?? ''}`;
}
