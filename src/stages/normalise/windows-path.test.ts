// One spelling for the paths of Windows, and none of them taken for a path of anything else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { windowsPath, withOwnName } from './windows-path.ts';

const svchost = 'c:\\windows\\system32\\svchost.exe';
const rows: readonly (readonly [string, string | null])[] = [
  ['C:\\Windows\\System32\\svchost.exe', svchost],
  ['c:\\WINDOWS\\system32\\svchost.exe', svchost],
  ['\\??\\C:\\Windows\\System32\\svchost.exe', svchost],
  ['\\\\?\\C:\\Windows\\System32\\svchost.exe', svchost],
  ['\\device\\harddiskvolume2\\windows\\system32\\svchost.exe', svchost],
  ['\\Device\\HarddiskVolume4\\tools\\x.exe', '\\device\\harddiskvolume4\\tools\\x.exe'],
  // Another drive is another program.
  ['E:\\Windows\\System32\\svchost.exe', 'e:\\windows\\system32\\svchost.exe'],
  ['System', null],
  ['/usr/bin/x', null],
  ['/tmp/a\\b', null],
];

test('paths of Windows', () => {
  for (const [path, expected] of rows) assert.equal(windowsPath(path), expected, path);
});

test('the first word of a Windows command line names the executable in one spelling', () => {
  const exe = 'c:\\windows\\system32\\wevtutil.exe';
  const rows = [
    [exe, ['wevtutil', 'gl'], [exe, 'gl']],
    [exe, ['C:\\Windows\\System32\\WEVTUTIL.EXE'], [exe]],
    [exe, ['\\??\\C:\\Windows\\system32\\wevtutil.exe', 'x'], [exe, 'x']],
    [exe, ['svchost.exe', '-k'], ['svchost.exe', '-k']],
    [exe, [], []],
    ['/usr/bin/env', ['ENV'], ['ENV']],
  ] as const;
  for (const [path, argv, expected] of rows) assert.deepEqual(withOwnName(path, argv), expected);
});
