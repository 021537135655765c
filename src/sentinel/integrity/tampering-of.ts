// Which guard event a finding of integrity is.
import type { IntegrityFinding } from '../../introspection/integrity/integrity-view.ts';
import type { Tampering } from '../../model/guard-event.ts';

/** What stands here is told under its own name; every other finding, also one that is added later, is one of the kernel or of a process. */
const kinds: Readonly<Record<string, Tampering>> = {
  'hidden-module': 'module-hidden',
  'half-hidden-module': 'module-hidden',
  'hidden-process': 'process-hidden',
  'hidden-thread': 'process-hidden',
  'forged-process-id': 'process-hidden',
  'changed-credentials': 'credentials-changed',
  'borrowed-credentials': 'credentials-changed',
  'shared-credentials': 'credentials-changed',
  'changed-executable': 'executable-changed',
  'patched-code': 'executable-changed',
  'anonymous-code': 'process-tampered',
  'writable-code': 'process-tampered',
};

/** Null for what legitimate software does as well: it is shown to whoever looks, and alarms nobody. */
export function tamperingOf({ kind, certainty, subject }: IntegrityFinding): Tampering | null {
  if (certainty !== 'certain') return null;
  return kinds[kind] ?? (/^(process|thread) /.test(subject) ? 'process-tampered' : 'kernel-tampered');
}
