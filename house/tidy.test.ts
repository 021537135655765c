// House rules that a machine can check. A rule said twice in review becomes a test here.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { isTest, root, sourceFiles, textOf } from './source-files.ts';

const code = sourceFiles(['.ts', '.mjs', '.js']).filter((path) => !path.startsWith('web/vendor/'));
const prose = sourceFiles(['.md']);
const lineMax = 400;

function offenders(paths: readonly string[], isWrong: (path: string, text: string) => boolean): string[] {
  return paths.filter((path) => isWrong(path, textOf(path)));
}

test('the tree was read', () => {
  assert.ok(code.length > 30 && prose.length > 5, `${code.length} code files, ${prose.length} documents`);
});

test(`no file is longer than ${lineMax} lines, data tables apart`, () => {
  assert.deepEqual(
    offenders(code, (path, text) => !path.endsWith('.data.ts') && text.split('\n').length > lineMax + 1),
    [],
  );
});

test('every file says in its first line what it is for', () => {
  assert.deepEqual(
    offenders(code, (_, text) => !/^(#!.*\n)?(\/\/ .{15,}|\/\*)/.test(text)),
    [],
  );
});

test('names say what is in a file', () => {
  assert.deepEqual(
    code.filter((path) => /(^|\/)(utils?|helpers?|common|misc|index|manager)\.(ts|js|mjs)$/.test(path)),
    [],
  );
  assert.deepEqual(
    code.filter((path) => !/^[a-z0-9.-]+$/.test(path.split('/').at(-1) ?? '')),
    [],
  );
});

test('nothing is left for later without a place in docs/limitations.md', () => {
  const leftover = /TOD[O]|FIXM[E]|XX[X]|not implemente[d]/;
  assert.deepEqual(
    offenders(code, (_, text) => leftover.test(text)),
    [],
  );
});

test('no test is switched off by hand, and none asserts nothing', () => {
  const hollow = /\.(only|tod[o])\(|assert\.ok\(tru[e]\)|\bskip: tru[e]\b/;
  assert.deepEqual(
    offenders(
      code.filter((path) => path.endsWith('.test.ts')),
      (_, text) => hollow.test(text) || !/\bassert\b|fc\.assert|check/.test(text),
    ),
    [],
  );
});

test('the environment is read in mains, tools and tests only', () => {
  const mains = /^(bin|scripts|lab|bench|e2e|house)\/|^src\/cli\//;
  assert.deepEqual(
    offenders(
      code.filter((path) => !mains.test(path) && !isTest(path)),
      (_, text) => /process\.env\b/.test(text),
    ),
    [],
  );
});

test('stages never read a clock or roll dice', () => {
  assert.deepEqual(
    offenders(
      code.filter((path) => /^src\/(stages|pattern|model)\//.test(path) && !isTest(path)),
      (_, text) => /Date\.now\(|performance\.|Math\.random\(|new Date\(\)/.test(text),
    ),
    [],
  );
});

test('every sensor and connector has a README', () => {
  const folders = new Set(
    code.flatMap((path) => /^src\/(sensors\/[^/]+|connectors\/[^/]+\/[^/]+)\//.exec(path)?.[0] ?? []),
  );
  assert.ok(folders.size > 0);
  assert.deepEqual(
    [...folders].filter((folder) => !existsSync(join(root, folder, 'README.md'))),
    [],
  );
});

test('links between documents lead somewhere', () => {
  const broken = prose.flatMap((path) =>
    [...textOf(path).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)]
      .map((match) => match[1] ?? '')
      .filter((target) => !existsSync(join(root, dirname(path), target)))
      .map((target) => `${path} -> ${target}`),
  );
  assert.deepEqual(broken, []);
});

test('architecture decisions are numbered without gaps', () => {
  const numbers = prose.flatMap((path) => /^docs\/adr\/(\d{4})-[a-z0-9-]+\.md$/.exec(path)?.[1] ?? []).toSorted();
  assert.ok(numbers.length > 0);
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => String(i + 1).padStart(4, '0')),
  );
});
