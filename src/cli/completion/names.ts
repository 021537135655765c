// The names a person may mean, asked of the manager. Somebody waits at a prompt: a slow or absent manager means no names.
import { ok, type Result } from '../../kit/result.ts';
import type { Client } from '../../client/connect.ts';
import type { Shell } from '../shell.ts';
import { visible } from '../print/visible.ts';
import type { Candidate } from './candidates.ts';

const patienceMs = 700;
const alarmsOffered = 50;
const plansOffered = 50;
const scopesAsked = 20;

export async function namesOf(kind: string, shell: Shell, stateDir: string): Promise<readonly Candidate[]> {
  const ask = sources[kind];
  if (ask === undefined) return [];
  const manager = await shell.connect(stateDir, { by: shell.user.name, timeoutMs: patienceMs });
  const names = manager.ok ? await ask(manager.value) : manager;
  if (names.ok) return names.value;
  return vmKinds.includes(kind) ? await vmsOfHost(shell, stateDir) : [];
}

type Source = (manager: Client) => Promise<Result<readonly Candidate[]>>;

const vms: Source = async (manager) =>
  map(await manager.listVms(), (list) =>
    list.map(({ name, state, service }) => ({ value: name, says: service === null ? state : `${state}, ${service}` })),
  );

/** What evidence is about: of everything that has an id, the latest. */
const anyAlarm: Source = async (manager) =>
  map(await manager.listAlarms({ limit: alarmsOffered }), ({ items }) =>
    items.map(({ id, title }) => ({ value: id, says: visible(title) })),
  );
const anyPlan: Source = async (manager) =>
  map(await manager.listPlans({ limit: plansOffered }), ({ items }) =>
    items.map(({ plan }) => ({ value: plan.id, says: visible(plan.why) })),
  );

function together(...of: readonly string[]): Source {
  return async (manager) => {
    const found: Candidate[] = [];
    for (const kind of of) {
      const names = (await sources[kind]?.(manager)) ?? { ok: true, value: [] };
      if (!names.ok) return names;
      found.push(...names.value);
    }
    return { ok: true, value: found };
  };
}

const sources: Readonly<Record<string, Source>> = {
  vm: vms,
  'file|vm': vms,
  scope: async (manager) =>
    map(await manager.listScopes(), (scopes) => scopes.map(({ name, mode }) => ({ value: name, says: mode }))),
  service: async (manager) =>
    map(await manager.listScopes(), (scopes) =>
      scopes.flatMap((scope) =>
        scope.services.map(({ name, description }) => ({ value: `${scope.name}/${name}`, says: visible(description) })),
      ),
    ),
  change: async (manager) =>
    map(await manager.listChanges(), (changes) =>
      changes.map(({ id, cause, scope, service }) => ({ value: id, says: `${cause}, ${scope}/${service}` })),
    ),
  entry: async (manager) =>
    map(await manager.listHeld(), (entries) => entries.map(({ id, why }) => ({ value: id, says: visible(why) }))),
  unused: async (manager) => {
    const scopes = await manager.listScopes();
    if (!scopes.ok) return scopes;
    const offered: Candidate[] = [];
    for (const { name } of scopes.value.slice(0, scopesAsked)) {
      const proposed = await manager.unusedEntries({ scope: name });
      if (!proposed.ok) return proposed;
      for (const { service, unused } of proposed.value.services)
        offered.push(
          ...unused.map(({ entry, why }) => ({ value: entry.id, says: `${name}/${service}: ${visible(why)}` })),
        );
    }
    return ok(offered);
  },
  alarm: async (manager) =>
    map(await manager.listAlarms({ status: 'open', limit: alarmsOffered }), ({ items }) =>
      items.map(({ id, title }) => ({ value: id, says: visible(title) })),
    ),
  plan: async (manager) =>
    map(await manager.listPlans({ state: 'waiting-approval', limit: plansOffered }), ({ items }) =>
      items.map(({ plan }) => ({ value: plan.id, says: visible(plan.why) })),
    ),
  'any alarm': anyAlarm,
  'any plan': anyPlan,
  'alarm|plan': together('any alarm', 'any plan'),
  'alarm|plan|vm': together('any alarm', 'any plan', 'vm'),
  hold: async (manager) =>
    map(await manager.listEvidenceHolds(), (holds) =>
      holds.map(({ subject, by }) => ({ value: subject, says: visible(by) })),
    ),
  platform: async (manager) =>
    map(await manager.listPlatforms(), (platforms) =>
      platforms.map(({ name, kind, state }) => ({ value: name, says: `${kind}, ${state}` })),
    ),
};

const vmKinds = ['vm', 'file|vm'];

async function vmsOfHost(shell: Shell, stateDir: string): Promise<readonly Candidate[]> {
  const names = await shell.programs.vmNames(stateDir);
  return names.ok ? names.value.map((value) => ({ value })) : [];
}

function map<T, U>(result: Result<T>, change: (value: T) => U): Result<U> {
  return result.ok ? { ok: true, value: change(result.value) } : result;
}
