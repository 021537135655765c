// The step of the migrations that made the tables of changes, of what they admitted, and of what people decided about it.
import type { CreateTableBuilder, Kysely } from 'kysely';

interface Table {
  readonly name: string;
  readonly texts: readonly string[];
  readonly key: readonly string[];
  /** What it goes with: columns of another table that these columns name. */
  readonly of: { readonly columns: readonly string[]; readonly table: string; readonly key: readonly string[] };
  readonly more?: (create: Create) => Create;
}

type Create = CreateTableBuilder<string, string>;

const ofService = { columns: ['scope', 'service'], table: 'services', key: ['scope', 'name'] } as const;

const tables: readonly Table[] = [
  {
    name: 'changes',
    texts: ['id', 'scope', 'service', 'vm', 'cause', 'by', 'fromAt', 'until', 'doc'],
    key: ['id'],
    of: ofService,
    more: (create) =>
      create
        .addColumn('closedBy', 'text')
        .addColumn('closedAt', 'text')
        .addColumn('notKept', 'integer', (made) => made.notNull()),
  },
  {
    name: 'admitted',
    texts: ['change', 'entry', 'doc'],
    key: ['change', 'entry'],
    of: { columns: ['change'], table: 'changes', key: ['id'] },
  },
  {
    name: 'decisions',
    texts: ['scope', 'service', 'entry', 'verdict', 'by', 'at'],
    key: ['scope', 'service', 'entry'],
    of: ofService,
  },
];

export async function makeChangeTables(db: Kysely<unknown>): Promise<void> {
  for (const { name, texts, key, of, more } of tables) {
    let create: Create = db.schema.createTable(name);
    for (const column of texts) create = create.addColumn(column, 'text', (made) => made.notNull());
    if (more !== undefined) create = more(create);
    await create
      .addPrimaryKeyConstraint(`${name}Key`, [...key] as [string, ...string[]])
      .addForeignKeyConstraint(`${name}Of`, [...of.columns], of.table, [...of.key], (on) => on.onDelete('cascade'))
      .execute();
  }
  await db.schema.createIndex('changesByTime').on('changes').columns(['scope', 'service', 'fromAt']).execute();
}
