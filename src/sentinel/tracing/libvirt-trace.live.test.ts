// A libvirt domain under a trace: its QEMU runs as another user, so the stub's socket lies where that user may make one.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { startLibvirtDomain, type LibvirtDomain } from '../../../lab/libvirt-domain.ts';
import { openLibvirtHost, type LibvirtHost } from '../../../lab/libvirt-host.ts';
import { findGuests } from '../../introspection/introspection.ts';
import type { TraceLine } from '../../introspection/trace/trace-event.ts';
import type { TraceTarget } from '../../introspection/trace/trace-target.ts';
import { openTrace } from '../../introspection/trace/tracer.ts';
import { WatchdogGuardian } from '../../introspection/trace/watchdog/watchdog-guardian.ts';
import { sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import { openLibvirtMonitor } from '../../protocols/libvirt/libvirt-monitor.ts';
import { traceGround } from './trace-ground.ts';

const needsRoot = process.getuid?.() === 0 ? false : "libvirt's system daemons need root";
const clock = { now: () => Date.now(), monotonic: () => performance.now() };

function must<T>(result: Result<T>): T {
  if (!result.ok) assert.fail(sayProblem(result.error));
  return result.value;
}

suite('a libvirt domain under a trace', { skip: needsRoot, timeout: 180_000 }, () => {
  let host: LibvirtHost;
  let domain: LibvirtDomain;
  before(async () => {
    host = must(await openLibvirtHost());
    domain = must(await startLibvirtDomain(host, { name: 'traced' }));
  });
  after(async () => {
    await domain?.remove();
    await host?.stop();
  });

  test('tells its programs, and runs on when the trace is over, with no stub left', async () => {
    const handle = must(findGuests()).find(({ uuid }) => uuid === domain.uuid);
    assert.ok(handle?.ownDirectory !== undefined, 'libvirt gave it a directory of its own');
    const monitor = must(await openLibvirtMonitor(host.socket, domain.uuid));
    const ground = must(await traceGround(handle, monitor, { profiles: null, stubs: '/nowhere' }));
    const lines: TraceLine[] = [];
    const trace = must(
      await openTrace(ground.target as TraceTarget, {
        clock,
        guardian: new WatchdogGuardian({ lateMs: 5_000 }),
        onLine: (line) => lines.push(line),
      }),
    );
    await domain.run('cat /proc/uptime');
    await wait(300);
    must(await trace.close());
    await ground.leave(true);
    assert.ok(
      lines.some((line) => line.kind === 'exec' && line.argv?.[1] === '/proc/uptime'),
      `${lines.length} lines`,
    );
    assert.equal(
      existsSync(join(`/proc/${handle.pid}/root`, handle.ownDirectory, `plumbline-${handle.pid}.gdb`)),
      false,
    );
    assert.equal((await domain.run('id -u')).out.trim(), '0');
    assert.equal(must(await host.virsh('domstate', domain.name)).trim(), 'running');
    monitor.close();
  });
});
