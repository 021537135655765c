// `plumbline ps` and `plumbline sockets` against the guest's own /proc, on every kernel, with one and two processors and with 5 GiB.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Guest } from '../lab/guest.ts';
import { kernelReleases } from '../lab/kernels.ts';
import type { GuestHardware } from '../lab/qemu-command.ts';
import { sharedGuest } from '../lab/shared-guests.ts';
import { lookInside } from './guest-truth.ts';
import { assertSameSockets, assertSameTasks, type PrintedPs, type PrintedSockets } from './printed-views.ts';
import { makeProduct, type Product } from '../lab/product.ts';

const product = await makeProduct();
after(() => product.remove());

const machines: readonly (readonly [string, Partial<GuestHardware>])[] = [
  ['one processor', { vcpus: 1 }],
  ['two processors', { vcpus: 2 }],
];

/** Long-lived processes and sockets of every kind the shapes speak of. */
const oddities = [
  'workload pair 7000 </dev/null >/dev/null 2>&1 &',
  'workload listen6 7100 </dev/null >/dev/null 2>&1 &',
  'workload udp 7200 </dev/null >/dev/null 2>&1 &',
  'workload user 1000 </dev/null >/dev/null 2>&1 &',
  'workload memfd evil </dev/null >/dev/null 2>&1 &',
  'cp /bin/workload /tmp/gone; /tmp/gone deleted </dev/null >/dev/null 2>&1 &',
  'mkdir -p /mnt; mount -t tmpfs tmp /mnt; cp /bin/workload /mnt/app; /mnt/app hold </dev/null >/dev/null 2>&1 &',
  'workload threads 3 </dev/null >/dev/null 2>&1 &',
  'unshare -p -m -n -f /bin/sleep 100000 </dev/null >/dev/null 2>&1 &',
  'sleep 99999 "an argument with spaces" "" ümläut </dev/null >/dev/null 2>&1 & true',
];

async function agree(guest: Guest, product: Product): Promise<void> {
  const before = await lookInside(guest);
  const ps = await product.json<PrintedPs>('ps', String(guest.pid()));
  const sockets = await product.json<PrintedSockets>('sockets', guest.uuid);
  const after = await lookInside(guest);
  assert.ok(ps.kernel.startsWith(`Linux version ${guest.kernel.version} `), ps.kernel);
  assert.match(ps.buildId, /^[0-9a-f]{40}$/);
  assertSameTasks(before, ps, after);
  assert.ok(assertSameSockets(before, sockets, after) >= 5);
}

for (const release of kernelReleases) {
  for (const [title, hardware] of machines) {
    test(`Linux ${release}, ${title}: the same processes and sockets as in /proc`, async () => {
      const guest = await sharedGuest(release, { hardware });
      await guest.run(oddities.join('\n'));
      await agree(guest, product);
    });
  }
}

test('5 GiB of memory, with a hole below 4 GiB', async () => {
  const guest = await sharedGuest('6.1', { hardware: { memoryMib: 5120, machine: 'q35' } });
  await guest.run(oddities.join('\n'));
  await agree(guest, product);
});

test('threads are listed when asked for', async () => {
  const guest = await sharedGuest('6.1', { hardware: { vcpus: 1 } });
  const inside = await lookInside(guest, { threads: true });
  const ps = await product.json<PrintedPs>('ps', guest.name, '--threads');
  const threads = (tasks: readonly { pid: number; tgid: number }[]): string[] =>
    tasks
      .filter(({ pid, tgid }) => pid !== tgid)
      .map(({ pid, tgid }) => `${tgid}/${pid}`)
      .toSorted();
  assert.ok(threads(inside.tasks).length >= 3);
  assert.deepEqual(threads(ps.tasks), threads(inside.tasks));
});

test('the same answers while `plumbline up` runs', async () => {
  const guest = await sharedGuest('6.1', { hardware: { vcpus: 1 } });
  const up = await product.up();
  try {
    await agree(guest, product);
  } finally {
    assert.equal(await up.stop(), 0);
  }
});
