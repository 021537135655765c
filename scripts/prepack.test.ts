// What a user gets from the registry: packed, installed into an empty directory and run there on a plain Node.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

function run(cwd: string, command: string, ...args: string[]) {
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` };
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: 120_000 });
  return { status, stdout, stderr };
}

/** Imports the library as a program of somebody else's would. */
const library = `import { attach, findGuests } from 'plumbline/introspection';
if (typeof attach !== 'function' || findGuests().ok !== true) throw new Error('the library cannot be used');
await import('plumbline/dist/cli/main.js').then(() => { throw new Error('more is exported than was promised'); }, () => {});
`;

test('the packed package installs, starts and keeps its tests and sources at home', () => {
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-package-'));
  try {
    const compiled = run(root, process.execPath, 'scripts/prepack.ts');
    assert.equal(compiled.status, 0, compiled.stderr);
    const packed = run(root, 'npm', 'pack', '--ignore-scripts', '--json', '--pack-destination', directory);
    assert.equal(packed.status, 0, packed.stderr);
    const [{ filename, files }] = JSON.parse(packed.stdout) as [{ filename: string; files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    for (const needed of [
      'bin/plumbline',
      'bin/package.json',
      'bin/node-settings.js',
      'bin/stop-child.js',
      'dist/cli/main.js',
      'web/index.html',
      'LICENSE',
      'README.md',
    ])
      assert.ok(paths.includes(needed), `${needed} is missing`);
    assert.deepEqual(
      paths.filter((path) => /\.test\.|^(src|lab|house|e2e|scripts)\/|\/sim\//.test(path)),
      [],
    );

    writeFileSync(join(directory, 'package.json'), '{ "private": true, "type": "module" }');
    const installed = run(directory, 'npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', `./${filename}`);
    assert.equal(installed.status, 0, installed.stderr);
    const plumbline = join(directory, 'node_modules', '.bin', 'plumbline');
    assert.equal(run(directory, plumbline, '--version').stdout, `${version}\n`);
    const vms = run(directory, plumbline, 'vms', '--json', '--state', join(directory, 'state'));
    assert.equal(vms.status, 0, vms.stderr);
    assert.ok(Array.isArray(JSON.parse(vms.stdout)));
    const unknown = run(directory, plumbline, 'ps', 'no-such-vm', '--state', join(directory, 'state'));
    assert.equal(unknown.status, 3, unknown.stderr);

    writeFileSync(join(directory, 'use.js'), library);
    assert.deepEqual(run(directory, process.execPath, 'use.js'), { status: 0, stdout: '', stderr: '' });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
