// What belongs together: lineage, sockets, servers and other members; and what does not, however near it lies.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Alarm } from '../../model/alarm.ts';
import type { Activity } from '../../model/observation.ts';
import { imageOf, inbound, outbound, process } from '../../sim/seen.ts';
import { type AlarmWithActivities, incidentsOf } from './incidents.ts';

const web = 'name:web1';
const db = 'name:db1';
const began = Date.UTC(2026, 10, 22);
const at = (seconds: number): string => new Date(began + seconds * 1000).toISOString();

function alarm(
  id: string,
  activities: readonly Activity[],
  more: Partial<Alarm> & { server?: string } = {},
): AlarmWithActivities {
  const [first] = activities;
  const { server, ...fields } = more;
  const vm = first?.vm ?? web;
  const times = activities.map((activity) => activity.at).sort();
  const deviation =
    first === undefined ? null : { kind: first.kind, vm, at: first.at, activity: first, generation: 1, nearest: null };
  return {
    activities,
    alarm: {
      id,
      kind: 'deviation',
      vm,
      vmName: vm.slice(5),
      scope: 'shop',
      service: 'web',
      title: id,
      severity: 'serious',
      risk: 50,
      status: 'open',
      firstAt: times[0] ?? at(0),
      lastAt: times.at(-1) ?? at(0),
      count: 1,
      group: id,
      finding:
        deviation === null
          ? null
          : {
              deviation: server === undefined ? deviation : { ...deviation, server },
              risk: 50,
              severity: 'serious',
              reasons: [],
              group: id,
            },
      remediations: [],
      ...fields,
    },
  };
}

const run = (
  seconds: number,
  pid: number,
  ppid: number,
  exe: string,
  ancestors: readonly string[] = ['/usr/sbin/apache2'],
): Activity =>
  process(exe, [exe], ancestors[0] ?? null, { at: at(seconds), pid, ppid, ancestors: [...ancestors], vm: web });

const attack: readonly AlarmWithActivities[] = [
  alarm('1-shell', [run(1, 100, 50, '/bin/sh')], { server: '/usr/sbin/apache2', risk: 70, severity: 'critical' }),
  alarm('2-tool', [run(2, 101, 100, '/tmp/tool', ['/bin/sh', '/usr/sbin/apache2'])]),
  alarm('3-call', [
    outbound('/tmp/tool', '10.0.0.9', 6379, { at: at(3), pid: 101, vm: web, image: imageOf('/tmp/tool') }),
  ]),
  alarm('4-arrival', [
    inbound('/usr/bin/redis-server', '10.0.0.5', 6379, { at: at(3.5), vm: db, localAddr: '10.0.0.9' }),
  ]),
  alarm('4b-escape', [process('/bin/sh', ['sh'], '/usr/bin/redis-server', { vm: db, at: at(9), pid: 9, ppid: 8 })], {
    server: '/usr/bin/redis-server',
  }),
  alarm('5-again', [run(60, 140, 51, '/usr/bin/id')], { server: '/usr/sbin/apache2' }),
  alarm('6-hidden', [], { kind: 'guard', firstAt: at(90), lastAt: at(90), vm: web }),
];

test('one attack is one incident, on two members, told from its first cause downwards', () => {
  const incidents = incidentsOf(attack);
  assert.equal(incidents.length, 1);
  const [incident] = incidents;
  assert.deepEqual(
    incident?.steps.map(({ depth, link, alarm: of, vmName }) => `${depth} ${of} ${link} ${vmName}`),
    [
      '0 1-shell first web1',
      '1 2-tool started web1',
      '2 3-call owns-socket web1',
      '3 4-arrival connected db1',
      '4 4b-escape same-server db1',
      '1 5-again same-server web1',
      '0 6-hidden at-the-time web1',
    ],
  );
  assert.deepEqual(
    [incident?.id, incident?.title, incident?.severity, incident?.risk],
    ['1-shell', '1-shell', 'critical', 70],
  );
  assert.deepEqual(
    incident?.members.map(({ name }) => name),
    ['web1', 'db1'],
  );
  assert.deepEqual([incident?.firstAt, incident?.lastAt], [at(0).replace('00.000', '01.000'), at(90)]);
});

test('what is only near, or long ago, is another happening', () => {
  const cron = alarm('cron', [run(5, 300, 1, '/usr/bin/report', ['/usr/sbin/cron'])]);
  const late = alarm('late', [run(4000, 400, 100, '/usr/bin/late')]);
  const elsewhere = alarm('elsewhere', [
    process('/bin/sh', ['sh'], '/usr/sbin/sshd', { vm: db, at: at(2), pid: 102, ppid: 100 }),
  ]);
  const other = alarm('other', [
    inbound('/usr/bin/redis-server', '10.0.0.77', 6379, { at: at(20), vm: db, localAddr: '10.0.0.9' }),
  ]);
  const ids = incidentsOf([...attack, cron, late, elsewhere, other]).map(({ alarms }) => alarms.join(' '));
  assert.equal(ids.length, 5);
  for (const alone of ['cron', 'late', 'elsewhere', 'other']) assert.ok(ids.includes(alone), alone);
});

test('deeds whose process and program nobody knows are not one for that', () => {
  const nobody = (id: string, seconds: number) =>
    alarm(id, [
      outbound(null, '10.0.0.9', 80 + seconds, { at: at(seconds), vm: web }),
      process(null, [], null, { vm: web, at: at(seconds), pid: null, ppid: null }),
    ]);
  assert.equal(incidentsOf([nobody('a', 1), nobody('b', 2)]).length, 2);
});

test('everything descends from init, which makes nothing of it one happening', () => {
  const of = (id: string, seconds: number, pid: number) =>
    alarm(id, [
      process(`/usr/bin/${id}`, [id], '/sbin/init', {
        vm: web,
        at: at(seconds),
        pid,
        ppid: 1,
        ancestors: ['/sbin/init'],
      }),
    ]);
  const init = alarm('init', [process('/sbin/init', ['init'], null, { vm: web, at: at(0), pid: 4, ppid: 0 })]);
  assert.equal(incidentsOf([init, of('a', 1, 10), of('b', 2, 11)]).length, 3);
});

test('the order in which alarms are given does not matter', () => {
  const expected = incidentsOf(attack);
  fc.assert(
    fc.property(fc.shuffledSubarray([...attack], { minLength: attack.length }), (shuffled) => {
      assert.deepEqual(incidentsOf(shuffled), expected);
    }),
    { numRuns: 50 },
  );
});

test('a tree stays bounded and says what it left out', () => {
  const many = Array.from({ length: 700 }, (_, i) => run(i / 10, 1000 + i, 999 + i, `/tmp/t${i}`, ['/bin/sh']));
  const [incident, ...more] = incidentsOf([alarm('flood', many)]);
  assert.equal(more.length, 0);
  assert.deepEqual([incident?.steps.length, incident?.stepsDropped], [500, 200]);
});
