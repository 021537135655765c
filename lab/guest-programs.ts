// The lab's own programs for guests, compiled static by the host's gcc, once per source text.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ok, type Result } from '../src/kit/result.ts';
import { cached, fingerprint } from './cache.ts';
import { runCommand } from './commands.ts';

const sources = join(import.meta.dirname, 'programs');
/** What a program asks of the compiler beside the usual. */
const ownFlags: Readonly<Record<string, readonly string[]>> = { 'first-write': ['-nostdlib'] };

/** Path of the compiled `lab/programs/NAME.c`; a program that has a version takes it here. */
export async function guestProgram(name: string, version?: string): Promise<Result<string>> {
  const source = join(sources, `${name}.c`);
  const defines = version === undefined ? [] : [`-DVERSION="${version}"`];
  const flags = ['-O1', '-static', '-s', ...(ownFlags[name] ?? []), ...defines];
  const key = `programs/${name}-${fingerprint(await readFile(source), ...flags)}`;
  const place = await cached(key, async (directory) => {
    const compiled = await runCommand(['gcc', ...flags, '-o', join(directory, name), source, '-lpthread']);
    return compiled.ok ? ok(undefined) : compiled;
  });
  return place.ok ? ok(join(place.value, name)) : place;
}
