// Changes of what is installed: what opens a window, what comes through it, and what does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChangeWindow } from '../../model/change.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { Activity, ProcessObservation } from '../../model/observation.ts';
import { behaviourId } from '../../pattern/behaviour-id.ts';
import { behaviourOf } from '../../pattern/behaviour-of.ts';
import { declaredChange, installation, windowMs } from './change-window.ts';
import { type CompiledManifest, compileManifest } from './detect.ts';
import { detectInChange } from './detect-in-change.ts';

const began = Date.UTC(2026, 10, 21);
const scheduler = '/usr/sbin/scheduler';
const root = '/var/lib/dpkg/info';

function start(seconds: number, ancestors: readonly string[], exe: string, line: string, uid = 0): ProcessObservation {
  const [parent] = ancestors;
  return {
    kind: 'process',
    vm: 'name:web1',
    at: new Date(began + seconds * 1000).toISOString(),
    evidence: 'outside',
    pid: null,
    ppid: null,
    image: { exe, deleted: false, argv: line.split(' '), uid, euid: null },
    parent: parent === undefined ? null : { exe: parent, argv: [] },
    ancestors: [...ancestors],
  };
}

function compiled(known: readonly Activity[]): CompiledManifest {
  const at = new Date(began).toISOString();
  const entries = known.map((activity) => {
    const behaviour = behaviourOf(activity);
    return { id: behaviourId(behaviour), behaviour, provenance: { kind: 'learned', at, count: 1 } as const };
  });
  const names = { vm: 'name:web1', vmName: 'web1', scope: 'shop', service: 'web' };
  const issued = { mode: 'detect', generation: 1, issuedAt: at } as const;
  const manifest: Manifest = { format: 'plumbline.manifest/1', ...names, ...issued, entries, orders: [] };
  const result = compileManifest(manifest);
  assert.ok(result.ok);
  return result.value;
}

/** The scheduler lists packages, which is all it was seen to do. */
const manifest = compiled([start(0, [scheduler], '/usr/bin/dpkg', 'dpkg -l')]);

/** Command lines that alarm. */
function alarms(activities: readonly Activity[], windows: readonly ChangeWindow[] = []): readonly string[] {
  let open = windows;
  return activities.flatMap((activity) => {
    const { deviation, windows: next } = detectInChange(manifest, open, activity);
    open = next;
    return deviation === null || activity.kind !== 'process' ? [] : [activity.image.argv.join(' ')];
  });
}

const install = 'dpkg -i /debs/newtool_1.0-1_amd64.deb';
const dpkg = [scheduler];
const script = ['/usr/bin/dpkg', scheduler];
const inScript = [`${root}/newtool.postinst`, '/usr/bin/dpkg', scheduler];

test('an installation by whoever ran the package manager before brings what it brings', () => {
  assert.deepEqual(
    alarms([
      start(1, dpkg, '/usr/bin/dpkg', install),
      start(2, script, '/usr/bin/dpkg-deb', 'dpkg-deb --fsys-tarfile /debs/newtool_1.0-1_amd64.deb'),
      start(3, script, `${root}/newtool.postinst`, `${root}/newtool.postinst configure`),
      start(4, inScript, '/usr/sbin/ldconfig', 'ldconfig'),
      start(5, [scheduler], '/usr/bin/newtool', 'newtool --first-use'),
    ]),
    [],
  );
});

test('everything else alarms during it', () => {
  assert.deepEqual(
    alarms([
      start(1, dpkg, '/usr/bin/dpkg', install),
      start(2, [scheduler], '/usr/bin/other', 'other'),
      start(3, ['/usr/sbin/apache2'], '/usr/bin/newtool', 'newtool for another'),
      start(4, [scheduler], '/tmp/newtool', 'newtool from elsewhere'),
      start(windowMs / 1000 + 2, [scheduler], '/usr/bin/newtool', 'newtool too late'),
    ]),
    ['other', 'newtool for another', 'newtool from elsewhere', 'newtool too late'],
  );
});

test('an installation by anybody else is a deviation, and so is what it does', () => {
  const stranger = '/usr/bin/bash';
  assert.deepEqual(
    alarms([
      start(1, [stranger], '/usr/bin/dpkg', install),
      start(2, ['/usr/bin/dpkg', stranger], `${root}/newtool.postinst`, 'postinst configure'),
      start(3, [`${root}/newtool.postinst`, '/usr/bin/dpkg', stranger], '/usr/bin/id', 'id'),
    ]),
    [install, 'postinst configure', 'id'],
  );
  const beside = [start(1, dpkg, '/usr/bin/dpkg', install), start(2, ['/usr/bin/dpkg', stranger], '/usr/bin/id', 'id')];
  assert.deepEqual(alarms(beside), ['id']);
  assert.deepEqual(alarms([start(1, dpkg, '/usr/bin/dpkg', install, 33)]), [install]);
  assert.deepEqual(alarms([start(1, [scheduler], '/tmp/dpkg', install)]), [install]);
});

