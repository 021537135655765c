// `node lab/record-pages.ts [RELEASE...]`: records the pages that introspection looks at in a guest of each kernel, and
// what it saw, into src/introspection/fixtures. Needs what the lab needs; run it when the lab's kernels move on.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Guest } from './guest.ts';
import { kernelReleases } from './kernels.ts';
import type { KernelRelease } from './kernels.ts';
import { bootPlainGuest } from './plain-guest.ts';
import { parseRegisters } from '../src/introspection/hypervisor/cpu-registers.ts';
import { openMonitor } from '../src/introspection/hypervisor/open-monitor.ts';
import { findGuests, openSession } from '../src/introspection/introspection.ts';
import { loadProfile } from '../src/introspection/kernel/profile-store.ts';
import { attachMemory } from '../src/introspection/memory/attach-memory.ts';
import type { GuestMemory } from '../src/introspection/memory/guest-memory.ts';
import { sayProblem } from '../src/kit/problem.ts';
import type { Result } from '../src/kit/result.ts';
import type { Clock } from '../src/kit/clock.ts';
import { fixturePath, openRecording, packRecording, viewOf, viewPath } from '../src/sim/guest-recording.ts';
import type { GuestRecording, RecordedView } from '../src/sim/guest-recording.ts';
import { PageRecorder } from '../src/sim/page-set.ts';
import { provideRequirements } from './provide-requirements.ts';

/** Processes and sockets of every kind that the shapes of a sweep speak of. */
const oddities = [
  'workload pair 7000 </dev/null >/dev/null 2>&1 &',
  'workload listen6 7100 </dev/null >/dev/null 2>&1 &',
  'workload udp 7200 </dev/null >/dev/null 2>&1 &',
  'workload user 1000 </dev/null >/dev/null 2>&1 &',
  'workload memfd evil </dev/null >/dev/null 2>&1 &',
  'cp /bin/workload /tmp/gone; /tmp/gone deleted </dev/null >/dev/null 2>&1 &',
  'mkdir -p /mnt; mount -t tmpfs tmp /mnt; cp /bin/workload /mnt/app; /mnt/app hold </dev/null >/dev/null 2>&1 &',
  'workload threads 3 </dev/null >/dev/null 2>&1 &',
  'unshare -p -m -n -u -i -f /bin/sleep 100000 </dev/null >/dev/null 2>&1 &',
  'sleep 99999 "an argument with spaces" "" ümläut </dev/null >/dev/null 2>&1 &',
  'mkdir -p /sys/fs/cgroup/shop.slice/web',
  '(echo 0 >/sys/fs/cgroup/shop.slice/web/cgroup.procs; exec sleep 88888) </dev/null >/dev/null 2>&1 &',
  'httpd -p 8080 -h /tmp </dev/null >/dev/null 2>&1',
  'workload connect 127.0.0.1 7100 </dev/null >/dev/null 2>&1 &',
  // The side that closes first keeps a remnant for a minute.
  'sleep 1; wget -q -O /dev/null http://127.0.0.1:8080/ </dev/null 2>/dev/null; sleep 1; true',
];

const expected: readonly (readonly [string, (view: RecordedView) => boolean])[] = [
  ['a memory file', ({ tasks }) => tasks.some(({ exe }) => exe === '/memfd:evil (deleted)')],
  ['a deleted executable', ({ tasks }) => tasks.some(({ exe }) => exe === '/tmp/gone (deleted)')],
  ['an executable across a mount', ({ tasks }) => tasks.some(({ exe }) => exe === '/mnt/app')],
  ['a thread', ({ tasks }) => tasks.some(({ pid, tgid }) => pid !== tgid)],
  ['another user', ({ tasks }) => tasks.some(({ uid }) => uid === 1000)],
  ['a control group', ({ tasks }) => tasks.some(({ cgroup }) => cgroup === '/shop.slice/web')],
  ['namespaces', ({ tasks }) => new Set(tasks.map(({ namespaces }) => namespaces?.pid)).size >= 2],
  ['a listener on IPv6', ({ sockets }) => sockets.some(({ family, state }) => family === 6 && state === 'LISTEN')],
  [
    'IPv4 on an IPv6 socket',
    ({ sockets }) => sockets.some(({ remoteAddress }) => remoteAddress === '::ffff:127.0.0.1'),
  ],
  ['a connection', ({ sockets }) => sockets.some(({ state, family }) => state === 'ESTABLISHED' && family === 4)],
  ['UDP', ({ sockets }) => sockets.some(({ protocol }) => protocol === 'udp')],
  ['TIME_WAIT', ({ sockets }) => sockets.some(({ state }) => state === 'TIME_WAIT')],
  ['modules', ({ modules }) => modules.length > 3],
  ['a complete sweep', ({ complete, notes }) => complete && notes.length === 0],
];

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(sayProblem(result.error));
  return result.value;
}

