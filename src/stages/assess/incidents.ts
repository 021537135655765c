// Alarms that are one happening: what an unexpected process started, the sockets it owns, what else came out of the same server at
// the time, and where its connections arrived. Whatever order the alarms come in, the incidents are the same.
import { severityOrder } from '../../model/finding.ts';
import type { Alarm } from '../../model/alarm.ts';
import type { Incident, IncidentLink, IncidentStep } from '../../model/incident.ts';
import type { Activity } from '../../model/observation.ts';
import { activityTitle } from './assess.ts';

export interface AlarmWithActivities {
  readonly alarm: Alarm;
  readonly activities: readonly Activity[];
}

/** Deeds this far apart are taken for one happening where nothing but the time joins them. */
const togetherMs = 10 * 60_000;
/** A pid is given again in time. */
const pidMs = 60 * 60_000;
const stepsMax = 500;

interface Deed {
  readonly alarm: Alarm;
  readonly activity: Activity;
  readonly atMs: number;
}

/** How one deed came of another. */
interface Bond {
  readonly from: Deed;
  readonly link: IncidentLink;
}

/** The gravest first. */
export function incidentsOf(given: readonly AlarmWithActivities[]): readonly Incident[] {
  const alarms = given.map(({ alarm }) => alarm);
  const deeds = given
    .flatMap(({ alarm, activities }) =>
      activities.map((activity) => ({ alarm, activity, atMs: Date.parse(activity.at) })),
    )
    .sort((a, b) => a.atMs - b.atMs || (a.alarm.id < b.alarm.id ? -1 : 1));
  const bonds = bondsOf(deeds);
  const groups = new Groups(alarms.map(({ id }) => id));
  for (const [deed, { from }] of bonds) groups.join(deed.alarm.id, from.alarm.id);
  joinGuards(alarms, groups);
  return [...Map.groupBy(alarms, ({ id }) => groups.find(id)).values()]
    .map((together) => incidentOf(together, deeds, bonds))
    .sort((a, b) => b.risk - a.risk || (a.id < b.id ? -1 : 1));
}

/** For each deed the one it came of, if one is known. */
function bondsOf(deeds: readonly Deed[]): ReadonlyMap<Deed, Bond> {
  const bonds = new Map<Deed, Bond>();
  const causes = new Causes();
  for (const deed of deeds) {
    const bond = causes.of(deed);
    if (bond !== null) bonds.set(deed, bond);
    causes.remember(deed);
  }
  return bonds;
}

/** The latest deed of each pid, program and server, and of each connection made: look-ups only, since there may be many deeds. */
class Causes {
  readonly #byPid = new Map<string, Deed>();
  readonly #byProgram = new Map<string, Deed>();
  readonly #byServer = new Map<string, Deed>();
  readonly #calls = new Map<string, Deed>();

