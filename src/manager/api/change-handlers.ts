// What the endpoints about changes and about entries that wait do.
import { isoTime } from '../../kit/clock.ts';
import { ok, type Result } from '../../kit/result.ts';
import { change } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { closeChange, openChange, viewChanges } from '../intent/changes.ts';
import { decideHeld, heldOfService } from '../intent/held.ts';
import { vmIdOf } from '../intent/references.ts';
import { theScope, theService } from '../intent/scopes.ts';
import { listScopes } from '../store/applications.ts';
import type { Db } from '../store/tables.ts';
import type { HeldEntry } from '../../model/held-entry.ts';
import type { Handlers } from './handlers.ts';

type ChangeHandlers = Pick<Handlers, 'listChanges' | 'openChange' | 'closeChange' | 'listHeld' | 'decideHeld'>;

export function changeHandlers(desk: Desk): ChangeHandlers {
  const { seals, store } = desk;
  const nowIso = (): string => isoTime(desk.clock.now());
  return {
    listChanges: async ({ vm, ...filter }) => {
      const read = await store.read(async (db) => {
        const id = vm === undefined ? ok(undefined) : await vmIdOf(db, vm);
        return id.ok ? ok(await viewChanges(db, withVm(filter, id.value), nowIso())) : id;
      });
      return read.ok ? read.value : read;
    },
    openChange: async ({ scope, service, ...asked }, by) => {
      const id = desk.newId();
      return await change(
        desk,
        { by, verb: 'change.open', subject: id },
        async (turn) => await openChange(seals, turn, { id, scope, service, ...asked }),
      );
    },
    closeChange: async ({ change: id }, by) =>
      await change(desk, { by, verb: 'change.close', subject: id }, async (turn) => await closeChange(seals, turn, id)),
    listHeld: async ({ scope, service, decided = false }) => {
      const read = await store.read(async (db) => await heldIn(db, scope, service, decided));
      return read.ok ? read.value : read;
    },
    decideHeld: async ({ scope, service, entries, verdict }, by) =>
      await change(
        desk,
        { by, verb: `entries.${verdict === 'accepted' ? 'accept' : 'reject'}`, subject: `${scope}/${service}` },
        async (turn) => await decideHeld(seals, turn, { scope, service }, entries, verdict),
      ),
  };
}

function withVm<F extends object>(filter: F, vm: string | undefined): F & { readonly vm?: string } {
  return vm === undefined ? filter : { ...filter, vm };
}

async function heldIn(
  db: Db,
  scopeName: string | undefined,
  serviceName: string | undefined,
  decided: boolean,
): Promise<Result<HeldEntry[]>> {
  if (scopeName !== undefined) {
    const named =
      serviceName === undefined ? await theScope({ db }, scopeName) : await theService({ db }, scopeName, serviceName);
    if (!named.ok) return named;
  }
  const held: HeldEntry[] = [];
  for (const scope of await listScopes(db))
    for (const service of scope.services)
      if ((scopeName ?? scope.name) === scope.name && (serviceName ?? service.name) === service.name)
        held.push(...(await heldOfService(db, { scope: scope.name, service: service.name }, decided)));
  return ok(held);
}
