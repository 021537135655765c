// Finds a running manager of this machine: its address and token stand as files in its state directory, readable by its owner only.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { problem } from '../kit/problem.ts';
import { fail, ok, type Result } from '../kit/result.ts';
import type { Connection } from './connect.ts';

export async function readConnection(stateDir: string): Promise<Result<Connection>> {
  const address = await readAddress(stateDir);
  if (!address.ok) return address;
  const token = await readText(join(stateDir, 'token'));
  return token.ok ? ok({ address: address.value, token: token.value.trim() }) : token;
}

async function readAddress(stateDir: string): Promise<Result<string>> {
  const file = join(stateDir, 'api.json');
  const text = await readText(file);
  if (!text.ok) return text;
  try {
    const { address } = JSON.parse(text.value) as { address?: unknown };
    if (typeof address === 'string' && /^http:\/\/[^/]+$/.test(address)) return ok(address);
  } catch {
    // Said below.
  }
  return fail(
    problem('unreadable', `${file} does not say where the manager listens.`, 'Start the manager again to rewrite it.'),
  );
}

async function readText(file: string): Promise<Result<string>> {
  try {
    return ok(await readFile(file, 'utf8'));
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code;
    if (code === 'ENOENT')
      return fail(
        problem(
          'not-found',
          `No manager has run here: ${file} does not exist.`,
          'Start one with `plumbline up`, or name its state directory.',
        ),
      );
    return fail(
      problem(
        'refused',
        `${file} cannot be read (${code ?? 'unknown error'}).`,
        'Use the account that runs the manager.',
      ),
    );
  }
}
