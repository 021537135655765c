// Plausible VMs, activities and findings for tests that need some and do not care which.
import type { Alarm } from '../model/alarm.ts';
import type { Finding } from '../model/finding.ts';
import type { Activity, Observed } from '../model/observation.ts';
import type { Vm } from '../model/vm.ts';

const firstMs = Date.parse('2026-11-21T21:00:00.000Z');

/** ISO time so many seconds after the simulation's beginning. */
export function at(seconds: number): string {
  return new Date(firstMs + seconds * 1000).toISOString();
}

export function vmId(number: number): string {
  return `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
}

export function runningVm(number: number, name: string, change: Partial<Vm> = {}): Vm {
  return {
    id: vmId(number),
    name,
    host: 'host1',
    hypervisor: 'qemu',
    pid: 1000 + number,
    state: 'running',
    kernel: '6.12.0',
    hostname: name,
    bootedAt: at(0),
    attachMs: 12,
    processes: 20,
    sockets: 4,
    lastSeenAt: at(0),
    ...change,
  };
}

export function started(vm: string, exe: string, argv: readonly string[], seconds = 1): Activity {
  return {
    kind: 'process',
    vm,
    at: at(seconds),
    evidence: 'outside',
    pid: 500,
    ppid: 400,
    image: { exe, deleted: false, argv: [...argv], uid: 33, euid: 33 },
    parent: { exe: '/usr/sbin/apache2', argv: ['apache2', '-k', 'start'] },
    ancestors: ['/usr/sbin/apache2', '/usr/lib/systemd/systemd'],
  };
}

export function connected(vm: string, exe: string, remoteAddr: string, remotePort: number, seconds = 1): Activity {
  return {
    kind: 'outbound',
    vm,
    at: at(seconds),
    evidence: 'outside',
    pid: 500,
    image: { exe, deleted: false, argv: [exe], uid: 33, euid: 33 },
    proto: 'tcp',
    localAddr: '10.0.0.5',
    localPort: 40_000,
    remoteAddr,
    remotePort,
  };
}

export function observed(activity: Activity, count = 1): Observed {
  return { activity, count, firstAt: activity.at, lastAt: activity.at };
}

export function findingOf(activity: Activity, group: string, change: Partial<Finding> = {}): Finding {
  return {
    deviation: { kind: activity.kind, vm: activity.vm, at: activity.at, activity, generation: 1, nearest: null },
    risk: 75,
    severity: 'critical',
    reasons: [{ factor: 'new-executable', points: 75, text: 'never allowed' }],
    group,
    ...change,
  };
}

/** Alarms that differ in everything one could sort or filter by; the same number gives the same alarm. */
export function alarmNumber(number: number, change: Partial<Alarm> = {}): Alarm {
  const finding = findingOf(
    started(vmId(number % 7), `/tmp/program-${number}`, ['x', String(number)], number),
    `g${number}`,
  );
  return {
    id: `a${String(number).padStart(6, '0')}`,
    kind: 'deviation',
    vm: vmId(number % 7),
    vmName: `vm${number % 7}`,
    scope: 'shop',
    service: 'web',
    title: `/usr/sbin/apache2 started /tmp/program-${number}`,
    severity: number % 3 === 0 ? 'critical' : 'minor',
    risk: 70,
    status: number % 5 === 0 ? 'closed' : 'open',
    firstAt: at(number),
    lastAt: at(number),
    count: 1,
    group: `g${number}`,
    finding,
    remediations: [],
    ...change,
  };
}
