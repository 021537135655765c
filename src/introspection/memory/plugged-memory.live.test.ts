// A guest that is given more memory while it is looked into: what lies there is seen from the next check on.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { becomes } from '../../../lab/fragile-trace.ts';
import type { Guest } from '../../../lab/guest.ts';
import { bootPlainGuest } from '../../../lab/plain-guest.ts';
import { sayProblem } from '../../kit/problem.ts';
import { ok, type Result } from '../../kit/result.ts';
import type { GuestSession } from '../guest-session.ts';
import { attach, findGuests } from '../introspection.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const onlineAll =
  'for m in /sys/devices/system/memory/memory*; do [ $(cat $m/state) = offline ] && echo online_kernel > $m/state; done; free -m';
const manyPrograms = 'i=0; while [ $i -lt 300 ]; do (sleep 300 &); i=$((i+1)); done; sleep 1';

function must<T>(result: Result<T>): T {
  if (!result.ok) assert.fail(sayProblem(result.error));
  return result.value;
}

suite('memory that is plugged in', { timeout: 120_000 }, () => {
  let guest: Guest;
  let session: GuestSession;
  before(async () => {
    const hardware = { memoryMib: 256, memoryMaxMib: 1024 };
    guest = must(await bootPlainGuest({ kernel: '6.1', name: `plugged-${process.pid}`, hardware }));
    const handle = must(findGuests()).find(({ pid }) => pid === guest.pid());
    assert.ok(handle !== undefined);
    session = must(await attach(handle, { clock, profileDirectory: null }));
  });
  after(async () => {
    session?.close();
    await guest?.stop();
  });

  const asGuestSays = async (): Promise<number> =>
    Number.parseInt((await guest.run("ls /proc | grep -c '^[0-9]'")).out, 10);

  test('is looked into like the rest, by the session that was there before', async () => {
    assert.equal(must(session.sweep()).complete, true);
    const added = { 'qom-type': 'memory-backend-ram', id: 'more', size: 512 * 1024 * 1024 };
    assert.deepEqual(await guest.qmp().execute('object-add', added), ok({}));
    assert.deepEqual(
      await guest.qmp().execute('device_add', { driver: 'pc-dimm', id: 'module', memdev: 'more' }),
      ok({}),
    );
    const isUsable = async (): Promise<boolean> => /Mem: +[5-9]\d\d/.test((await guest.run(onlineAll)).out);
    assert.ok(await becomes(isUsable, 20_000));
    await guest.run(manyPrograms, 60_000);
    const blind = must(session.sweep());
    assert.equal(blind.complete, false, 'it does not claim to have seen what it cannot read');
    assert.deepEqual(await session.check(), { state: 'same' });
    const { complete, notes, tasks } = must(session.sweep());
    assert.deepEqual([complete, notes], [true, []]);
    const said = await asGuestSays();
    assert.ok(said > 300 && Math.abs(tasks.length - said) <= 4, `${tasks.length} of ${said}`);
  });
});
