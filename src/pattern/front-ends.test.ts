// Helpers of documented front ends: by name, place and, where they could do more, arguments.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { process } from '../sim/seen.ts';
import { isHelper, systemProgramName } from './front-ends.ts';

const rows: readonly (readonly [string, string, string, boolean])[] = [
  ['/usr/sbin/adduser', '/usr/sbin/useradd', '/usr/sbin/useradd -r x', true],
  ['/usr/sbin/adduser', '/sbin/groupadd', '/sbin/groupadd -g 105 x', true],
  ['/usr/sbin/adduser', '/bin/sh', 'sh -c id', false],
  ['/usr/bin/bash', '/usr/sbin/useradd', 'useradd -r x', false],
  ['/tmp/adduser', '/usr/sbin/useradd', 'useradd -r x', false],
  ['/usr/sbin/adduser', '/tmp/useradd', 'useradd -r x', false],
  ['/usr/bin/dpkg', '/usr/bin/rm', 'rm -rf -- /var/lib/dpkg/tmp.ci', true],
  ['/usr/bin/dpkg', '/usr/bin/rm', 'rm -rf -- /', false],
  ['/usr/bin/dpkg-deb', '/usr/bin/tar', 'tar -x -f - --warning=no-timestamp', true],
  ['/usr/bin/dpkg-deb', '/usr/bin/tar', 'tar -x -f - --warning=no-timestamp --to-command=sh', false],
  ['/usr/sbin/logrotate', '/bin/gzip', '/bin/gzip', true],
  ['/usr/sbin/logrotate', '/bin/gzip', 'gzip -9', true],
  ['/usr/sbin/logrotate', '/bin/gzip', 'gzip -c /etc/shadow', false],
];

const system = 'c:\\windows\\system32\\';
const edge = 'c:\\program files (x86)\\microsoft\\edge\\application\\msedge.exe';
const windowsRows: readonly (readonly [string, string, string, boolean])[] = [
  [`${system}services.exe`, `${system}svchost.exe`, '-k netsvcs -p -s BITS', true],
  [`${system}services.exe`, `${system}svchost.exe`, '-k LocalService', true],
  [`${system}services.exe`, `${system}svchost.exe`, '-k netsvcs -p -s evil', false],
  [`${system}services.exe`, `${system}svchost.exe`, '-k evil -s BITS', false],
  [`${system}services.exe`, 'c:\\temp\\svchost.exe', '-k netsvcs -p -s BITS', false],
  // The name in another of the system's places.
  [`${system}services.exe`, 'c:\\windows\\svchost.exe', '-k netsvcs -p -s BITS', false],
  [`${system}services.exe`, `${system}wbem\\svchost.exe`, '-k netsvcs -p -s BITS', false],
  [`${system}cmd.exe`, `${system}svchost.exe`, '-k netsvcs -p -s BITS', false],
  // Through these a machine is administered: they are learned or they alarm.
  [`${system}services.exe`, `${system}svchost.exe`, '-k netsvcs -p -s seclogon', false],
  [`${system}services.exe`, `${system}svchost.exe`, '-k localService -p -s RemoteRegistry', false],
  [`${system}svchost.exe`, `${system}taskhostw.exe`, 'Install $(Arg0)', true],
  [`${system}svchost.exe`, `${system}taskhostw.exe`, 'c:\\x.dll', false],
  [`${system}svchost.exe`, `${system}wbem\\wmiadap.exe`, '/F /T /R', true],
  [`${system}svchost.exe`, `${system}wermgr.exe`, '-upload', true],
  [`${system}svchost.exe`, `${system}cmd.exe`, '', false],
  [`${system}svchost.exe`, `${system}rundll32.exe`, 'x.dll,Go', false],
  [`${system}svchost.exe`, `${system}compattelrunner.exe`, '-m:appraiser.dll -f:DoScheduledTelemetryRun', true],
  [`${system}svchost.exe`, `${system}compattelrunner.exe`, '-m:evil.dll -f:Go', false],
  [`${system}winlogon.exe`, `${system}atbroker.exe`, '', false],
  [`${system}svchost.exe`, 'c:\\program files\\windowsapps\\x_1\\x.exe', '-ServerName:App.mca', true],
  [`${system}svchost.exe`, 'c:\\users\\x\\windowsapps\\x.exe', '-ServerName:App.mca', false],
  [`${system}gpupdate.exe`, `${system}conhost.exe`, '0xffffffff -ForceV1', true],
  [`${system}svchost.exe`, `${system}conhost.exe`, '0xffffffff -ForceV1', false],
  [edge, edge, '--type=renderer --lang=en', true],
  [edge, edge, '--type=gpu-process --gpu-launcher=cmd', false],
  [edge, edge, '--headless --type=renderer', false],
  [`${system}cmd.exe`, edge, '--type=renderer', false],
  ['/opt/google/chrome/chrome', '/opt/google/chrome/chrome', '--type=zygote', true],
  ['/home/x/chrome', '/home/x/chrome', '--type=zygote', false],
];

test('what Windows starts by itself, and the parts of a browser', () => {
  for (const [parent, exe, said, expected] of windowsRows)
    assert.equal(isHelper(process(exe, [exe, ...said.split(' ')], parent)), expected, `${parent} ${exe} ${said}`);
});

test('hostile arguments are refused in no time', () => {
  const hostile = [`${system}taskhostw.exe`, ...Array.from({ length: 400 }, () => 'a'), '!'];
  const startedAt = performance.now();
  assert.equal(isHelper(process(`${system}taskhostw.exe`, hostile, `${system}svchost.exe`)), false);
  assert.ok(performance.now() - startedAt < 100);
});

test('helpers', () => {
  for (const [parent, exe, line, expected] of rows)
    assert.equal(isHelper(process(exe, line.split(' '), parent)), expected, line);
  assert.equal(systemProgramName('/usr/local/bin/tar'), null);
  assert.equal(systemProgramName('/usr/sbin/cron'), 'cron');
});
