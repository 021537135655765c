// A manifest out of a file a person names: as `manifest show --json` prints it, sealed, or the manifest alone.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { Manifest } from '../../model/manifest.ts';
import { findFaults, sayFault } from '../../model/shape-faults.ts';

/** The sealed envelope in a file, whatever it is worth: the seal is checked by whoever opens it. */
export function readEnvelope(file: string, text: string): Result<unknown> {
  const value = parsed(text);
  if (value !== undefined) return ok(part(value, 'sealed') ?? value);
  return fail(problem('unreadable', `${file} is not JSON.`, 'Write one with `plumbline manifest show VM --sealed`.'));
}

/** What a manifest says. Its seal is not asked for: nothing may rest on the answer but what a person reads. */
export function readManifest(file: string, text: string): Result<Manifest> {
  const value = parsed(text);
  const payload = part(part(value, 'sealed') ?? value, 'payload');
  const manifest =
    typeof payload === 'string'
      ? parsed(Buffer.from(payload, 'base64').toString('utf8'))
      : (part(value, 'manifest') ?? value);
  const [fault] = findFaults(Manifest, manifest);
  if (fault === undefined) return ok(manifest as Manifest);
  return fail(
    problem(
      'unreadable',
      `${file} holds no manifest: ${sayFault(fault)}.`,
      'Write one with `plumbline manifest show VM --json`.',
    ),
  );
}

function part(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
