// Changes of VMs that somebody declares beforehand: opened for a time, closed by a person or by their time. They travel in the
// manifests, so that a sentinel hears of them signed and in order like of everything else.
import { isoTime } from '../../kit/clock.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { changeWindowsMax, type Change } from '../../model/change.ts';
import type { Service } from '../../model/application.ts';
import { declaredChange, isOpenAt } from '../../stages/detect/change-window.ts';
import type { Turn } from '../audit/change.ts';
import type { Seals } from '../signing/seals.ts';
import { scopeNamed } from '../store/applications.ts';
import { changeById, listChanges, readAdmitted, saveChange, saveClosed, type StoredChange } from '../store/changes.ts';
import type { Db } from '../store/tables.ts';
import { declaredChanges } from './draft-ground.ts';
import { heldOfService } from './held.ts';
import { issueToService } from './issue.ts';
import { theVm } from './references.ts';
import { theScope, theService } from './scopes.ts';

export interface ChangeRequest {
  readonly id: string;
  readonly scope: string;
  readonly service: string;
  readonly vm?: string;
  readonly packages?: readonly string[];
  readonly programs?: readonly string[];
  readonly ports?: readonly number[];
  readonly minutes: number;
}

const changesShown = 200;

export async function openChange(seals: Seals, turn: Turn, request: ChangeRequest): Promise<Result<Change>> {
  const { id, scope: scopeName, service: serviceName, packages = [], programs = [], ports = [], minutes } = request;
  const scope = await theScope(turn, scopeName);
  if (!scope.ok) return scope;
  const service = await theService(turn, scopeName, serviceName);
  if (!service.ok) return service;
  const vm = await memberNamed(turn.db, service.value, `${scopeName}/${serviceName}`, request.vm);
  if (!vm.ok) return vm;
  if (packages.length + programs.length === 0)
    return fail(
      problem('usage', 'A change brings packages or programs.', 'Name them; a change of nothing admits nothing.'),
    );
  const open = await declaredChanges(turn.db, { scope: scopeName, service: serviceName }, turn.at);
  if (open.length >= changeWindowsMax)
    return fail(
      problem(
        'refused',
        `${changeWindowsMax} declared changes of ${scopeName}/${serviceName} are open, which is the limit.`,
        'Close one: `plumbline change list`.',
      ),
    );
  const until = isoTime(Date.parse(turn.at) + minutes * 60_000);
  const window = declaredChange({ id, from: turn.at, until, packages, programs, ports });
  await saveChange(turn.db, { window, scope: scopeName, service: serviceName, vm: vm.value, by: turn.by });
  const issued = await issueToService(
    seals,
    turn,
    scope.value,
    touched(service.value, vm.value),
    `change ${id} declared`,
  );
  if (!issued.ok) return issued;
  turn.detail(
    `${scopeName}/${serviceName}${vm.value === null ? '' : ` ${vm.value}`}: ${[...packages, ...programs].join(' ')}; until ${until}`,
  );
  turn.announce({ kind: 'intent', subject: `${scopeName}/${serviceName}` });
  return await theChange(turn.db, id, turn.at);
}

export async function closeChange(seals: Seals, turn: Turn, id: string): Promise<Result<Change>> {
  const change = await changeById(turn.db, id);
  if (change === null) return fail(noSuchChange(id));
  const { window, scope: scopeName, service: serviceName, vm, closed } = change;
  if (window.cause === 'observed')
    return fail(
      problem(
        'refused',
        `Change ${id} was observed: its window belongs to the sentinel that saw it, and ends at ${window.until}.`,
        'Answer the VM itself if what happens there is not wanted: `plumbline respond`.',
      ),
    );
  if (closed !== null || window.until <= turn.at) return fail(problem('refused', `Change ${id} is over already.`));
  await saveClosed(turn.db, id, turn.by, turn.at);
  const scope = await theScope(turn, scopeName);
  if (!scope.ok) return scope;
  const service = await theService(turn, scopeName, serviceName);
  if (!service.ok) return service;
  const issued = await issueToService(seals, turn, scope.value, touched(service.value, vm), `change ${id} closed`);
  if (!issued.ok) return issued;
  turn.announce({ kind: 'intent', subject: `${scopeName}/${serviceName}` });
  return await theChange(turn.db, id, turn.at);
}

export async function viewChanges(
  db: Db,
  filter: { readonly scope?: string; readonly service?: string; readonly vm?: string; readonly open?: boolean },
  nowIso: string,
): Promise<Change[]> {
  const { open, ...rest } = filter;
  const asked = { ...rest, ...(open === true ? { openAt: nowIso } : {}), limit: changesShown };
  const views: Change[] = [];
  const waiting: Waiting = new Map();
  for (const change of await listChanges(db, asked)) {
    const view = await viewOf(db, change, nowIso, waiting);
    if ((open === undefined || view.open === open) && (rest.vm === undefined || concerns(view, rest.vm)))
      views.push(view);
  }
  return views;
}

function concerns({ members }: Change, vm: string): boolean {
  return members.some((member) => member.vm === vm);
}

async function theChange(db: Db, id: string, nowIso: string): Promise<Result<Change>> {
  const change = await changeById(db, id);
  return change === null ? fail(noSuchChange(id)) : ok(await viewOf(db, change, nowIso, new Map()));
}

function noSuchChange(id: string) {
  return problem('not-found', `There is no change ${id}.`, 'See `plumbline change list`.');
}

/** By service: the entries that wait, read once for all its changes. */
type Waiting = Map<string, ReadonlySet<string>>;

async function viewOf(db: Db, change: StoredChange, nowIso: string, waiting: Waiting): Promise<Change> {
  const { window, scope, service, vm, by, closed, notKept } = change;
  const place = (await scopeNamed(db, scope))?.services.find((each) => each.name === service);
  const members = (place?.members ?? []).filter((member) => vm === null || member.vm === vm);
  const admitted = await readAdmitted(db, [window.id]);
  const key = `${scope}/${service}`;
  const held = waiting.get(key) ?? new Set((await heldOfService(db, { scope, service }, false)).map(({ id }) => id));
  waiting.set(key, held);
  return {
    ...window,
    scope,
    service,
    members,
    by,
    closed,
    open: closed === null && isOpenAt(window, nowIso),
    admitted: {
      behaviours: admitted.length,
      times: admitted.reduce((sum, each) => sum + each.admitted.count, 0),
      waiting: admitted.filter(({ entry }) => held.has(entry)).length,
      notKept,
      risk: admitted.reduce((most, each) => Math.max(most, each.admitted.risk), 0),
    },
  };
}

async function memberNamed(
  db: Db,
  { members }: Service,
  place: string,
  reference: string | undefined,
): Promise<Result<string | null>> {
  if (reference === undefined) return ok(null);
  const vm = await theVm(db, reference);
  if (!vm.ok) return vm;
  return members.some((member) => member.vm === vm.value.id)
    ? ok(vm.value.id)
    : fail(problem('usage', `${reference} is no member of ${place}.`, 'See `plumbline vms`.'));
}

function touched(service: Service, vm: string | null): Service {
  return vm === null ? service : { ...service, members: service.members.filter((member) => member.vm === vm) };
}
