// One contract for everything that acts on a VM: a simulated one, plain QEMU, and libvirt.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { openLibvirtHost } from '../../../lab/libvirt-host.ts';
import { startLibvirtDomain } from '../../../lab/libvirt-domain.ts';
import { bootPlainGuest } from '../../../lab/plain-guest.ts';
import type { Enforcer } from '../../connectors/enforcement/enforcer.ts';
import { EvidenceRoom } from '../../connectors/enforcement/evidence-room.ts';
import { libvirtEnforcer } from '../../connectors/enforcement/libvirt/libvirt-enforcer.ts';
import type { MemoryDumpOptions } from '../../connectors/enforcement/memory-dump.ts';
import { qemuEnforcer } from '../../connectors/enforcement/qemu/qemu-enforcer.ts';
import { processStart } from '../../introspection/hypervisor/process-scan.ts';
import type { VmAction, Step } from '../../model/remediation.ts';
import { openLibvirtMonitor } from '../../protocols/libvirt/libvirt-monitor.ts';
import { SimulatedHost } from '../../sim/simulated-host.ts';
import type { GuestSource } from '../watch/guest-source.ts';
import { qemuSource } from '../watch/qemu-source.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };
const patience = { clock, sleep: (ms: number) => wait(ms) };

const evidence = mkdtempSync(join(tmpdir(), 'plumbline-evidence-'));
after(() => rmSync(evidence, { recursive: true, force: true }));
/** Where the memory of the real guests is kept. */
const kept: MemoryDumpOptions = { room: new EvidenceRoom(evidence) };

interface Target {
  readonly enforcer: Enforcer;
  /** What the hypervisor's own side knows, told apart from what the enforcer reads. */
  readonly truth: () => Promise<'running' | 'paused' | 'gone'>;
  readonly remove: () => Promise<void>;
  /** How its cards are called; none = nothing is plugged in. */
  readonly cards: readonly string[];
  /** What the next start of the VM will have, where somebody keeps it. */
  readonly nextStart?: () => Promise<'up' | 'down'>;
  /** A command inside the guest, and its enforcer keeping memory in another way; null = there is no real guest. */
  readonly real: {
    readonly run: (command: string) => Promise<{ readonly out: string }>;
    readonly keeping: (options: MemoryDumpOptions) => Promise<Enforcer>;
    /** Where the VM is in another QEMU after it went back. */
    readonly reattach?: () => Promise<Enforcer>;
  } | null;
}

async function enforcerFrom(source: GuestSource, pid: number): Promise<Enforcer> {
  const handles = source.find();
  const handle = handles.ok ? handles.value.find((it) => it.pid === pid) : undefined;
  assert.ok(handle);
  const monitor = await source.connect(handle);
  assert.ok(monitor.ok, monitor.ok ? '' : monitor.error.message);
  return source.enforcer(handle, monitor.value);
}

async function simulated(): Promise<Target> {
  const host = new SimulatedHost(clock, (ms) => wait(ms));
  const guest = host.add('web', null);
  return {
    enforcer: await enforcerFrom(host, guest.pid),
    truth: () => Promise.resolve(guest.alive ? (guest.paused ? 'paused' : 'running') : 'gone'),
    remove: () => Promise.resolve(),
    cards: [],
    real: null,
  };
}

