// Brings what an earlier version wrote into the sentinel's database to what this one reads. Runs inside the transaction that
// opens it; each step runs once, by the database's `user_version`.
import type { DatabaseSync } from 'node:sqlite';

const version = 1;

export function upgradeRecords(sqlite: DatabaseSync): void {
  const found = Number(sqlite.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0);
  if (found < 1) nameSteps(sqlite);
  sqlite.exec(`PRAGMA user_version = ${version}`);
}

/** What a remediation carried out was called its plan; a plan now is several steps. */
function nameSteps(sqlite: DatabaseSync): void {
  rewrite(sqlite, 'answer', 'remediation', (text) => JSON.stringify(stepOf(JSON.parse(text))));
  rewrite(sqlite, 'batch', 'body', (text) => {
    const batch = JSON.parse(text) as { remediations?: unknown[] };
    return JSON.stringify({ ...batch, remediations: (batch.remediations ?? []).map(stepOf) });
  });
}

function rewrite(sqlite: DatabaseSync, table: 'answer' | 'batch', column: string, change: (text: string) => string) {
  const update = sqlite.prepare(`UPDATE ${table} SET ${column} = ? WHERE rowid = ?`);
  const rows = sqlite.prepare(`SELECT rowid AS row, ${column} AS text FROM ${table}`).all();
  for (const { row, text } of rows) update.run(change(String(text)), Number(row));
}

function stepOf(remediation: unknown): unknown {
  const { plan, ...rest } = remediation as { plan?: unknown };
  return typeof plan === 'object' ? { ...rest, step: plan } : remediation;
}
