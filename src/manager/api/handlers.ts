// What each endpoint does: the one place where the API's table and the manager's verbs meet.
import { isoTime } from '../../kit/clock.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Call } from '../../model/endpoint.ts';
import type { EndpointName, Endpoints } from '../../model/endpoints.ts';
import { problem } from '../../kit/problem.ts';
import { change, type Act, type Turn } from '../audit/change.ts';
import { allowAlarm } from '../broker/allow.ts';
import { closeAlarm, readAlarm } from '../broker/alarms.ts';
import { readIncidents } from '../broker/incidents.ts';
import { releaseVm } from '../broker/release.ts';
import { theRemediation } from '../broker/the-remediation.ts';
import type { Desk } from '../desk.ts';
import { unknownCallDeclared, unknownCallIn } from '../broker/configured-calls.ts';
import { applyDeclaration } from '../intent/apply.ts';
import { proposeServices } from '../intent/grouping.ts';
import { join, leave } from '../intent/membership.ts';
import { setMode } from '../intent/modes.ts';
import { diffGenerations, explainEntryOf, readLearning, readManifest, viewVms } from '../intent/reading.ts';
import { replayScope } from '../intent/replay.ts';
import { theVm, vmIdOf } from '../intent/references.ts';
import * as scopes from '../intent/scopes.ts';
import { withSights } from '../platforms/view-platforms.ts';
import { readStatus, type Identity } from '../status.ts';
import { listAlarms } from '../store/alarms.ts';
import { listScopes } from '../store/applications.ts';
import { listAudit } from '../store/audit.ts';
import { listGenerations } from '../store/issues.ts';
import { listRemediations } from '../store/remediations.ts';
import type { Db } from '../store/tables.ts';
import { changeHandlers } from './change-handlers.ts';
import { evidenceHandlers } from './evidence-handlers.ts';
import { planHandlers } from './plan-handlers.ts';
import { platformHandlers } from './platform-handlers.ts';
import { preview } from './preview.ts';
import { retirementHandlers } from './retirement-handlers.ts';

/** A call by somebody whose name is known; the input has passed its schema. */
type Handler<K extends EndpointName> = (
  input: NonNullable<Parameters<Call<Endpoints[K]>>[0]>,
  by: string,
) => ReturnType<Call<Endpoints[K]>>;

export type Handlers = { readonly [K in EndpointName]: Handler<K> };

const pageDefault = 100;

/** `retained` = what evidence must be kept has changed. */
export function makeHandlers(desk: Desk, identity: Identity, retained: () => void): Handlers {
  return {
    ...readers(desk, identity),
    ...intentWriters(desk),
    ...changeHandlers(desk),
    ...retirementHandlers(desk),
    ...alarmWriters(desk),
    ...planHandlers(desk),
    ...evidenceHandlers(desk, retained),
    ...platformHandlers(desk),
  };
}

/** A read that may itself find that there is no such thing. */
async function look<T>(desk: Desk, work: (db: Db) => Promise<Result<T>>): Promise<Result<T>> {
  const read = await desk.store.read(work);
  return read.ok ? read.value : read;
}

type Readers = Pick<
  Handlers,
  | 'status'
  | 'listVms'
  | 'getVm'
  | 'listScopes'
  | 'getScope'
  | 'learning'
  | 'proposeServices'
  | 'replayScope'
  | 'getManifest'
  | 'listGenerations'
  | 'diffManifest'
  | 'explainEntry'
  | 'listAlarms'
  | 'listIncidents'
  | 'getAlarm'
  | 'listRemediations'
  | 'getRemediation'
  | 'listAudit'
>;