test('a declared change admits its packages and programs while it lasts', () => {
  const at = (seconds: number): string => new Date(began + seconds * 1000).toISOString();
  const declared = declaredChange({
    from: at(10),
    until: at(20),
    packages: ['newtool'],
    programs: ['/usr/sbin/adduser', '/usr/bin/dpkg'],
  });
  const other = 'dpkg -i /debs/miner_6.6_amd64.deb';
  assert.deepEqual(
    alarms(
      [
        start(5, ['/sbin/init'], '/usr/sbin/adduser', 'adduser early'),
        start(11, ['/sbin/init'], '/usr/sbin/adduser', 'adduser tool'),
        start(11, ['/usr/sbin/adduser'], '/usr/sbin/useradd', 'useradd -r tool'),
        start(12, ['/sbin/init'], '/usr/bin/dpkg', install),
        start(13, ['/sbin/init'], '/usr/bin/dpkg', other),
        start(14, ['/sbin/init'], '/usr/bin/newtool', 'newtool'),
        start(21, ['/sbin/init'], '/usr/bin/newtool', 'newtool late'),
      ],
      [declared],
    ),
    ['adduser early', other, 'newtool late'],
  );
});

const named: readonly (readonly [string, string, readonly string[] | null])[] = [
  ['/usr/bin/dpkg', 'dpkg --unpack /a/b_1_amd64.deb /a/c_2_all.deb', ['b', 'c']],
  ['/usr/bin/apt-get', 'apt-get -y install nginx=1.2 jq', ['nginx', 'jq']],
  ['/usr/bin/rpm', 'rpm -Uvh openssl-libs-3.0.7-1.el9.x86_64.rpm', ['openssl-libs']],
  ['/sbin/apk', 'apk add curl', ['curl']],
  ['/usr/bin/dpkg', 'dpkg -l', null],
  ['/usr/bin/apt-get', 'apt-get update', null],
  ['/home/u/dpkg', 'dpkg -i x.deb', null],
];

test('what an installation names', () => {
  for (const [exe, line, expected] of named) assert.deepEqual(installation(start(0, [], exe, line)), expected, line);
});

test('without a clock no window opens', () => {
  const unknown = '1970-01-01T00:00:00.000Z';
  const { opened } = detectInChange(manifest, [], { ...start(0, dpkg, '/usr/bin/dpkg', install), at: unknown });
  assert.equal(opened, null);
});

test('what a window admits is told with what it would have been and by which change', () => {
  const began = detectInChange(manifest, [], start(1, dpkg, '/usr/bin/dpkg', install));
  assert.equal(began.admitted?.window, began.opened);
  const used = detectInChange(manifest, began.windows, start(2, [scheduler], '/usr/bin/newtool', 'newtool'));
  assert.equal(used.admitted?.window.id, began.opened?.id);
  assert.equal(used.admitted?.deviation.activity.image?.exe, '/usr/bin/newtool');
  const known = detectInChange(manifest, began.windows, start(3, dpkg, '/usr/bin/dpkg', 'dpkg -l'));
  assert.deepEqual([known.deviation, known.admitted], [null, null]);
});

test('a declared port is for the programs of the change alone, and nobody declares whom they may call', () => {
  const at = (seconds: number): string => new Date(began + seconds * 1000).toISOString();
  const declared = declaredChange({
    from: at(0),
    until: at(9),
    packages: ['newtool'],
    programs: ['/opt/new/bin/serve'],
    ports: [9000],
  });
  const socket = (exe: string | null, kind: 'listen' | 'inbound' | 'outbound', port: number): Activity => {
    const image = exe === null ? null : { exe, deleted: false, argv: [exe], uid: 0, euid: 0 };
    const local = { proto: 'tcp', localAddr: '10.0.0.5', localPort: port } as const;
    const seen = { vm: 'name:web1', at: at(1), evidence: 'outside', pid: 7, image, ...local } as const;
    return kind === 'listen' ? { ...seen, kind } : { ...seen, kind, remoteAddr: '10.0.0.9', remotePort: port };
  };
  const cases: readonly (readonly [boolean, Activity])[] = [
    [true, socket('/opt/new/bin/serve', 'listen', 9000)],
    [true, socket('/usr/sbin/newtool', 'listen', 9000)],
    [true, socket('/usr/sbin/newtool', 'inbound', 9000)],
    [false, socket('/usr/sbin/newtool', 'listen', 9001)],
    [false, socket('/usr/sbin/other', 'listen', 9000)],
    [false, socket('/tmp/newtool', 'listen', 9000)],
    [false, socket(null, 'listen', 9000)],
    [false, socket('/usr/sbin/newtool', 'outbound', 9000)],
  ];
  for (const [isAdmitted, activity] of cases)
    assert.equal(detectInChange(manifest, [declared], activity).deviation === null, isAdmitted, activity.kind);
});
