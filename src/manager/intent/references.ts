// Finds what a person meant by a VM's name, id or pid. More than one answer is a question back, never a guess.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Vm } from '../../model/vm.ts';
import type { Db } from '../store/tables.ts';
import { vmsNamed } from '../store/vms.ts';

/** Null = no VM is known under this reference. */
export async function findVm(db: Db, reference: string): Promise<Result<Vm | null>> {
  const vms = await vmsNamed(db, reference);
  const [first, ...more] = vms;
  if (more.length === 0) return ok(first ?? null);
  const ids = vms.map((vm) => `${vm.id} on ${vm.host}`);
  return fail(
    problem(
      'usage',
      `${vms.length} VMs are called ${reference}: ${ids.slice(0, 5).join(', ')}${ids.length > 5 ? ' ...' : ''}.`,
      'Name the one you mean by its id.',
    ),
  );
}

export async function theVm(db: Db, reference: string): Promise<Result<Vm>> {
  const found = await findVm(db, reference);
  if (!found.ok) return found;
  return found.value === null
    ? fail(
        problem(
          'not-found',
          `No VM is called ${reference}.`,
          'See `plumbline vms` for those that are known, with their ids.',
        ),
      )
    : ok(found.value);
}

/** The id a VM has or had: what was issued for a VM outlives the VM's presence in the inventory. */
export async function vmIdOf(db: Db, reference: string): Promise<Result<string>> {
  const found = await findVm(db, reference);
  if (!found.ok) return found;
  if (found.value !== null) return ok(found.value.id);
  const known = await db.selectFrom('deliveries').select('vm').where('vm', '=', reference).executeTakeFirst();
  return known === undefined ? await theVm(db, reference).then((vm) => (vm.ok ? ok(vm.value.id) : vm)) : ok(known.vm);
}
