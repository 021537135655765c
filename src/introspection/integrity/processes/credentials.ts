// Rights that no system call gives. Without executing a program, a process that may not change its user ids stays within those it has, and
// its capabilities only shrink; and no two processes share one record of credentials. What breaks these rules was written into memory.
// Source: kernel/cred.c, kernel/sys.c (setuid and relatives) and security/commoncap.c in Linux.
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import { findingsMax } from '../integrity-view.ts';
import type { IntegrityCheck, IntegrityFinding } from '../integrity-view.ts';
import { answer } from '../kernel/kernel-look.ts';
import { Unseen } from '../unseen.ts';
import type { CountedTask } from './process-census.ts';
import { factsOf, identityOf, programs, subjectOf } from './process-look.ts';
import type { ProcessLook } from './process-look.ts';

const covers =
  'The credentials of every thread: user ids or capabilities gained without executing a program, a record of credentials shared between processes or with the kernel, and rights borrowed for longer than a system call.';

interface Rights {
  readonly execGeneration: number;
  /** Real, effective, saved and file system user id, in the initial user namespace. */
  readonly uids: readonly number[];
  readonly permittedLow: number;
  readonly permittedHigh: number;
  readonly userNamespace: PhysicalAddress;
}

interface CredentialFields {
  readonly real: number;
  readonly uid: number;
  readonly euid: number;
  readonly suid: number;
  readonly fsuid: number;
  readonly permitted: number;
  readonly userNamespace: number;
}

/** From include/uapi/linux/capability.h. */
const capSetuid = 1 << 7;
/** Workers the kernel runs in a process for io_uring and the like: they take on others' rights by design. */
const kernelWorkerFlags = 0x4010;
const threadsMax = 65_536;

export class CredentialsCheck {
  #known = new Map<string, Rights>();

  look(look: ProcessLook): IntegrityCheck {
    const unseen = new Unseen();
    const findings: IntegrityFinding[] = [];
    const fields = credentialFields(look.space);
    if (fields === null) {
      unseen.note('this kernel’s credentials are not understood');
      return answer('credentials', covers, findings, unseen);
    }
    const now = new Map<string, Rights>();
    const holders = new Map<PhysicalAddress, CountedTask[]>();
    for (const counted of programs(look)) {
      if ((counted.facts.flags & kernelWorkerFlags) !== 0) continue;
      const real = look.space.maybePointer(counted.facts.task + fields.real);
      if (real === nowhere) continue;
      if (now.size >= threadsMax || findings.length >= findingsMax) {
        unseen.note('threads beyond those whose credentials are remembered');
        break;
      }
      add(holders, real, counted);
      this.#judge(look, counted, readRights(look.space, fields, counted, real), now, findings);
      if (real !== counted.facts.cred && confirmed(look, 'borrowed', counted)) findings.push(borrowed(look, counted));
    }
    this.#known = now;
    findings.push(...sharedCredentials(look, holders));
    return answer('credentials', covers, findings, unseen);
  }

  /** Rights gained are held against those before the gain for as long as they are kept. */
  #judge(
    look: ProcessLook,
    counted: CountedTask,
    rights: Rights,
    now: Map<string, Rights>,
    findings: IntegrityFinding[],
  ): void {
    const identity = identityOf(counted.facts);
    const before = this.#known.get(identity);
    const gain = before === undefined ? null : gainOf(before, rights);
    now.set(identity, gain === null || before === undefined ? rights : before);
    if (gain !== null && before !== undefined && confirmed(look, `gained ${gain}`, counted)) {
      findings.push(gained(look, counted, before, rights));
    }
  }
}

/** What no call could have brought about; null when all may be well. */
export function gainOf(before: Rights, now: Rights): 'ids' | 'capabilities' | null {
  // Executing a program, or entering a namespace of its own, gives new rights by right.
  if (now.execGeneration !== before.execGeneration || now.userNamespace !== before.userNamespace) return null;
  if ((before.permittedLow & capSetuid) === 0 && now.uids.some((uid) => !before.uids.includes(uid))) return 'ids';
  const more = (now.permittedLow & ~before.permittedLow) !== 0 || (now.permittedHigh & ~before.permittedHigh) !== 0;
  return more ? 'capabilities' : null;
}