function readers(desk: Desk, identity: Identity): Readers {
  const { store, seals } = desk;
  const ofVm = async <T>(reference: string, work: (db: Db, vm: string) => Promise<Result<T>>): Promise<Result<T>> =>
    await look(desk, async (db) => {
      const vm = await vmIdOf(db, reference);
      return vm.ok ? await work(db, vm.value) : vm;
    });
  return {
    status: async () => await store.read(async (db) => await readStatus(desk, db, identity)),
    listVms: async (filter) =>
      await store.read(async (db) => await withSights(desk, db, await viewVms(db, filter, isoTime(desk.clock.now())))),
    getVm: async ({ vm }) =>
      await look(desk, async (db) => {
        const found = await theVm(db, vm);
        if (!found.ok) return found;
        const views = await viewVms(db, { id: found.value.id }, isoTime(desk.clock.now()));
        const [shown] = await withSights(desk, db, views);
        return shown === undefined ? fail(problem('not-found', `No VM is called ${vm}.`)) : ok(shown);
      }),
    listScopes: async () => await store.read(listScopes),
    getScope: async ({ scope }) => await look(desk, async (db) => await scopes.theScope({ db }, scope)),
    learning: async ({ scope }) =>
      await look(desk, async (db) => await readLearning(db, scope, isoTime(desk.clock.now()))),
    proposeServices: async ({ scope = 'proposed' }) => await store.read(async (db) => await proposeServices(db, scope)),
    replayScope: async ({ scope, learnedUntil = null }) =>
      await look(desk, async (db) => await replayScope(db, scope, learnedUntil, isoTime(desk.clock.now()))),
    getManifest: async ({ vm, generation }) =>
      await ofVm(vm, async (db, id) => await readManifest(db, seals, id, generation)),
    listGenerations: async ({ vm }) => await ofVm(vm, async (db, id) => ok(await listGenerations(db, id))),
    explainEntry: async ({ vm, entry }) => await ofVm(vm, async (db, id) => await explainEntryOf(db, seals, id, entry)),
    diffManifest: async ({ vm, from, to }) =>
      await ofVm(vm, async (db, id) => await diffGenerations(db, seals, id, from, to)),
    listAlarms: async ({ vm, limit = pageDefault, ...filter }) =>
      vm === undefined
        ? await store.read(async (db) => await listAlarms(db, { ...filter, limit }))
        : await ofVm(vm, async (db, id) => ok(await listAlarms(db, { ...filter, limit, vm: id }))),
    listIncidents: async ({ vm, ...filter }) =>
      vm === undefined
        ? await store.read(async (db) => await readIncidents(db, filter))
        : await ofVm(vm, async (db, id) => ok(await readIncidents(db, { ...filter, vm: id }))),
    getAlarm: async ({ alarm }) => await look(desk, async (db) => await readAlarm(db, alarm)),
    listRemediations: async ({ vm, limit = pageDefault, ...filter }) =>
      vm === undefined
        ? await store.read(async (db) => await listRemediations(db, { ...filter, limit }))
        : await ofVm(vm, async (db, id) => ok(await listRemediations(db, { ...filter, limit, vm: id }))),
    getRemediation: async ({ remediation }) => await theRemediation(desk, remediation),
    listAudit: async ({ limit = pageDefault, after, ...filter }) =>
      await store.read(async (db) => {
        const before = after === undefined || !/^\d{1,15}$/.test(after) ? null : Number(after);
        const page = await listAudit(db, { ...filter, limit, before });
        const last = page.items.at(-1);
        return {
          ...page,
          next: last !== undefined && last.seq > 1 && page.items.length === limit ? String(last.seq) : null,
        };
      }),
  };
}

type IntentWriters = Pick<
  Handlers,
  | 'createScope'
  | 'changeScope'
  | 'deleteScope'
  | 'createService'
  | 'changeService'
  | 'deleteService'
  | 'addMember'
  | 'removeMember'
  | 'setRules'
  | 'setMode'
  | 'apply'
>;

