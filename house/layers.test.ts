// Holds every import of the tree against the may-import table.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mayImport, outsideRooms, roomOf, ruleOf, testOnlyRooms } from './layers.ts';
import { importsOf, isTest, sourceFiles } from './source-files.ts';

const files = sourceFiles(['.ts', '.mjs', '.js']);

test('every source file stands in a room', () => {
  const homeless = files.filter((path) => roomOf(path) === null);
  assert.deepEqual(homeless, []);
});

test('no import runs along a forbidden arrow', () => {
  let seen = 0;
  const broken: string[] = [];
  for (const path of files) {
    const from = roomOf(path);
    if (from === null) continue;
    for (const { file } of importsOf(path)) {
      if (file === null) continue;
      seen += 1;
      const to = roomOf(file);
      if (to === null || !isAllowed(path, from, to)) broken.push(`${path} -> ${file}`);
    }
  }
  assert.deepEqual(broken, []);
  // A parser that found nothing would pass the line above as well.
  assert.ok(seen > 20, `only ${seen} imports were seen`);
});

test('production code imports only the npm packages its room names', () => {
  const broken: string[] = [];
  for (const path of files.filter((path) => path.startsWith('src/') && !isTest(path))) {
    const allowed = ruleOf(roomOf(path) ?? '')?.packages ?? [];
    for (const { specifier, file } of importsOf(path)) {
      if (file !== null || specifier.startsWith('node:')) continue;
      const name = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
      if (!allowed.includes(name)) broken.push(`${path} -> ${name}`);
    }
  }
  assert.deepEqual(broken, []);
});

const arrows: readonly (readonly [string, string, boolean])[] = [
  ['kit', 'model', false],
  ['model', 'kit', true],
  ['stages/detect', 'stages/learn', false],
  ['stages/detect', 'pattern', true],
  ['introspection', 'model', false],
  ['sentinel', 'manager', false],
  ['manager', 'sentinel', false],
  ['manager', 'introspection', false],
  ['manager', 'connectors/siem/webhook', true],
  ['sentinel', 'connectors/enforcement/qemu', true],
  ['sentinel', 'connectors/siem/webhook', false],
  ['connectors/enforcement/qemu', 'connectors/enforcement', true],
  ['connectors/enforcement/qemu', 'connectors/enforcement/libvirt', false],
  ['sensors/ndjson', 'introspection', false],
  ['sensors/introspection', 'introspection', true],
  ['cli', 'sentinel', true],
  ['client', 'manager', false],
];

test('the table says what the architecture says', () => {
  for (const [from, to, expected] of arrows) assert.equal(mayImport(from, to), expected, `${from} -> ${to}`);
});

function isAllowed(path: string, from: string, to: string): boolean {
  // A test may stand on fakes and the lab, and may use the API as its users do.
  if (isTest(path) && (testOnlyRooms.includes(to) || to === 'house' || to === 'client')) return true;
  if (!outsideRooms.includes(from) && outsideRooms.includes(to)) return false;
  if (to === 'sim' && from !== 'sim') return testOnlyRooms.includes(from) || from === 'bench';
  return mayImport(from, to);
}
