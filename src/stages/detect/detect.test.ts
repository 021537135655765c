// Detection: what is allowed and what is not, how the difference is said, and the properties every manifest must keep.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Behaviour } from '../../model/behaviour.ts';
import type { Deviation } from '../../model/deviation.ts';
import type { Manifest, ManifestEntry } from '../../model/manifest.ts';
import type { Activity } from '../../model/observation.ts';
import { behaviourId } from '../../pattern/behaviour-id.ts';
import { behaviourOf } from '../../pattern/behaviour-of.ts';
import { imageOf, inbound, listen, outbound, process } from '../../sim/seen.ts';
import { type CompiledManifest, compileManifest, detect } from './detect.ts';

function manifestOf(behaviours: readonly Behaviour[]): Manifest {
  const provenance = { kind: 'learned', at: '2026-11-21T00:00:00.000Z' } as const;
  const entries: ManifestEntry[] = behaviours.map((behaviour) => ({
    id: behaviourId(behaviour),
    behaviour,
    provenance,
  }));
  return {
    format: 'plumbline.manifest/1',
    vm: 'name:web1',
    vmName: 'web1',
    scope: 'shop',
    service: 'web',
    mode: 'detect',
    generation: 7,
    issuedAt: '2026-11-21T00:00:00.000Z',
    entries,
    orders: [],
  };
}

function compiled(behaviours: readonly Behaviour[]): CompiledManifest {
  const result = compileManifest(manifestOf(behaviours));
  assert.ok(result.ok, result.ok ? '' : result.error.message);
  return result.value;
}

const init = '/usr/lib/systemd/systemd';
const web = '/usr/sbin/nginx';
const allowed: readonly Behaviour[] = [
  { kind: 'process', exe: web, argv: ['nginx', '--serve', '<number>'], user: '0', parent: init },
  {
    kind: 'process',
    exe: '/bin/sh',
    argv: ['sh', '-c', 'run-parts /etc/cron.daily'],
    user: '0',
    parent: '/usr/sbin/cron',
  },
  { kind: 'process', exe: '/usr/bin/rotatelogs', argv: ['rotatelogs'], user: '33', parent: web },
  { kind: 'process', exe: '/opt/app/*/bin/run', argv: ['run', '<rest>'], user: 'any', parent: '?' },
  { kind: 'outbound', exe: web, proto: 'tcp', peer: '10.1.0.0/24', port: '3306' },
  { kind: 'outbound', exe: '?', proto: 'udp', peer: '10.0.0.53', port: '53' },
  { kind: 'inbound', exe: web, proto: 'tcp', peer: '10.0.0.0/16', port: '80' },
  { kind: 'listen', exe: web, proto: 'tcp', port: '80' },
  { kind: 'listen', exe: '/usr/sbin/rpcd', proto: 'tcp', port: 'ephemeral' },
];
const manifest = compiled(allowed);

test('what an entry admits is no deviation', () => {
  const quiet: readonly Activity[] = [
    process(web, ['nginx', '--serve', '99'], init),
    process('/opt/app/v7/bin/run', ['run', 'a', 'b'], '/anything'),
    process(null, ['nginx', '--serve', '1'], init),
    outbound(web, '10.1.0.200', 3306),
    outbound('/usr/bin/any', '10.0.0.53', 53, { proto: 'udp' }),
    inbound(web, '10.0.44.1', 80),
    inbound(null, '10.0.44.1', 80),
    listen(web, 80),
    listen(null, 80),
    listen('/usr/sbin/rpcd', 45_000),
  ];
  for (const activity of quiet) assert.equal(detect(manifest, activity), null, JSON.stringify(activity));
});

function differences(activity: Activity): readonly string[] | null {
  const deviation = detect(manifest, activity);
  assert.ok(deviation !== null, 'no deviation');
  return deviation.nearest?.differences.map(({ field, allowed, seen }) => `${field}: ${allowed} / ${seen}`) ?? null;
}

test('the explanation names the nearest allowed behaviour and each field that differs', () => {
  assert.deepEqual(differences(process(web, ['nginx', '--exec', '99'], init)), ['argv[1]: --serve / --exec']);
  assert.deepEqual(differences(process(web, ['nginx', '--serve', '99', '--debug'], init)), [
    'argv[3]: (none) / --debug',
  ]);
  // What agrees at both ends is set aside first, so that an argument put in between is the one that is named.
  assert.deepEqual(differences(process(web, ['nginx', '-x', '--serve', '99'], init)), ['argv[1]: (none) / -x']);
  assert.deepEqual(differences(process('/bin/sh', ['sh', '-c', 'id'], web)), [
    'argv[2]: run-parts /etc/cron.daily / id',
    `parent: /usr/sbin/cron / ${web}`,
  ]);
  assert.deepEqual(differences(process('/usr/bin/id', ['id'], web)), [
    'exe: /usr/bin/rotatelogs / /usr/bin/id',
    'user: 33 / 0',
  ]);
  assert.deepEqual(differences(outbound(web, '10.2.0.1', 3306)), ['peer: 10.1.0.0/24 / 10.2.0.1']);
  assert.deepEqual(differences(outbound(web, '10.1.0.1', 22)), ['port: 3306 / 22']);
  assert.deepEqual(differences(listen('/usr/bin/nc', 80)), [`exe: ${web} / /usr/bin/nc`]);
  assert.deepEqual(differences(listen('/usr/sbin/rpcd', 99)), ['port: ephemeral / 99']);
  assert.equal(differences(process('/usr/bin/odd', ['odd'], '/usr/bin/odder')), null);
});

