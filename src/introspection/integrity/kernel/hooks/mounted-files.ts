// The operations of every mounted file system and of its root: a rootkit that hides files or processes swaps them for its own, for
// one directory only. The tables themselves must be the kernel's or a module's, and so must every function in them.
import { nowhere } from '../../../kernel/kernel-space.ts';
import type { IntegrityCheck, IntegrityFinding } from '../../integrity-view.ts';
import { answer } from '../kernel-look.ts';
import type { KernelLook } from '../kernel-look.ts';
import {
  atOffset,
  codeHigh,
  codeOffset,
  follow,
  hex,
  isNull,
  listNodes,
  locate,
  plus,
  wordAt,
} from './kernel-pointer.ts';
import type { Virtual } from './kernel-pointer.ts';
import { Unseen } from '../../unseen.ts';

const covers =
  'The tables of operations in use at the root of every mounted file system (/proc among them): each must be the kernel’s or a listed module’s own, and each function in it must lie in the code of one.';
const mountsMax = 4096;

export function checkMountedFiles(look: KernelLook): IntegrityCheck {
  const unseen = new Unseen();
  const { space, baseline } = look;
  const { fields, sizes } = space.profile;
  const head = baseline.map.landmarks.super_blocks;
  const [link, root, inode] = [fields['super_block.s_list'], fields['super_block.s_root'], fields['dentry.d_inode']];
  if (head === undefined || link === undefined || root === undefined || inode === undefined) {
    unseen.note('mounted file systems cannot be listed');
    return answer('mounted-files', covers, [], unseen);
  }
  const { nodes, whole } = listNodes(space, atOffset(space, head), mountsMax);
  if (!whole) unseen.note('the list of mounted file systems breaks off');
  const findings: IntegrityFinding[] = [];
  const judged = new Set<string>();
  for (const node of nodes) {
    const block = plus(node, -link);
    const name = typeName(look, block);
    const directory = follow(space, plus(block, root));
    if (isNull(directory)) continue;
    const file = follow(space, plus(directory, inode));
    const tables = [
      ['super', block, fields['super_block.s_op'], sizes.super_operations],
      ['entry', directory, fields['dentry.d_op'], sizes.dentry_operations],
      ['inode', file, fields['inode.i_op'], sizes.inode_operations],
      ['file', file, fields['inode.i_fop'], sizes.file_operations],
    ] as const;
    for (const [what, object, at, sizeBytes] of tables) {
      if (at === undefined || sizeBytes === undefined || isNull(object)) continue;
      const table = follow(space, plus(object, at));
      const key = `${what} ${name} ${hex(table)}`;
      if (isNull(table) || judged.has(key)) continue;
      judged.add(key);
      findings.push(...judgeTable(look, `${what} operations of ${name}`, table, sizeBytes));
    }
  }
  return answer('mounted-files', covers, findings, unseen);
}

function judgeTable(look: KernelLook, what: string, table: Virtual, sizeBytes: number): readonly IntegrityFinding[] {
  const { space } = look;
  if (!isDeclared(look, table)) {
    return [
      {
        kind: 'foreign-operations',
        certainty: 'certain',
        subject: what,
        detail: `The ${what} lie at ${hex(table)}, in memory of neither the kernel nor a listed module.`,
        facts: { address: hex(table) },
      },
    ];
  }
  const findings: IntegrityFinding[] = [];
  for (let at = 0; at + 8 <= sizeBytes; at += 8) {
    const where = locate(space, plus(table, at));
    const word = where === nowhere ? { high: 0, low: 0 } : wordAt(space, where);
    // Other members are counts, flags and pointers to data.
    if (word.high !== codeHigh || isDeclared(look, word) || look.owners.ofPointer(space, word) !== null) continue;
    findings.push({
      kind: 'hooked-table-entry',
      certainty: 'certain',
      subject: `${what}+0x${at.toString(16)}`,
      detail: `An entry of the ${what} leads to ${hex(word)}, which nothing answers for.`,
      facts: { address: hex(plus(table, at)), is: hex(word), owner: null },
    });
  }
  return findings;
}

/** In the kernel's image, or in memory of a listed module. */
function isDeclared(look: KernelLook, at: Virtual): boolean {
  const offset = codeOffset(look.space, at);
  if (offset === null) return false;
  if (offset < look.space.image.sizeBytes) return true;
  return look.modules.some(({ memory, code }) =>
    [...memory, ...code].some(({ start, end }) => offset >= start && offset < end),
  );
}

function typeName(look: KernelLook, block: Virtual): string {
  const { space } = look;
  const { fields } = space.profile;
  const [type, name] = [fields['super_block.s_type'], fields['file_system_type.name']];
  if (type === undefined || name === undefined) return 'a file system';
  const text = locate(space, follow(space, plus(follow(space, plus(block, type)), name)));
  return text === nowhere ? 'a file system' : space.pages.text(text, 32);
}
