// What every store must do, whatever database is below it: run against SQLite here, and against any other dialect the same way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { emptyProfile, learn } from '../../stages/learn/learn.ts';
import { alarmNumber, at, connected, observed, runningVm, started, vmId } from '../../sim/simulated-activity.ts';
import { activitiesKept, activitiesOf, keepActivity, listAlarms, saveAlarm, settledOf } from './alarms.ts';
import { insertMember, insertScope, insertService, removeScope } from './applications.ts';
import { appendAudit, listAudit } from './audit.ts';
import { lastGeneration, listGenerations, saveIssue } from './issues.ts';
import { addToCurve, readCurve, readProfile, saveProfile } from './profiles.ts';
import { saveRemediation, remediationById } from './remediations.ts';
import type { Store } from './store.ts';
import { vmsNamed, saveVm } from './vms.ts';

function must<T>(result: Result<T>): T {
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}

/** `open` gives an empty store each time; `reopen` the same again, as after a restart. */
export function checkStore(name: string, open: () => Promise<{ store: Store; reopen: () => Promise<Store> }>): void {
  const it = (what: string, work: (store: Store, reopen: () => Promise<Store>) => Promise<void>) =>
    test(`${name}: ${what}`, async () => {
      const { store, reopen } = await open();
      let latest = store;
      await work(store, async () => {
        await latest.close();
        latest = await reopen();
        return latest;
      });
      await latest.close();
    });

  it('keeps what was written, over a restart', async (store, reopen) => {
    must(await store.write(async (db) => ok(await insertScope(db, 'shop', 'ours', at(0)))));
    const again = await reopen();
    const rows = must(await again.read(async (db) => await db.selectFrom('scopes').selectAll().execute()));
    assert.deepEqual(
      rows.map((row) => ({ ...row })),
      [{ name: 'shop', description: 'ours', mode: 'capture', modeSince: at(0) }],
    );
  });

  it('takes everything back when the work has a Problem or the database one', async (store) => {
    const refused = await store.write(async (db) => {
      await insertScope(db, 'shop', '', at(0));
      return fail(problem('refused', 'No.'));
    });
    assert.ok(!refused.ok && refused.error.message === 'No.');
    const broken = await store.write(async (db) => {
      await insertScope(db, 'shop', '', at(0));
      await insertScope(db, 'shop', '', at(0));
      return ok(null);
    });
    assert.ok(!broken.ok && broken.error.kind === 'failed');
    assert.deepEqual(must(await store.read(async (db) => await db.selectFrom('scopes').select('name').execute())), []);
  });

  it('runs works one after the other', async (store) => {
    const add = async () =>
      await store.write(async (db) => {
        await appendAudit(db, { at: at(0), by: 'x', verb: 'v', subject: 's', outcome: 'done', detail: '' });
        return ok(null);
      });
    await Promise.all(Array.from({ length: 20 }, add));
    const { items, total } = must(await store.read(async (db) => await listAudit(db, { limit: 500, before: null })));
    assert.equal(total, 20);
    assert.deepEqual(
      items.map((entry) => entry.seq),
      Array.from({ length: 20 }, (_, i) => 20 - i),
    );
  });

  it('lets a VM be in one service only, and forgets members and profile with their scope', async (store) => {
    must(
      await store.write(async (db) => {
        await insertScope(db, 'shop', '', at(0));
        await insertService(db, 'shop', 'web', '');
        await insertService(db, 'shop', 'db', '');
        await insertMember(db, { scope: 'shop', service: 'web', reference: vmId(1), vm: vmId(1), name: 'a' });
        await insertMember(db, { scope: 'shop', service: 'web', reference: 'b', vm: null, name: 'b' });
        await insertMember(db, { scope: 'shop', service: 'web', reference: 'c', vm: null, name: 'c' });
        return ok(null);
      }),
    );
    const second = await store.write(async (db) => {
      await insertMember(db, { scope: 'shop', service: 'db', reference: vmId(1), vm: vmId(1), name: 'a' });
      return ok(null);
    });
    assert.ok(!second.ok);
    must(await store.write(async (db) => ok(await removeScope(db, 'shop'))));
    assert.deepEqual(must(await store.read(async (db) => await db.selectFrom('members').selectAll().execute())), []);
  });

  it('finds a VM by id, then pid, then name, those present before those gone', async (store) => {
    const vms = [runningVm(1, 'web'), runningVm(2, 'web', { state: 'gone', pid: null }), runningVm(3, '1001')];
    must(
      await store.write(async (db) => {
        for (const vm of vms) await saveVm(db, 'host1', vm);
        return ok(null);
      }),
    );
    const names = async (reference: string) =>
      must(await store.read(async (db) => await vmsNamed(db, reference))).map((vm) => vm.id);
    assert.deepEqual(await names('web'), [vmId(1)]);
    assert.deepEqual(await names(vmId(2)), [vmId(2)]);
    assert.deepEqual(await names('1001'), [vmId(1)]);
    assert.deepEqual(await names('none'), []);
  });

  it('keeps a profile as learning left it, also when entries merge', async (store, reopen) => {
    must(
      await store.write(async (db) => {
        await insertScope(db, 's', '', at(0));
        return ok(await insertService(db, 's', 'w', ''));
      }),
    );
    let profile = emptyProfile('s', 'w');
    for (let n = 0; n < 14; n += 1) {
      const next = learn(profile, vmId(n % 2), [
        observed(connected(vmId(1), '/usr/bin/curl', `10.0.0.${n}`, 443)),
        observed(started(vmId(1), '/usr/bin/ls', ['ls', `-${n % 3}`])),
      ]);
      const before = profile;
      must(await store.write(async (db) => ok(await saveProfile(db, before, next))));
      profile = next;
    }
    const read = must(await (await reopen()).read(async (db) => await readProfile(db, 's', 'w')));
    assert.deepEqual(read, profile);
  });

  it('forgets old minutes of a curve', async (store) => {
    must(
      await store.write(async (db) => {
        await insertScope(db, 's', '', at(0));
        return ok(await insertService(db, 's', 'w', ''));
      }),
    );
    must(
      await store.write(async (db) => {
        for (let n = 0; n < 3; n += 1) await addToCurve(db, 's', 'w', at(60 * n), 1, n);
        return ok(await addToCurve(db, 's', 'w', at(60), 2, 0));
      }),
    );
    const curve = must(await store.read(async (db) => await readCurve(db, 's', 'w', 2)));
    assert.deepEqual(
      curve.map((row) => ({ ...row })),
      [
        { minute: at(60), newBehaviours: 3, repetitions: 1 },
        { minute: at(120), newBehaviours: 1, repetitions: 2 },
      ],
    );
  });

  it('pages through alarms without gap or repetition while more arrive', async (store) => {
    const write = async (from: number, to: number) =>
      must(
        await store.write(async (db) => {
          for (let n = from; n < to; n += 1) await saveAlarm(db, alarmNumber(n));
          return ok(null);
        }),
      );
    await write(0, 100);
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = must(
        await store.read(
          async (db) =>
            await listAlarms(db, {
              limit: 7,
              status: 'open',
              minSeverity: 'serious',
              ...(after === undefined ? {} : { after }),
            }),
        ),
      );
      seen.push(...page.items.map((alarm) => alarm.id));
      if (after === undefined) await write(100, 130);
      after = page.next ?? undefined;
    } while (after !== undefined);
    const wanted = Array.from({ length: 100 }, (_, n) => n)
      .filter((n) => n % 5 !== 0 && n % 3 === 0)
      .map((n) => alarmNumber(n).id);
    assert.deepEqual(seen, wanted.reverse());
  });

  it('keeps so many activities of an alarm and counts the rest', async (store) => {
    must(
      await store.write(async (db) => {
        await saveAlarm(db, alarmNumber(1));
        for (let n = 0; n < activitiesKept + 3; n += 1)
          await keepActivity(db, alarmNumber(1).id, `k${n}`, started(vmId(1), '/bin/x', [String(n)], n));
        return ok(await keepActivity(db, alarmNumber(1).id, 'k0', started(vmId(1), '/bin/x', ['0'])));
      }),
    );
    const kept = must(await store.read(async (db) => await activitiesOf(db, alarmNumber(1).id)));
    assert.equal(kept.length, activitiesKept);
    assert.equal(must(await store.read(async (db) => await settledOf(db, alarmNumber(1).id))).activitiesDropped, 3);
  });

  it('lets generations rise for ever but keeps fifty', async (store) => {
    const issue = async (generation: number) =>
      await store.write(async (db) =>
        ok(
          await saveIssue(db, {
            vm: vmId(1),
            generation,
            kind: 'manifest',
            mode: 'detect',
            scope: 's',
            service: 'w',
            entries: 0,
            reason: 'r',
            issuedAt: at(generation),
            envelope: { payloadType: 't', payload: '', signatures: [] },
          }),
        ),
      );
    for (let generation = 1; generation <= 60; generation += 1) must(await issue(generation));
    assert.ok(!(await issue(60)).ok, 'a generation cannot be issued twice');
    const kept = must(await store.read(async (db) => await listGenerations(db, vmId(1))));
    assert.deepEqual([kept.length, kept[0]?.generation, kept.at(-1)?.generation], [50, 60, 11]);
    assert.equal(must(await store.read(async (db) => await lastGeneration(db, vmId(1)))), 60);
  });

  it('lets no late report undo a settled remediation', async (store) => {
    const step = { id: 'p', vm: vmId(1), action: 'suspend', why: '', expect: 'paused', undo: 'resume' } as const;
    const base = {
      id: 'p',
      step,
      origin: 'person',
      by: 'x',
      alarm: null,
      group: null,
      evidence: '',
      startedAt: at(0),
      endedAt: null,
    } as const;
    const save = async (state: 'executing' | 'unconfirmed' | 'done') =>
      must(await store.write(async (db) => ok(await saveRemediation(db, { ...base, state }))));
    assert.deepEqual(
      [await save('executing'), await save('unconfirmed'), await save('done'), await save('executing')],
      [true, true, true, false],
    );
    assert.equal(must(await store.read(async (db) => await remediationById(db, 'p')))?.state, 'done');
  });
}
