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

test('helpers', () => {
  for (const [parent, exe, line, expected] of rows)
    assert.equal(isHelper(process(exe, line.split(' '), parent)), expected, line);
  assert.equal(systemProgramName('/usr/local/bin/tar'), null);
  assert.equal(systemProgramName('/usr/sbin/cron'), 'cron');
});