async function plainQemu(): Promise<Target> {
  const guest = await bootPlainGuest({ kernel: '6.1', name: `enforce-${process.pid}` });
  assert.ok(guest.ok, guest.ok ? '' : guest.error.message);
  const pid = guest.value.pid();
  assert.ok(pid !== undefined);
  // Plugged in later.
  for (const words of [
    { driver: 'virtio-net-pci', id: 'second', mac: '52:54:00:99:00:02' },
    { driver: 'virtio-net-pci', id: 'third', mac: '52:54:00:99:00:03' },
  ])
    assert.ok((await guest.value.qmp().execute('device_add', words)).ok);
  const source = qemuSource({ clock, profileDirectory: null, stubDirectory: '/nowhere', evidence: kept });
  const enforcer = await enforcerFrom(source, pid);
  // The guest finds them some moments after.
  for (let tries = 0; tries < 200; tries += 1) {
    const links = await enforcer.readLinks();
    if (links.ok && links.value.every(({ link }) => link === 'up')) break;
    await wait(50);
  }
  return {
    enforcer,
    cards: ['second', 'third'],
    real: {
      run: (command) => guest.value.run(command),
      keeping: async (options) =>
        qemuEnforcer({ monitor: guest.value.qmp(), alive: () => true, patience, pid, evidence: options }),
    },
    truth: async () => {
      if (guest.value.pid() === undefined) return 'gone';
      const status = await guest.value.qmp().execute('query-status');
      return JSON.stringify(status).includes('"running":true') ? 'running' : 'paused';
    },
    remove: () => guest.value.stop(),
  };
}

async function libvirt(): Promise<Target> {
  const host = await openLibvirtHost();
  assert.ok(host.ok, host.ok ? '' : host.error.message);
  const domain = await startLibvirtDomain(host.value, { name: 'enforce', userCard: true });
  assert.ok(domain.ok, domain.ok ? '' : domain.error.message);
  const { uuid, name } = domain.value;
  const pid = domain.value.pid();
  assert.ok(pid !== undefined);
  const startTicks = processStart(pid);
  const monitor = await openLibvirtMonitor(host.value.socket, uuid);
  assert.ok(monitor.ok, monitor.ok ? '' : monitor.error.message);
  const alive = (): boolean => processStart(pid) === startTicks;
  const { socket } = host.value;
  const monitors = [monitor.value];
  const target = { socket, uuid, monitor: monitor.value, alive, patience, pid };
  return {
    enforcer: libvirtEnforcer({ ...target, evidence: kept }),
    cards: ['net0'],
    nextStart: async () => {
      const said = await host.value.virsh('dumpxml', '--inactive', name);
      assert.ok(said.ok);
      return said.value.includes("<link state='down'/>") ? 'down' : 'up';
    },
    real: {
      run: (command) => domain.value.run(command),
      keeping: async (options) => libvirtEnforcer({ ...target, evidence: options }),
      async reattach() {
        const nextPid = domain.value.pid() ?? assert.fail('the domain does not run');
        const ticks = processStart(nextPid);
        const next = await openLibvirtMonitor(socket, uuid);
        assert.ok(next.ok, next.ok ? '' : next.error.message);
        monitors.push(next.value);
        return libvirtEnforcer({
          ...target,
          monitor: next.value,
          pid: nextPid,
          alive: () => processStart(nextPid) === ticks,
        });
      },
    },
    truth: async () => {
      const said = await host.value.virsh('domstate', name);
      assert.ok(said.ok);
      const words = said.value.trim();
      return words === 'running' || words === 'paused' ? words : 'gone';
    },
    remove: async () => {
      for (const one of monitors) one.close();
      await domain.value.remove();
      await host.value.stop();
    },
  };
}

const isRoot = process.getuid?.() === 0;
const targets: readonly (readonly [string, () => Promise<Target>, boolean])[] = [
  ['a simulated guest', simulated, true],
  ['plain QEMU', plainQemu, true],
  ['libvirt', libvirt, isRoot],
];

let steps = 0;
function step(action: VmAction, snapshot?: string): Step {
  steps += 1;
  const expect = {
    alert: '',
    suspend: 'paused',
    resume: 'running',
    snapshot: `${snapshot} exists`,
    'power-off': 'gone',
    'memory-dump': 'memory kept',
    'cut-link': 'links down',
    'restore-link': 'links up',
    revert: `back at ${snapshot}`,
    're-image': 'on a fresh image',
    'undo-re-image': 'on its own disk',
    save: 'saved and off',
    'undo-save': 'on again',
  };
  return {
    id: `step${steps}`,
    vm: 'name:web',
    action,
    why: 'contract',
    expect: expect[action],
    undo: null,
    ...(snapshot === undefined ? {} : { snapshot }),
  };
}

