// Scopes, services, members and rules as the user made them.
import type { Member, Mode, Scope, Sight } from '../../model/application.ts';
import type { ResponsePolicy } from '../../model/response-policy.ts';
import type { Rule } from '../../model/rule.ts';
import { fromDoc, asDoc } from './doc.ts';
import type { Db } from './tables.ts';

export interface MemberRow extends Member {
  readonly scope: string;
  readonly service: string;
  readonly reference: string;
}

export async function listScopes(db: Db): Promise<Scope[]> {
  const scopes = await db.selectFrom('scopes').selectAll().orderBy('name').execute();
  const services = await db.selectFrom('services').selectAll().orderBy('name').execute();
  const members = await db.selectFrom('members').selectAll().orderBy('name').execute();
  return scopes.map((scope) => ({
    name: scope.name,
    description: scope.description,
    mode: scope.mode,
    services: services
      .filter((service) => service.scope === scope.name)
      .map((service) => {
        const own = members.filter((member) => member.scope === scope.name && member.service === service.name);
        return {
          name: service.name,
          description: service.description,
          members: own.flatMap(({ vm, name }) => (vm === null ? [] : [{ vm, name }])),
          awaited: own.flatMap(({ vm, reference }) => (vm === null ? [reference] : [])),
          rules: [...fromDoc(service.rules)],
          sight: service.sight,
          ...(service.response === null ? {} : { response: fromDoc(service.response) }),
        };
      }),
  }));
}

export async function scopeNamed(db: Db, name: string): Promise<Scope | null> {
  return (await listScopes(db)).find((scope) => scope.name === name) ?? null;
}

export async function insertScope(db: Db, name: string, description: string, at: string): Promise<void> {
  await db.insertInto('scopes').values({ name, description, mode: 'capture', modeSince: at }).execute();
}

export async function describeScope(db: Db, name: string, description: string): Promise<void> {
  await db.updateTable('scopes').set({ description }).where('name', '=', name).execute();
}

export async function saveMode(db: Db, name: string, mode: Mode, at: string): Promise<void> {
  await db.updateTable('scopes').set({ mode, modeSince: at }).where('name', '=', name).execute();
}

export async function removeScope(db: Db, name: string): Promise<void> {
  await db.deleteFrom('scopes').where('name', '=', name).execute();
}

export async function insertService(db: Db, scope: string, name: string, description: string): Promise<void> {
  await db
    .insertInto('services')
    .values({ scope, name, description, rules: asDoc([]), sight: 'sweeps', response: null })
    .execute();
}

export async function updateService(
  db: Db,
  scope: string,
  name: string,
  change: {
    readonly description?: string;
    readonly rules?: readonly Rule[];
    readonly sight?: Sight;
    readonly response?: ResponsePolicy;
  },
): Promise<void> {
  await db
    .updateTable('services')
    .set({
      ...(change.description === undefined ? {} : { description: change.description }),
      ...(change.rules === undefined ? {} : { rules: asDoc(change.rules) }),
      ...(change.sight === undefined ? {} : { sight: change.sight }),
      ...(change.response === undefined ? {} : { response: asDoc(change.response) }),
    })
    .where('scope', '=', scope)
    .where('name', '=', name)
    .execute();
}

export async function removeService(db: Db, scope: string, name: string): Promise<void> {
  await db.deleteFrom('services').where('scope', '=', scope).where('name', '=', name).execute();
}

export async function insertMember(
  db: Db,
  row: { scope: string; service: string; reference: string; vm: string | null; name: string },
): Promise<void> {
  await db.insertInto('members').values(row).execute();
}

export async function removeMemberRow(db: Db, scope: string, service: string, reference: string): Promise<void> {
  await db
    .deleteFrom('members')
    .where('scope', '=', scope)
    .where('service', '=', service)
    .where('reference', '=', reference)
    .execute();
}

export async function memberOfVm(db: Db, vm: string): Promise<MemberRow | null> {
  const row = await db.selectFrom('members').selectAll().where('vm', '=', vm).executeTakeFirst();
  return row === undefined ? null : { ...row, vm };
}

export async function listMembers(db: Db): Promise<MemberRow[]> {
  const rows = await db.selectFrom('members').selectAll().execute();
  return rows.flatMap((row) => (row.vm === null ? [] : [{ ...row, vm: row.vm }]));
}

/** Members that wait for a VM of this name or id. */
export async function awaitedUnder(
  db: Db,
  references: readonly string[],
): Promise<{ scope: string; service: string; reference: string }[]> {
  return await db
    .selectFrom('members')
    .select(['scope', 'service', 'reference'])
    .where('vm', 'is', null)
    .where('reference', 'in', references)
    .orderBy('scope')
    .orderBy('service')
    .execute();
}

export async function bindMember(
  db: Db,
  member: { readonly scope: string; readonly service: string; readonly reference: string },
  vm: string,
  name: string,
): Promise<void> {
  await db
    .updateTable('members')
    .set({ reference: vm, vm, name })
    .where('scope', '=', member.scope)
    .where('service', '=', member.service)
    .where('reference', '=', member.reference)
    .execute();
}

export async function renameMember(db: Db, vm: string, name: string): Promise<void> {
  await db.updateTable('members').set({ name }).where('vm', '=', vm).where('name', '!=', name).execute();
}
