// A sentinel as a whole and evidence: what an order collected or could not, told to the manager; given out and removed at its word; over a
// restart in the middle.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { silentLog } from '../../kit/log.ts';
import type { Step } from '../../model/remediation.ts';
import { RecordingManager } from '../../sim/recording-manager.ts';
import { vmId } from '../../sim/simulated-activity.ts';
import { SimulatedHost } from '../../sim/simulated-host.ts';
import { startSentinel, type Sentinel } from '../main.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 10_000; !holds();) {
    assert.ok(performance.now() < deadline, `not in time: ${what}`);
    await wait(10);
  }
}

test('what an order collects is told, given out, and removed at the manager’s word', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'plumbline-s-'));
  const host = new SimulatedHost(clock, (ms) => wait(ms));
  const manager = new RecordingManager();
  let sentinel: Sentinel | null = null;
  const start = async (): Promise<Sentinel> => {
    const options = { name: 'host', stateDir, trusted: manager.trusted, manager, clock, log: silentLog, source: host };
    const started = await startSentinel(options);
    assert.ok(started.ok, started.ok ? '' : started.error.message);
    sentinel = started.value;
    return sentinel;
  };
  try {
    host.add('web', vmId(1));
    const first = await start();
    await until('the VM is seen', () => first.health().vms.some(({ vm }) => vm.state === 'running'));
    const now = Date.now();
    const step: Step = { id: 'd1', vm: vmId(1), action: 'memory-dump', why: 'w', expect: 'kept', undo: null };
    const order = { step, by: 'ann', alarm: 'a1', issuedAt: new Date(now).toISOString() };
    const done = await first.end.order(manager.order({ ...order, expiresAt: new Date(now + 60_000).toISOString() }));
    assert.ok(done.ok && done.value.state === 'failed', 'a simulated guest has no memory');
    await until('it is told as lost', () => manager.told('evidence').some(({ state }) => state === 'lost'));
    assert.deepEqual(first.health().evidence, { files: 0, bytes: 0, isFull: false });

    // As if the sentinel had been ended in the middle of it.
    const file = join(stateDir, 'evidence', 'd1.elf');
    await first.close();
    writeFileSync(`${file}.part`, 'half of its memory');
    const second = await start();
    const kept = () => manager.told('evidence').find((report) => report.state === 'kept');
    await until('what is left is told', () => kept() !== undefined);
    const report = kept();
    assert.ok(report?.state === 'kept' && report.step === 'd1' && report.vm === vmId(1));
    assert.equal(report.sha256, createHash('sha256').update('half of its memory').digest('hex'));
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    const question = { sentinel: 'host', item: report.id, offset: 5, bytes: 100, expiresAt };
    const chunk = await second.end.evidence(manager.question(question));
    assert.ok(chunk.ok && Buffer.from(chunk.value.data, 'base64').toString() === 'of its memory');
    const remove = [{ item: report.id, by: 'age' as const }];
    const word = { sentinel: 'host', issuedAt: new Date().toISOString(), keep: [], remove };
    assert.deepEqual(await second.end.retain(manager.retention(word)), { ok: true, value: 0 });
    await until('it is told as removed', () => manager.told('evidence').some(({ state }) => state === 'removed'));
    assert.ok(!existsSync(`${file}.cut`));
  } finally {
    await (sentinel as Sentinel | null)?.close();
    rmSync(stateDir, { recursive: true, force: true });
  }
});