function credentialFields({ profile: { fields } }: KernelSpace): CredentialFields | null {
  const real = fields['task_struct.real_cred'];
  const suid = fields['cred.suid'];
  const fsuid = fields['cred.fsuid'];
  const permitted = fields['cred.cap_permitted'];
  if (real === undefined || suid === undefined || fsuid === undefined || permitted === undefined) return null;
  const { 'cred.uid': uid, 'cred.euid': euid, 'cred.user_ns': userNamespace } = fields;
  return { real, uid, euid, suid, fsuid, permitted, userNamespace };
}

function readRights(
  space: KernelSpace,
  fields: CredentialFields,
  { facts }: CountedTask,
  real: PhysicalAddress,
): Rights {
  const { pages } = space;
  return {
    execGeneration: facts.execGeneration,
    uids: [fields.uid, fields.euid, fields.suid, fields.fsuid].map((at) => pages.u32(real + at)),
    permittedLow: pages.u32(real + fields.permitted),
    permittedHigh: pages.u32(real + fields.permitted + 4),
    userNamespace: space.maybePointer(real + fields.userNamespace),
  };
}

function confirmed(look: ProcessLook, what: string, { facts }: CountedTask): boolean {
  return look.persistence.confirm(`${what} ${identityOf(facts)}.${facts.execGeneration}`, look.now);
}

function add(holders: Map<PhysicalAddress, CountedTask[]>, cred: PhysicalAddress, counted: CountedTask): void {
  const known = holders.get(cred);
  if (known === undefined) holders.set(cred, [counted]);
  else known.push(counted);
}

/** Threads share their process's record; every fork makes one of its own. */
function sharedCredentials(
  look: ProcessLook,
  holders: ReadonlyMap<PhysicalAddress, readonly CountedTask[]>,
): readonly IntegrityFinding[] {
  const kernelOwn = look.space.optionalSymbol('init_cred');
  const findings: IntegrityFinding[] = [];
  for (const [cred, tasks] of holders) {
    const [first] = tasks;
    const byProcess = new Map(tasks.map((counted) => [counted.facts.tgid, counted]));
    if (first === undefined || (byProcess.size === 1 && cred !== kernelOwn)) continue;
    const processes = [...byProcess.keys()].sort((one, other) => one - other);
    for (const counted of byProcess.values()) {
      if (!confirmed(look, `shared ${cred.toString(16)}`, counted) || findings.length >= findingsMax) continue;
      const subject = subjectOf(counted.facts);
      const others = processes.filter((tgid) => tgid !== counted.facts.tgid);
      const owner = cred === kernelOwn ? 'the kernel itself' : `process ${others.slice(0, 8).join(', ')}`;
      findings.push({
        kind: 'shared-credentials',
        certainty: 'certain',
        subject,
        detail: `The ${subject} has the very credentials of ${owner}, which no system call gives.`,
        facts: { ...factsOf(look.space, counted.facts), credentials: `0x${cred.toString(16)}`, with: owner },
      });
    }
  }
  return findings;
}

function gained(look: ProcessLook, { facts }: CountedTask, before: Rights, now: Rights): IntegrityFinding {
  const subject = subjectOf(facts);
  const said = ({ uids, permittedHigh, permittedLow }: Rights): string =>
    `user ids ${uids.join('/')}, capabilities ${hex(permittedHigh)}${hex(permittedLow)}`;
  return {
    kind: 'changed-credentials',
    certainty: 'certain',
    subject,
    detail: `The ${subject} had ${said(before)} and has ${said(now)}, without a program executed that could have given them.`,
    facts: { ...factsOf(look.space, facts), before: said(before), now: said(now) },
  };
}

function borrowed(look: ProcessLook, { facts }: CountedTask): IntegrityFinding {
  const subject = subjectOf(facts);
  return {
    kind: 'borrowed-credentials',
    certainty: 'suspicious',
    subject,
    detail: `The ${subject} acts with other credentials than its own, for longer than a system call takes.`,
    facts: { ...factsOf(look.space, facts), uid: facts.uid, euid: facts.euid },
  };
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}
