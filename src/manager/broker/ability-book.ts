// What the hosts said they can do about each VM, so that a plan can be made without asking while a batch is being stored. Asked
// anew when a sentinel comes or the inventory changes; a VM that was not asked yet counts as not known.
import type { Ability } from '../../model/plan.ts';
import { RecentMap } from '../../kit/recent-map.ts';
import type { Result } from '../../kit/result.ts';
import type { Desk } from '../desk.ts';
import { listVms } from '../store/vms.ts';
import { askAbilities } from './ground.ts';

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

/** Asks the VM's sentinel and remembers the answer; a problem when it is away. */
export async function freshAbilities(desk: Desk, vm: string): Promise<Result<readonly Ability[]>> {
  const able = await askAbilities(desk, vm);
  if (able.ok) desk.abilities.note(vm, able.value);
  return able;
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
    for (const { id, state } of vms.ok ? vms.value : [])
      if (state !== 'gone' && !desk.closing.aborted && desk.abilities.of(id) === null) await freshAbilities(desk, id);
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
