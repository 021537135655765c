// The inventory: every VM a sentinel ever reported, by id.
import type { Vm } from '../../model/vm.ts';
import { fromDoc, asDoc } from './doc.ts';
import type { Db } from './tables.ts';

export async function saveVm(db: Db, sentinel: string, vm: Vm): Promise<void> {
  const row = { name: vm.name, host: vm.host, sentinel, pid: vm.pid, state: vm.state, doc: asDoc(vm) };
  await db
    .insertInto('vms')
    .values({ id: vm.id, ...row })
    .onConflict((on) => on.column('id').doUpdateSet(row))
    .execute();
}

export async function forgetVm(db: Db, id: string): Promise<void> {
  await db.deleteFrom('vms').where('id', '=', id).execute();
  await db.deleteFrom('vmTraits').where('vm', '=', id).execute();
}

export async function listVms(db: Db): Promise<Vm[]> {
  const rows = await db.selectFrom('vms').select('doc').orderBy('name').orderBy('id').execute();
  return rows.map((row) => fromDoc(row.doc));
}

export async function vmsOfSentinel(db: Db, sentinel: string): Promise<Vm[]> {
  const rows = await db.selectFrom('vms').select('doc').where('sentinel', '=', sentinel).execute();
  return rows.map((row) => fromDoc(row.doc));
}

export async function vmById(db: Db, id: string): Promise<Vm | null> {
  const row = await db.selectFrom('vms').select('doc').where('id', '=', id).executeTakeFirst();
  return row === undefined ? null : fromDoc(row.doc);
}

/** Where each VM is and whether it runs, by id. */
export type VmHosts = ReadonlyMap<string, { readonly sentinel: string; readonly state: string }>;

export async function vmHosts(db: Db): Promise<VmHosts> {
  const rows = await db.selectFrom('vms').select(['id', 'sentinel', 'state']).execute();
  return new Map(rows.map(({ id, sentinel, state }) => [id, { sentinel, state }]));
}

/** Null = no such VM is known. */
export async function hostOfVm(
  db: Db,
  id: string,
): Promise<{ readonly sentinel: string; readonly state: string } | null> {
  return (await db.selectFrom('vms').select(['sentinel', 'state']).where('id', '=', id).executeTakeFirst()) ?? null;
}

/** All VMs that a reference by id, pid or name could mean; ids win over pids, pids over names. VMs that are gone count last. */
export async function vmsNamed(db: Db, reference: string): Promise<Vm[]> {
  const byId = await vmById(db, reference);
  if (byId !== null) return [byId];
  const pid = /^[0-9]{1,10}$/.test(reference) ? Number(reference) : null;
  const byPid =
    pid === null
      ? []
      : await db.selectFrom('vms').select('doc').where('pid', '=', pid).where('state', '!=', 'gone').execute();
  const rows =
    byPid.length > 0 ? byPid : await db.selectFrom('vms').select('doc').where('name', '=', reference).execute();
  const vms = rows.map((row) => fromDoc(row.doc));
  const present = vms.filter((vm) => vm.state !== 'gone');
  return present.length > 0 ? present : vms;
}

/** Who reports a VM: the name of a sentinel, or `platformReporter` of a platform where no sentinel sees it. */
export async function reporterOfVm(db: Db, id: string): Promise<string | null> {
  const row = await db.selectFrom('vms').select('sentinel').where('id', '=', id).executeTakeFirst();
  return row?.sentinel ?? null;
}

/** Null = no sentinel ever saw it, or none sees it now and a platform does. */
export async function sentinelOfVm(db: Db, id: string): Promise<string | null> {
  const reporter = await reporterOfVm(db, id);
  return reporter === null || isPlatformReporter(reporter) ? null : reporter;
}

const platformPrefix = 'platform:';

/** What stands in place of a sentinel's name for a VM that only a platform knows. */
export function platformReporter(platform: string): string {
  return `${platformPrefix}${platform}`;
}

export function isPlatformReporter(reporter: string): boolean {
  return reporter.startsWith(platformPrefix);
}

export async function addWatched(
  db: Db,
  vm: string,
  seconds: { readonly observedSeconds: number; readonly lossSeconds: number; readonly missed: number },
): Promise<void> {
  await db
    .insertInto('watched')
    .values({ vm, ...seconds })
    .onConflict((on) =>
      on.column('vm').doUpdateSet((eb) => ({
        observedSeconds: eb('watched.observedSeconds', '+', seconds.observedSeconds),
        lossSeconds: eb('watched.lossSeconds', '+', seconds.lossSeconds),
        missed: eb('watched.missed', '+', seconds.missed),
      })),
    )
    .execute();
}
