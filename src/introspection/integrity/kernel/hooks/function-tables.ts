// Writable tables of function pointers that the kernel's code declares (tcp_prot, protocol families, handlers): each word that led
// into the kernel's code must still lead where it did. Constant tables are covered byte by byte elsewhere.
import type { IntegrityCheck, IntegrityFinding } from '../../integrity-view.ts';
import { answer } from '../kernel-look.ts';
import type { KernelLook } from '../kernel-look.ts';
import { atOffset, hex, isNull, wordAt } from './kernel-pointer.ts';
import { Unseen } from '../../unseen.ts';

const covers =
  'Function pointers in the kernel’s writable tables (protocols, protocol families, handlers, operations), each against the function it named in the baseline.';

export function checkFunctionTables(look: KernelLook): IntegrityCheck {
  const unseen = new Unseen();
  const { space, baseline, owners, names } = look;
  const findings: IntegrityFinding[] = [];
  for (const { offset, low, name } of baseline.tableWords) {
    const now = wordAt(space, space.image.textPhysical + offset);
    if (now.low === low && now.high === 0xffff_ffff) continue;
    // A function taken out of its table hides nothing: it is not called any more.
    if (isNull(now)) continue;
    const owner = owners.ofPointer(space, now);
    const target = names.of(now);
    findings.push({
      kind: 'hooked-table-entry',
      certainty: owner === null ? 'certain' : 'suspicious',
      subject: name,
      detail: `The table entry ${name} led to ${names.ofOffset(low - space.image.textLow)} and now leads to ${owner === null ? `${target}, which nothing answers for` : target}.`,
      facts: {
        address: hex(atOffset(space, offset)),
        was: hex({ high: 0xffff_ffff, low }),
        is: hex(now),
        owner: owner?.name ?? null,
      },
    });
  }
  return answer('function-tables', covers, findings, unseen);
}