  of(deed: Deed): Bond | null {
    const { activity, alarm } = deed;
    const { vm } = activity;
    if (activity.kind === 'inbound') return bond(deed, 'connected', this.#calls.get(arrivalOf(activity)), togetherMs);
    const server = alarm.finding?.deviation.server;
    return (
      (activity.kind === 'process'
        ? (bond(deed, 'started', this.#process(vm, activity.ppid), pidMs) ??
          bond(deed, 'started', this.#lineage(vm, activity.ancestors), pidMs))
        : bond(deed, 'owns-socket', this.#process(vm, activity.pid), pidMs)) ??
      bond(deed, 'same-server', server === undefined ? undefined : this.#byServer.get(keyOf(vm, server)), togetherMs) ??
      bond(deed, 'same-program', this.#lineage(vm, activity.image?.exe == null ? [] : [activity.image.exe]), togetherMs)
    );
  }

  #process(vm: string, pid: number | null): Deed | undefined {
    return pid === null ? undefined : this.#byPid.get(keyOf(vm, pid));
  }

  #lineage(vm: string, ancestors: readonly string[]): Deed | undefined {
    for (const exe of ancestors) {
      const known = this.#byProgram.get(keyOf(vm, exe));
      if (known !== undefined) return known;
    }
    return undefined;
  }

  remember(deed: Deed): void {
    const { activity, alarm } = deed;
    const { vm, image } = activity;
    const exe = image?.exe ?? null;
    // Who is called is no suspect; what he does then is another matter.
    if (activity.kind === 'inbound') {
      if (exe !== null) this.#byServer.set(keyOf(vm, exe), deed);
      return;
    }
    if (activity.kind === 'process' && activity.pid !== null) this.#byPid.set(keyOf(vm, activity.pid), deed);
    if (activity.kind === 'outbound') this.#calls.set(departureOf(activity), deed);
    const server = alarm.finding?.deviation.server;
    if (server !== undefined) this.#byServer.set(keyOf(vm, server), deed);
    // Everything descends from init.
    if (exe !== null && !/\/(?:init|systemd)$/.test(exe)) this.#byProgram.set(keyOf(vm, exe), deed);
  }
}

function keyOf(vm: string, what: string | number): string {
  return `${vm}\n${what}`;
}

function bond({ atMs }: Deed, link: IncidentLink, from: Deed | undefined, withinMs: number): Bond | null {
  return from !== undefined && atMs - from.atMs <= withinMs ? { from, link } : null;
}

type Connection = Extract<Activity, { kind: 'outbound' | 'inbound' }>;

/** The two ends as both sides see them; the caller's port may be unknown on either. */
function departureOf({ proto, localAddr, remoteAddr, remotePort }: Connection): string {
  return [proto, localAddr, remoteAddr, remotePort].join(' ');
}

function arrivalOf({ proto, localAddr, localPort, remoteAddr }: Connection): string {
  return [proto, remoteAddr, localAddr, localPort].join(' ');
}

/** What is wrong with the guest itself belongs to what happened in it at the time. */
function joinGuards(alarms: readonly Alarm[], groups: Groups): void {
  const deviations = Map.groupBy(
    alarms.filter(({ kind }) => kind === 'deviation'),
    ({ vm }) => vm,
  );
  for (const guard of alarms.filter(({ kind }) => kind === 'guard')) {
    const near = (deviations.get(guard.vm) ?? []).find(
      ({ firstAt, lastAt }) =>
        Date.parse(guard.firstAt) >= Date.parse(firstAt) - togetherMs &&
        Date.parse(guard.firstAt) <= Date.parse(lastAt) + togetherMs,
    );
    if (near !== undefined) groups.join(guard.id, near.id);
  }
}

function incidentOf(together: readonly Alarm[], deeds: readonly Deed[], bonds: ReadonlyMap<Deed, Bond>): Incident {
  const alarms = together.toSorted((a, b) =>
    a.firstAt === b.firstAt ? (a.id < b.id ? -1 : 1) : a.firstAt < b.firstAt ? -1 : 1,
  );
  const ids = new Set(alarms.map(({ id }) => id));
  const steps = stepsOf(
    deeds.filter(({ alarm }) => ids.has(alarm.id)),
    bonds,
  );
  for (const alarm of alarms) if (!steps.some((step) => step.alarm === alarm.id)) steps.push(bareStep(alarm));
  const worst = alarms.reduce((a, b) => (b.risk > a.risk ? b : a));
  return {
    id: alarms[0]?.id ?? worst.id,
    title: worst.title,
    severity: alarms.reduce(
      (a, b) => (severityOrder.indexOf(b.severity) > severityOrder.indexOf(a) ? b.severity : a),
      worst.severity,
    ),
    risk: worst.risk,
    firstAt: alarms[0]?.firstAt ?? worst.firstAt,
    lastAt: alarms.reduce((latest, { lastAt }) => (lastAt > latest ? lastAt : latest), worst.lastAt),
    members: [...new Map(alarms.map(({ vm, vmName }) => [vm, { vm, name: vmName }])).values()],
    alarms: alarms.map(({ id }) => id),
    steps: steps.slice(0, stepsMax),
    stepsDropped: Math.max(0, steps.length - stepsMax),
  };
}

/** From the first causes downwards. A cause is older than what came of it, so that there is no circle. */
function stepsOf(deeds: readonly Deed[], bonds: ReadonlyMap<Deed, Bond>): IncidentStep[] {
  const children = Map.groupBy(
    deeds.filter((deed) => bonds.has(deed)),
    (deed) => bonds.get(deed)?.from,
  );
  const waiting = deeds
    .filter((deed) => !bonds.has(deed))
    .map((deed) => ({ deed, depth: 0 }))
    .reverse();
  const steps: IncidentStep[] = [];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { deed, depth } = next;
    const { alarm, activity } = deed;
    const { vm, vmName, id } = alarm;
    const link = bonds.get(deed)?.link ?? 'first';
    steps.push({ depth, link, at: activity.at, vm, vmName, alarm: id, says: activityTitle(activity) });
    for (const child of (children.get(deed) ?? []).toReversed()) waiting.push({ deed: child, depth: depth + 1 });
  }
  return steps;
}

function bareStep({ id, vm, vmName, firstAt, title }: Alarm): IncidentStep {
  return { depth: 0, link: 'at-the-time', at: firstAt, vm, vmName, alarm: id, says: title };
}

/** Which alarms are of one group; the smallest id stands for the group. */
class Groups {
  readonly #above: Map<string, string>;

  constructor(ids: readonly string[]) {
    this.#above = new Map(ids.map((id) => [id, id]));
  }

  find(id: string): string {
    let top = id;
    for (let above = this.#above.get(top) ?? top; above !== top; above = this.#above.get(top) ?? top) top = above;
    this.#above.set(id, top);
    return top;
  }

  join(a: string, b: string): void {
    const [first = a, second = b] = [this.find(a), this.find(b)].sort();
    if (first !== second) this.#above.set(second, first);
  }
}
