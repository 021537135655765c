// How the tables came to be, step by step. A step that was released is never changed; a new one is added. Written in what
// SQLite and PostgreSQL have in common.
import { makeChangeTables } from './change-tables.ts';
import { makeDiscoveries } from './discoveries.ts';
import { makeEvidence } from './evidence.ts';
import { makeUseTables } from './entry-uses.ts';
import { makeHistory } from './history.ts';
import { makePlatformTables } from './platform-vms.ts';
import { makeVmTraits } from './vm-traits.ts';
import type { ColumnDefinitionBuilder, CreateTableBuilder, Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

type Columns = Readonly<Record<string, 'text' | 'text?' | 'integer' | 'integer?' | 'double precision'>>;

const first: Readonly<Record<string, { columns: Columns; key: readonly string[] }>> = {
  vms: {
    columns: { id: 'text', name: 'text', host: 'text', sentinel: 'text', pid: 'integer?', state: 'text', doc: 'text' },
    key: ['id'],
  },
  scopes: { columns: { name: 'text', description: 'text', mode: 'text', modeSince: 'text' }, key: ['name'] },
  services: {
    columns: { scope: 'text', name: 'text', description: 'text', rules: 'text' },
    key: ['scope', 'name'],
  },
  members: {
    columns: { scope: 'text', service: 'text', reference: 'text', vm: 'text?', name: 'text' },
    key: ['scope', 'service', 'reference'],
  },
  profileEntries: {
    columns: { scope: 'text', service: 'text', id: 'text', kind: 'text', firstAt: 'text', doc: 'text' },
    key: ['scope', 'service', 'id'],
  },
  coverage: {
    columns: {
      scope: 'text',
      service: 'text',
      vm: 'text',
      observedSeconds: 'double precision',
      lossSeconds: 'double precision',
      missed: 'integer',
    },
    key: ['scope', 'service', 'vm'],
  },
  watched: {
    columns: { vm: 'text', observedSeconds: 'double precision', lossSeconds: 'double precision', missed: 'integer' },
    key: ['vm'],
  },
  curve: {
    columns: { scope: 'text', service: 'text', minute: 'text', newBehaviours: 'integer', repetitions: 'integer' },
    key: ['scope', 'service', 'minute'],
  },
  approvals: {
    columns: { scope: 'text', service: 'text', vm: 'text', id: 'text', doc: 'text' },
    key: ['scope', 'service', 'vm', 'id'],
  },
  issues: {
    columns: {
      vm: 'text',
      generation: 'integer',
      kind: 'text',
      mode: 'text?',
      scope: 'text?',
      service: 'text?',
      entries: 'integer',
      reason: 'text',
      issuedAt: 'text',
      envelope: 'text',
    },
    key: ['vm', 'generation'],
  },
  deliveries: {
    columns: {
      vm: 'text',
      generation: 'integer',
      kind: 'text',
      mode: 'text?',
      installed: 'integer?',
      why: 'text?',
      attempts: 'integer',
      issuedAt: 'text',
    },
    key: ['vm'],
  },
  alarms: {
    columns: {
      id: 'text',
      kind: 'text',
      vm: 'text',
      scope: 'text?',
      service: 'text?',
      groupKey: 'text',
      status: 'text',
      severityRank: 'integer',
      lastAt: 'text',
      settledBy: 'text?',
      settledAt: 'text?',
      activitiesDropped: 'integer',
      doc: 'text',
    },
    key: ['id'],
  },
  alarmActivities: { columns: { alarm: 'text', key: 'text', seenAt: 'text', doc: 'text' }, key: ['alarm', 'key'] },
  pendingAnswers: {
    columns: { alarm: 'text', action: 'text', since: 'text', answeredBy: 'text?' },
    key: ['alarm', 'action'],
  },
  remediations: {
    columns: {
      id: 'text',
      vm: 'text',
      alarm: 'text?',
      groupKey: 'text?',
      state: 'text',
      startedAt: 'text',
      doc: 'text',
    },
    key: ['id'],
  },
  audit: {
    columns: {
      seq: 'integer',
      at: 'text',
      by: 'text',
      verb: 'text',
      subject: 'text',
      outcome: 'text',
      detail: 'text',
    },
    key: ['seq'],
  },
  sentinels: {
    columns: { name: 'text', lastBatchAt: 'text?', batches: 'integer', repeated: 'integer' },
    key: ['name'],
  },
  batches: { columns: { sentinel: 'text', seq: 'integer', digest: 'text' }, key: ['sentinel', 'seq', 'digest'] },
};

/** A service goes with its scope, a member with its service; what was learned and approved goes with the service. */
const ownedByService = ['members', 'profileEntries', 'coverage', 'curve', 'approvals'];

const indexes: readonly { table: string; name: string; columns: readonly string[]; unique?: true }[] = [
  { table: 'vms', name: 'vmsByName', columns: ['name'] },
  // One VM in one service only: the database itself holds this.
  { table: 'members', name: 'membersByVm', columns: ['vm'], unique: true },
  { table: 'alarms', name: 'alarmsByTime', columns: ['lastAt', 'id'] },
  { table: 'alarms', name: 'alarmsByStatus', columns: ['status', 'lastAt', 'id'] },
  { table: 'alarms', name: 'alarmsBySeverity', columns: ['status', 'severityRank'] },
  { table: 'alarms', name: 'alarmsByVm', columns: ['vm', 'status'] },
  { table: 'alarms', name: 'alarmsByGroup', columns: ['vm', 'groupKey'] },
  { table: 'remediations', name: 'remediationsByTime', columns: ['startedAt', 'id'] },
  { table: 'remediations', name: 'remediationsByAlarm', columns: ['alarm'] },
  { table: 'remediations', name: 'remediationsByGroup', columns: ['vm', 'groupKey'] },
];

async function makeFirst(db: Kysely<unknown>): Promise<void> {
  for (const [table, { columns, key }] of Object.entries(first)) {
    let create: CreateTableBuilder<string, string> = db.schema.createTable(table);
    for (const [column, type] of Object.entries(columns)) {
      const nullable = type.endsWith('?');
      const kind = (nullable ? type.slice(0, -1) : type) as 'text' | 'integer' | 'double precision';
      create = create.addColumn(column, kind, (made: ColumnDefinitionBuilder) => (nullable ? made : made.notNull()));
    }
    create = create.addPrimaryKeyConstraint(`${table}Key`, [...key] as [string, ...string[]]);
    if (table === 'services')
      create = create.addForeignKeyConstraint('servicesScope', ['scope'], 'scopes', ['name'], (on) =>
        on.onDelete('cascade'),
      );
    if (ownedByService.includes(table))
      create = create.addForeignKeyConstraint(
        `${table}Service`,
        ['scope', 'service'],
        'services',
        ['scope', 'name'],
        (on) => on.onDelete('cascade'),
      );
    if (table === 'alarmActivities' || table === 'pendingAnswers')
      create = create.addForeignKeyConstraint(`${table}Alarm`, ['alarm'], 'alarms', ['id'], (on) =>
        on.onDelete('cascade'),
      );
    await create.execute();
  }
  for (const { table, name, columns, unique } of indexes) {
    const make = db.schema
      .createIndex(name)
      .on(table)
      .columns([...columns]);
    await (unique === true ? make.unique() : make).execute();
  }
}

async function addSight(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('services')
    .addColumn('sight', 'text', (made) => made.notNull().defaultTo('sweeps'))
    .execute();
}

/** What a remediation carried out was called its plan; a plan now is several steps. */
async function nameSteps(db: Kysely<{ remediations: { id: string; doc: string } }>): Promise<void> {
  const rows = await db.selectFrom('remediations').select(['id', 'doc']).execute();
  for (const { id, doc } of rows) {
    const { plan, ...rest } = JSON.parse(doc) as { plan?: unknown };
    if (typeof plan !== 'object') continue;
    const renamed = JSON.stringify({ ...rest, step: plan });
    await db.updateTable('remediations').set({ doc: renamed }).where('id', '=', id).execute();
  }
}

/** What waited for a person was an action on an alarm; it is a plan now, and what still waited is proposed anew when it recurs. */
async function addPlans(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('plans')
    .addColumn('id', 'text', (made) => made.notNull().primaryKey())
    .addColumn('vm', 'text', (made) => made.notNull())
    .addColumn('alarm', 'text')
    .addColumn('state', 'text', (made) => made.notNull())
    .addColumn('isOpen', 'integer', (made) => made.notNull())
    .addColumn('madeAt', 'text', (made) => made.notNull())
    .addColumn('doc', 'text', (made) => made.notNull())
    .execute();
  for (const columns of [['isOpen', 'vm'], ['alarm'], ['madeAt', 'id']])
    await db.schema.createIndex(`plansBy${columns[0]}`).on('plans').columns(columns).execute();
  await db.schema.createIndex('remediationsByVm').on('remediations').columns(['vm', 'startedAt']).execute();
  await db.schema.alterTable('services').addColumn('response', 'text').execute();
  await db.schema.dropTable('pendingAnswers').execute();
}

export const migrations: Readonly<Record<string, Migration>> = {
  '0001-first': { up: makeFirst },
  '0002-sight': { up: addSight },
  '0003-steps': { up: nameSteps },
  '0004-changes': { up: makeChangeTables },
  '0005-plans': { up: addPlans },
  '0006-discoveries': { up: makeDiscoveries },
  '0007-history': { up: makeHistory },
  '0008-evidence': { up: makeEvidence },
  '0009-platforms': { up: makePlatformTables },
  '0010-entry-uses': { up: makeUseTables },
  '0011-vm-traits': { up: makeVmTraits },
};