function intentWriters(desk: Desk): IntentWriters {
  const { seals } = desk;
  const act = async <T>(by: string, verb: string, subject: string, work: (turn: Turn) => Promise<Result<T>>) =>
    await change(desk, { by, verb, subject }, work);
  return {
    createScope: async ({ name, description }, by) =>
      await act(by, 'scope.create', name, async (turn) => await scopes.createScope(turn, name, description ?? '')),
    changeScope: async ({ scope, description }, by) =>
      await act(by, 'scope.change', scope, async (turn) => await scopes.redescribeScope(turn, scope, description)),
    deleteScope: async ({ scope }, by) =>
      await act(by, 'scope.delete', scope, async (turn) => await scopes.deleteScope(seals, turn, scope)),
    createService: async ({ scope, name, description }, by) =>
      await act(
        by,
        'service.create',
        `${scope}/${name}`,
        async (turn) => await scopes.createService(turn, scope, name, description ?? ''),
      ),
    changeService: async ({ scope, service, description, sight, response }, by) =>
      await act(by, 'service.change', `${scope}/${service}`, async (turn) => {
        const described =
          description === undefined ? null : await scopes.redescribeService(turn, scope, service, description);
        if (described?.ok === false) return described;
        const bounded = response === undefined ? null : await scopes.setResponse(seals, turn, scope, service, response);
        if (bounded?.ok === false) return bounded;
        if (sight !== undefined) turn.detail(`watched by ${sight}`);
        return sight === undefined
          ? await scopes.theService(turn, scope, service)
          : await scopes.setSight(seals, turn, scope, service, sight);
      }),
    deleteService: async ({ scope, service }, by) =>
      await act(
        by,
        'service.delete',
        `${scope}/${service}`,
        async (turn) => await scopes.deleteService(seals, turn, scope, service),
      ),
    addMember: async ({ scope, service, vm }, by) =>
      await act(by, 'member.add', `${scope}/${service}`, async (turn) => {
        const place = await scopes.theService(turn, scope, service);
        if (!place.ok) return place;
        const joined = await join(seals, turn, { scope, service }, vm);
        if (!joined.ok) return joined;
        turn.detail(`${vm} ${joined.value}`);
        turn.announce({ kind: 'intent', subject: `${scope}/${service}` });
        return await scopes.theService(turn, scope, service);
      }),
    removeMember: async ({ scope, service, vm }, by) =>
      await act(by, 'member.remove', `${scope}/${service}`, async (turn) => {
        const place = await scopes.theService(turn, scope, service);
        if (!place.ok) return place;
        const left = await leave(seals, turn, { scope, service }, vm);
        if (!left.ok) return left;
        if (left.value === null) return fail(problem('not-found', `${vm} is no member of ${scope}/${service}.`));
        turn.detail(left.value);
        turn.announce({ kind: 'intent', subject: `${scope}/${service}` });
        return await scopes.theService(turn, scope, service);
      }),
    setRules: async ({ scope, service, rules }, by) =>
      await act(by, 'rules.set', `${scope}/${service}`, async (turn) => {
        turn.detail(`${rules.length} rules`);
        const unknown = unknownCallIn(desk.calls, rules, `${scope}/${service}`);
        if (unknown !== null) return fail(unknown);
        return await scopes.setRules(seals, turn, scope, service, rules);
      }),
    setMode: async ({ scope, mode, force = false }, by) =>
      await act(by, 'mode.set', scope, async (turn) => await setMode(seals, turn, { scope, mode, force })),
    apply: async ({ declaration, prune = false, preview: isPreview = false }, by) => {
      const what: Act = {
        by,
        verb: 'declaration.apply',
        subject: declaration.scopes.map((scope) => scope.name).join(' '),
      };
      const unknown = unknownCallDeclared(desk.calls, declaration);
      const work = async (turn: Turn) =>
        unknown === null ? await applyDeclaration(seals, turn, declaration, prune) : fail(unknown);
      return isPreview ? await preview(desk, what, work) : await change(desk, what, work);
    },
  };
}

function alarmWriters(desk: Desk): Pick<Handlers, 'allowAlarm' | 'closeAlarm' | 'releaseVm'> {
  return {
    allowAlarm: async ({ alarm, member, preview: isPreview = false }, by) => {
      const what: Act = { by, verb: 'alarm.allow', subject: alarm };
      const work = async (turn: Turn) => await allowAlarm(desk.seals, turn, { alarm, member, preview: isPreview });
      return isPreview ? await preview(desk, what, work) : await change(desk, what, work);
    },
    releaseVm: async ({ vm, answer }, by) => await releaseVm(desk, { vm, answer, by }),
    closeAlarm: async ({ alarm }, by) =>
      await change(desk, { by, verb: 'alarm.close', subject: alarm }, async (turn) => await closeAlarm(turn, alarm)),
  };
}
