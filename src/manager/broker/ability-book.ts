// What the hosts said they can do about each VM, so that a plan can be made without asking while a batch is being stored. Asked
// anew when a sentinel comes or the inventory changes; a VM that was not asked yet counts as not known.
import type { Ability } from '../../model/plan.ts';
import { RecentMap } from '../../kit/recent-map.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Desk } from '../desk.ts';
import { listVms } from '../store/vms.ts';
import { mergeOffers } from './merge-offers.ts';
import { offersFor } from './offers.ts';

export interface AbilityBook {
  /** Null = not known. */
  of(vm: string): readonly Ability[] | null;
  note(vm: string, abilities: readonly Ability[]): void;
  /** A sentinel came: what was said before it may hold no more. */
  forget(): void;
}

const vmsMax = 10_000;

export function makeAbilityBook(): AbilityBook {
  const book = new RecentMap<string, readonly Ability[]>(vmsMax);
  return {
    of: (vm) => book.peek(vm) ?? null,
    note: (vm, abilities) => book.set(vm, abilities),
    forget: () => book.clear(),
  };
}

/** Asks everybody who knows the VM and remembers the answer; a problem when none of them can be asked. */
export async function freshAbilities(desk: Desk, vm: string): Promise<Result<readonly Ability[]>> {
  const offers = await offersFor(desk, vm);
  if (!offers.ok) return offers;
  const able = mergeOffers(offers.value);
  if (able === null) {
    const why = offers.value.map((one) => `${one.by}: ${one.why}`).join('; ');
    return fail(problem('interrupted', why === '' ? `Nobody knows VM ${vm}.` : why, 'Start its sentinel.'));
  }
  desk.abilities.note(vm, able);
  return ok(able);
}

const askAgainMs = 5000;

export interface AbilityKeeper {
  /** A sentinel came. */
  greet(): void;
  close(): void;
}

/** Asks about the VMs that are not known yet, one after the other. */
export function keepAbilities(desk: Desk): AbilityKeeper {
  let isAsking = false;
  let timer: NodeJS.Timeout | null = null;
  const ask = async (): Promise<void> => {
    const vms = await desk.store.read(listVms);
    for (const { id, state, platform } of vms.ok ? vms.value : []) {
      // No rule answers what nobody watches: a platform with thousands of VMs is asked when a person wants something of one.
      const isAnswered = state !== 'gone' && platform === undefined;
      if (isAnswered && !desk.closing.aborted && desk.abilities.of(id) === null) await freshAbilities(desk, id);
    }
  };
  const begin = (): void => {
    if (isAsking || desk.closing.aborted) return;
    isAsking = true;
    void ask().finally(() => (isAsking = false));
  };
  const beginAndAgain = (): void => {
    begin();
    // What came while others were being asked, and what could not be answered at once.
    timer ??= setTimeout(() => {
      timer = null;
      begin();
    }, askAgainMs).unref();
  };
  const stopListening = desk.announcements.listen(({ kind }) => {
    if (kind === 'inventory') beginAndAgain();
  });
  return {
    greet() {
      desk.abilities.forget();
      beginAndAgain();
    },
    close() {
      stopListening();
      if (timer !== null) clearTimeout(timer);
    },
  };
}