for (const [title, open, possible] of targets)
  suite(`an enforcer of ${title}`, { skip: possible ? false : 'takes root' }, () => {
    let target: Target | null = null;
    after(async () => target?.remove());

    async function act(action: VmAction, snapshot?: string): Promise<string> {
      assert.ok(target);
      const outcome = await target.enforcer.act(step(action, snapshot));
      assert.equal(outcome.state, 'done', `${action}: ${outcome.evidence}`);
      return outcome.evidence;
    }

    test('does what a step says, reads back that it is so, and does it once', async () => {
      target = await open();
      const { enforcer, truth } = target;
      const able = await enforcer.capabilities();
      const own = target.nextStart === undefined ? [] : ['re-image', 'save'];
      const everywhere = ['power-off', 'resume', 'revert', 'snapshot', 'suspend'];
      assert.deepEqual(
        able
          .filter((it) => it.available)
          .map((it) => it.action)
          .toSorted(),
        target.real === null
          ? everywhere
          : ['cut-link', 'memory-dump', ...everywhere, ...own, 'restore-link'].toSorted(),
      );
      assert.match(await act('suspend'), /paused/);
      assert.equal(await truth(), 'paused');
      assert.match(await act('suspend'), /already so/);
      await act('resume');
      assert.equal(await truth(), 'running');
      assert.match(await act('snapshot', 'keep-1'), /keep-1/);
      assert.equal(await truth(), 'running');
      assert.match(await act('snapshot', 'keep-1'), /already so/);
      await act('suspend');
      await act('snapshot', 'keep-2');
      assert.equal(await truth(), 'paused', 'a snapshot leaves a paused VM paused');
      const reading = await enforcer.readState();
      assert.ok(reading.ok);
      assert.deepEqual(reading.value.snapshots.toSorted(), ['keep-1', 'keep-2']);
    });

    test('keeps the memory in a file that is read back, while the VM stands, and leaves it as it was', async () => {
      assert.ok(target);
      const { enforcer, truth, real } = target;
      if (real === null) {
        const refused = await enforcer.act(step('memory-dump'));
        assert.equal(refused.state, 'failed');
        assert.match(refused.evidence, /cannot be had in a file/);
        return;
      }
      await act('resume');
      // In two pieces, so that the command line that is in memory as well is not what is found.
      await real.run('a=kept-mark; echo "$a-of-guest" > /tmp/mark');
      for (const [action, state] of [
        ['suspend', 'paused'],
        ['resume', 'running'],
      ] as const) {
        await act(action);
        const order = step('memory-dump');
        const outcome = await enforcer.act(order);
        assert.equal(outcome.state, 'done', outcome.evidence);
        assert.equal(await truth(), state);
        const path = join(evidence, `${order.id}.elf`);
        const bytes = readFileSync(path);
        assert.equal(statSync(path).mode & 0o777, 0o600);
        assert.ok(bytes.includes('kept-mark-of-guest'));
        const hash = createHash('sha256').update(bytes).digest('hex');
        for (const said of [path, `${bytes.length} bytes`, hash, '1 processor'])
          assert.ok(outcome.evidence.includes(said));
        const again = await enforcer.act(order);
        assert.match(again.evidence, new RegExp(`already so: .*${hash}`));
        rmSync(path);
      }
    });

    test('lets the VM run on and keeps nothing when the memory cannot be kept whole', async () => {
      if (target?.real == null) return;
      const { real, truth } = target;
      const stopped = AbortSignal.timeout(30);
      const full = new EvidenceRoom(evidence, { keptBytes: 1 });
      for (const [options, why] of [
        [{ ...kept, cancelled: stopped }, /the sentinel is stopping/],
        [{ ...kept, pace: { leastMs: 1, slowestRate: 1e9 } }, /took longer than \d+ ms/],
        [{ room: full }, /beside 0 kept already are more than 1/],
        [{ room: new EvidenceRoom(evidence, { freeBytes: Number.MAX_SAFE_INTEGER }) }, /would leave less than/],
      ] as const) {
        const outcome = await (await real.keeping(options)).act(step('memory-dump'));
        assert.equal(outcome.state, 'failed', outcome.evidence);
        assert.match(outcome.evidence, why);
        assert.equal(await truth(), 'running');
        assert.deepEqual(readdirSync(evidence), []);
      }
      assert.match((await target.enforcer.act({ ...step('memory-dump'), id: '../x' })).evidence, /can name no file/);
    });

    test('takes the links of all cards down, brings up those that are named, and does it once', async () => {
      assert.ok(target);
      const { enforcer, cards, nextStart, real } = target;
      const links = async () => {
        const read = await enforcer.readLinks();
        assert.ok(read.ok, read.ok ? '' : read.error.message);
        return read.value.map(({ name, link }) => `${name} ${link}`).toSorted();
      };
      const all = (link: string) => cards.map((name) => `${name} ${link}`);
      assert.deepEqual(await links(), all('up'));
      if (real === null) {
        assert.match((await enforcer.act(step('cut-link'))).evidence, /no network card/);
        return;
      }
      assert.match(await act('cut-link'), /link down/);
      assert.deepEqual(await links(), all('down'));
      assert.equal(await nextStart?.(), nextStart && 'down');
      assert.match(await act('cut-link'), /already so/);
      const [first = '', ...others] = cards;
      const restored = await enforcer.act({ ...step('restore-link'), cards: [first] });
      assert.equal(restored.state, 'done', restored.evidence);
      assert.deepEqual(await links(), [`${first} up`, ...others.map((name) => `${name} down`)]);
      await act('restore-link');
      assert.deepEqual(await links(), all('up'));
      assert.equal(await nextStart?.(), nextStart && 'up');
      assert.match(await act('restore-link'), /already so/);
    });

    test('goes back to a snapshot of ours, and to no other', async () => {
      assert.ok(target);
      const { enforcer, truth, real } = target;
      const when = async () => real && (await real.run('cat /tmp/when')).out.trim();
      await act('resume');
      await real?.run('echo before > /tmp/when');
      await act('snapshot', 'plumbline-back');
      await real?.run('echo after > /tmp/when');
      for (const [name, why] of [
        ['plumbline-none', /no snapshot plumbline-none. Made by Plumbline: plumbline-back/],
        ['keep-1', /names no snapshot that Plumbline made/],
        ["plumbline-'/><x", /names no snapshot that Plumbline made/],
      ] as const)
        assert.match((await enforcer.act(step('revert', name))).evidence, why);
      assert.equal(await when(), real && 'after');
      await act('revert', 'plumbline-back');
      assert.equal(await truth(), 'running');
      assert.equal(await when(), real && 'before');
      if (real?.reattach !== undefined) target = { ...target, enforcer: await real.reattach() };
    });

    test('refuses what is no action on a VM, and a name that could be a command', async () => {
      assert.ok(target);
      for (const refused of [
        step('alert'),
        step('snapshot'),
        step('snapshot', 'x; quit'),
        step('snapshot', '</name>'),
      ]) {
        const outcome = await target.enforcer.act(refused);
        assert.equal(outcome.state, 'failed');
      }
    });

    test('powers off, and then has nothing left to suspend', async () => {
      await act('power-off');
      assert.ok(target);
      // The lab hears of its child's end a moment after the host's process table shows it.
      for (let tries = 0; (await target.truth()) !== 'gone' && tries < 100; tries += 1) await wait(20);
      assert.equal(await target.truth(), 'gone');
      assert.match(await act('power-off'), /already so/);
      const outcome = await target.enforcer.act(step('suspend'));
      assert.equal(outcome.state, 'failed');
      assert.match(outcome.evidence, /not running/);
    });
  });