test('many differing arguments are cut short', () => {
  const found = differences(process(web, ['nginx', ...Array.from({ length: 50 }, () => 'x')], init));
  assert.equal(found?.length, 7);
});

test('a deviation says which server it descends from', () => {
  const serverOf = (activity: Activity): string | undefined => detect(manifest, activity)?.server;
  const grandchild = process('/usr/bin/id', ['id'], '/bin/sh', { ancestors: ['/bin/sh', web, init] });
  assert.equal(serverOf(grandchild), web);
  assert.equal(serverOf(outbound(web, '8.8.8.8', 443)), web);
  assert.equal(serverOf(process('/usr/bin/id', ['id'], '/usr/sbin/cron')), undefined);
});

test('an adopted process is not blamed for its parent, unless its arguments are code', () => {
  const adopted = { ppid: 1, image: imageOf('/usr/bin/rotatelogs', ['rotatelogs'], 33) };
  assert.equal(detect(manifest, process('/usr/bin/rotatelogs', [], init, adopted)), null);
  assert.notEqual(detect(manifest, process('/usr/bin/rotatelogs', [], init, { ...adopted, ppid: 9 })), null);
  const argv = ['sh', '-c', 'run-parts /etc/cron.daily'];
  assert.notEqual(detect(manifest, process('/bin/sh', argv, init, { ppid: 1 })), null);
});

test('an entry that is not in the language makes the whole manifest unusable', () => {
  const result = compileManifest(manifestOf([...allowed, { kind: 'listen', exe: '/a<b', proto: 'tcp', port: '1' }]));
  assert.ok(!result.ok);
  assert.match(result.error.message, /exe: .*position 3/);
});

const exe = fc.constantFrom(web, '/bin/sh', '/opt/app/v1/bin/run', '/usr/bin/id', null);
const word = fc.constantFrom('nginx', 'sh', '-c', '--serve', '1', '77', 'run-parts /etc/cron.daily', 'f-20261121', '<');
const address = fc.constantFrom('10.1.0.9', '10.0.0.53', '10.0.9.9', '8.8.8.8', '::1', '127.0.0.1');
const port = fc.constantFrom(22, 53, 80, 3306, 45_000);
const activity: fc.Arbitrary<Activity> = fc.oneof(
  fc
    .tuple(exe, fc.array(word, { maxLength: 4 }), exe, fc.constantFrom(1, 50))
    .map(([own, argv, parent, ppid]) => process(own, argv, parent, { ppid })),
  fc.tuple(exe, address, port).map(([own, to, at]) => outbound(own, to, at)),
  fc.tuple(exe, address, port).map(([own, from, at]) => inbound(own, from, at)),
  fc.tuple(exe, port).map(([own, at]) => listen(own, at)),
);

function asked(behaviours: readonly Behaviour[], each: Activity): Deviation | null {
  return detect(compiled(behaviours), each);
}

test('what was allowed once is allowed again, and taking an entry away allows nothing new', () => {
  fc.assert(
    fc.property(activity, fc.subarray([...allowed]), (each, some) => {
      assert.equal(asked([...some, behaviourOf(each)], each), null);
      if (asked(allowed, each) !== null) assert.notEqual(asked(some, each), null);
      const deviation = asked(some, each);
      // An explanation that finds nothing different would be no explanation, but for a parent that adoption put aside.
      const nearest = deviation?.nearest;
      if (nearest !== null && nearest !== undefined)
        assert.ok(nearest.differences.length > 0, JSON.stringify([each, nearest]));
    }),
    { numRuns: 1500 },
  );
});

test('a repetition with other pids, ports and temporary names is allowed with the first', () => {
  const pairs: readonly (readonly [Activity, Activity])[] = [
    [
      process('/usr/bin/kill', ['kill', '-9', '1234']),
      process('/usr/bin/kill', ['kill', '-9', '98'], init, { pid: 9, ppid: 8 }),
    ],
    [process('/usr/bin/rm', ['rm', '/tmp/tmp.5uCgKO6S70']), process('/usr/bin/rm', ['rm', '/tmp/tmp.UBctQLDnwv'])],
    [process('/tmp/tmp.5uCgKO6S70/run', ['run']), process('/tmp/tmp.UBctQLDnwv/run', ['run'])],
    [inbound(web, '10.0.0.1', 80, { remotePort: 40_000 }), inbound(web, '10.0.0.1', 80, { remotePort: 50_000 })],
    [outbound(web, '10.9.0.1', 443, { localPort: 40_000 }), outbound(web, '10.9.0.1', 443, { localPort: 50_000 })],
  ];
  for (const [first, again] of pairs) assert.equal(asked([behaviourOf(first)], again), null, JSON.stringify(again));
});

test('a manifest of many entries answers quickly, also when it must explain', () => {
  const many: Behaviour[] = Array.from({ length: 20_000 }, (_, at) => ({
    kind: 'process',
    exe: `/usr/bin/x${at % 200}a`,
    argv: ['x', `--option${at}z`],
    user: '0',
    parent: init,
  }));
  const large = compiled(many);
  const start = performance.now();
  for (let at = 0; at < 2000; at += 1) {
    assert.equal(detect(large, process(`/usr/bin/x${at % 200}a`, ['x', `--option${at}z`], init)), null);
    assert.notEqual(detect(large, process(`/usr/bin/x${at % 200}a`, ['x', '--other'], init)), null);
  }
  assert.ok(performance.now() - start < 8000);
});
