// How the manager and its sentinels are, in one answer.
import { isoTime } from '../kit/clock.ts';
import type { ManagerStatus, SentinelHealth } from '../model/manager-status.ts';
import { severityOrder } from '../model/finding.ts';
import type { Desk } from './desk.ts';
import { listMembers } from './store/applications.ts';
import { countOpenChanges } from './store/changes.ts';
import { listDeliveries } from './store/issues.ts';
import type { Db } from './store/tables.ts';
import { listVms } from './store/vms.ts';

export interface Identity {
  readonly version: string;
  readonly startedAt: string;
  /** Null until it listens. */
  address: string | null;
}

export async function readStatus(desk: Desk, db: Db, identity: Identity): Promise<ManagerStatus> {
  const vms = await listVms(db);
  const members = new Set((await listMembers(db)).map((member) => member.vm));
  const inState = (state: string) => vms.filter((vm) => vm.state === state).length;
  const deliveries = await listDeliveries(db);
  const installed = deliveries.filter((delivery) => delivery.state === 'installed').length;
  return {
    ...identity,
    scopes: await countModes(db),
    vms: {
      running: inState('running'),
      paused: inState('paused'),
      unreadable: inState('unreadable'),
      off: inState('off'),
      gone: inState('gone'),
      unassigned: vms.filter((vm) => vm.state !== 'gone' && !members.has(vm.id)).length,
    },
    alarms: await countAlarms(db),
    pendingAnswers: await countPending(db),
    changesOpen: await countOpenChanges(db, isoTime(desk.clock.now())),
    manifests: { installed, waiting: deliveries.length - installed },
    sentinels: await readSentinels(desk, db),
    platforms: desk.platforms.hands().map((hand) => hand.health()),
    losses: { ...desk.losses, ...(await readWatched(db)) },
  };
}

async function countModes(db: Db): Promise<ManagerStatus['scopes']> {
  const rows = await db
    .selectFrom('scopes')
    .select(['mode', (eb) => eb.fn.countAll().as('count')])
    .groupBy('mode')
    .execute();
  const counts = { capture: 0, detect: 0, protect: 0 };
  for (const { mode, count } of rows) counts[mode] = Number(count);
  return counts;
}

async function countAlarms(db: Db): Promise<ManagerStatus['alarms']> {
  const rows = await db
    .selectFrom('alarms')
    .select(['severityRank', (eb) => eb.fn.countAll().as('count')])
    .where('status', '=', 'open')
    .groupBy('severityRank')
    .execute();
  const counts = { open: 0, info: 0, minor: 0, serious: 0, critical: 0 };
  for (const { severityRank, count } of rows) {
    counts.open += Number(count);
    counts[severityOrder[severityRank] ?? 'info'] += Number(count);
  }
  return counts;
}

async function countPending(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('plans')
    .select((eb) => eb.fn.countAll().as('count'))
    .where('state', '=', 'waiting-approval')
    .executeTakeFirstOrThrow();
  return Number(count);
}

async function readSentinels(desk: Desk, db: Db): Promise<SentinelHealth[]> {
  const known = await db.selectFrom('sentinels').selectAll().orderBy('name').execute();
  const hosted = await db
    .selectFrom('vms')
    .select(['sentinel', (eb) => eb.fn.countAll().as('count')])
    .where('state', '!=', 'gone')
    .groupBy('sentinel')
    .execute();
  const attached = desk.sentinels.names();
  const names = [...new Set([...known.map((row) => row.name), ...attached])].sort();
  return names.map((name) => {
    const row = known.find((candidate) => candidate.name === name);
    return {
      name,
      attached: attached.includes(name),
      lastBatchAt: row?.lastBatchAt ?? null,
      batches: row?.batches ?? 0,
      repeated: row?.repeated ?? 0,
      vms: Number(hosted.find((candidate) => candidate.sentinel === name)?.count ?? 0),
    };
  });
}

async function readWatched(db: Db): Promise<{ observationSeconds: number; observationsMissed: number }> {
  const row = await db
    .selectFrom('watched')
    .select((eb) => [eb.fn.sum('lossSeconds').as('lossSeconds'), eb.fn.sum('missed').as('missed')])
    .executeTakeFirst();
  return { observationSeconds: Number(row?.lossSeconds ?? 0), observationsMissed: Number(row?.missed ?? 0) };
}
