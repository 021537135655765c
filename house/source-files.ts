// The files git knows, and what each imports, read with a real parser.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { parseSync } from 'oxc-parser';

export const root = join(import.meta.dirname, '..');

/** Tracked and new files (what git ignores stays out), paths from the root with forward slashes. */
export function sourceFiles(endings: readonly string[]): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  return listed
    .split('\n')
    .filter((path) => endings.some((ending) => path.endsWith(ending)) && existsSync(join(root, path)));
}

export function textOf(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

export interface Import {
  readonly specifier: string;
  /** The imported file from the root; null for an npm package or a Node module. */
  readonly file: string | null;
}

export function importsOf(path: string): Import[] {
  const { module } = parseSync(path, textOf(path));
  const specifiers = [
    ...module.staticImports.map((found) => found.moduleRequest.value),
    ...module.staticExports.flatMap((found) =>
      found.entries.flatMap((entry) => (entry.moduleRequest ? [entry.moduleRequest.value] : [])),
    ),
    ...module.dynamicImports.flatMap((found) => {
      const text = textOf(path).slice(found.moduleRequest.start, found.moduleRequest.end);
      return /^['"]/.test(text) ? [text.slice(1, -1)] : [];
    }),
  ];
  return specifiers.map((specifier) => ({
    specifier,
    file: specifier.startsWith('.') ? posix.normalize(posix.join(dirname(path), specifier)) : null,
  }));
}

/** A test, or a suite that several tests run against several implementations. */
export function isTest(path: string): boolean {
  return /(\.test|-suite)\.ts$/.test(path);
}