async function record(release: KernelRelease, profileDirectory: string): Promise<void> {
  const guest = must(await bootPlainGuest({ kernel: release, name: `record-${release}` }));
  try {
    await guest.run(oddities.join('\n'), 60_000);
    await wait(1000);
    must(await guest.qmp().execute('stop'));
    const { recording, view } = await recordStopped(guest, profileDirectory);
    const missing = expected.filter(([, holds]) => !holds(view)).map(([title]) => title);
    if (missing.length > 0) throw new Error(`Linux ${release}: not recorded: ${missing.join(', ')}`);
    const replayed = must(viewOf(must(openRecording(recording, profileDirectory))));
    if (!isDeepStrictEqual(replayed, view)) throw new Error(`Linux ${release}: the recording shows something else`);
    const packed = packRecording(recording);
    writeFileSync(fixturePath(release), packed);
    writeFileSync(viewPath(release), viewText(view));
    console.log(`Linux ${guest.kernel.version} (${guest.kernel.packageVersion}): ${summary(view, recording, packed)}`);
  } finally {
    await guest.stop();
  }
}

/** The guest stands still, so every session sees the same: one of each kind that a test will open again. */
async function recordStopped(
  guest: Guest,
  profileDirectory: string,
): Promise<{ readonly recording: GuestRecording; readonly view: RecordedView }> {
  const handle = must(findGuests()).find(({ pid }) => pid === guest.pid());
  if (handle === undefined) throw new Error(`${guest.name} was not found among the guests of this host`);
  const monitor = must(await openMonitor(handle));
  try {
    const recorder = new PageRecorder(must(await attachMemory(monitor, handle.pid)).memory);
    const cpus = parseRegisters(must(await monitor.hmp('info registers -a')));
    const takenMs = Date.now();
    const still: Clock = { now: () => takenMs, monotonic: () => 0 };
    const open = (memory: GuestMemory) => must(openSession(memory, cpus, null, { clock: still, profileDirectory }));
    // Learning the kernel reads its whole image, which must not be recorded.
    const { identity } = open(must(await attachMemory(monitor, handle.pid)).memory);
    const profile = loadProfile(profileDirectory, () => identity.buildId);
    if (profile === null) throw new Error('the kernel profile was not kept');
    const view = must(viewOf(open(recorder)));
    must(open(recorder).sweep({ light: true }));
    const { release, version, packageVersion } = guest.kernel;
    const pages = recorder.pages;
    return { recording: { kernel: { release, version, packageVersion }, takenMs, cpus, profile, pages }, view };
  } finally {
    monitor.close();
  }
}

/** One task, socket or module a line: a change of what is seen shows as the lines that changed. */
function viewText(view: RecordedView): string {
  const lines = Object.entries(view).map(([key, value]) => {
    if (!Array.isArray(value) || value.length === 0) return `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`;
    return `  ${JSON.stringify(key)}: [\n${value.map((row) => `    ${JSON.stringify(row)}`).join(',\n')}\n  ]`;
  });
  return `{\n${lines.join(',\n')}\n}\n`;
}

function summary({ tasks, sockets }: RecordedView, { pages }: GuestRecording, packed: Buffer): string {
  return `${tasks.length} tasks, ${sockets.length} sockets, ${pages.numbers.length} pages in ${Math.round(packed.length / 1024)} KiB`;
}

if (!(await provideRequirements((line) => console.error(line)))) process.exit(1);
const wanted = process.argv.slice(2);
for (const release of kernelReleases.filter((name) => wanted.length === 0 || wanted.includes(name))) {
  // A directory each: the profile of this kernel is the only one in it.
  const profileDirectory = mkdtempSync(join(tmpdir(), 'plumbline-record-'));
  try {
    await record(release, profileDirectory);
  } finally {
    rmSync(profileDirectory, { recursive: true, force: true });
  }
}
process.exit(0);
