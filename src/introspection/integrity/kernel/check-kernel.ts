// The integrity of a guest's kernel: all checks in one look, and what several looks agree on. A kernel changes itself while it is being
// read, so that only what every look shows is a finding.
import type { CpuRegisters } from '../../hypervisor/cpu-registers.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import type { IntegrityCheck, IntegrityFinding } from '../integrity-view.ts';
import type { KernelBaseline } from './baseline.ts';
import { checkExecutableMemory } from './modules/executable-memory.ts';
import { checkFunctionTables } from './hooks/function-tables.ts';
import { checkHookLists } from './hooks/hook-lists.ts';
import { checkRegion } from './code/image-check.ts';
import { checkInterrupts } from './hooks/interrupt-check.ts';
import { beginLook } from './kernel-look.ts';
import type { KernelLook } from './kernel-look.ts';
import { readKernelState } from './kernel-state.ts';
import type { KernelState } from './kernel-state.ts';
import { checkModules } from './modules/module-check.ts';
import type { ModuleCode } from './modules/module-code.ts';
import { checkMountedFiles } from './hooks/mounted-files.ts';

export interface KernelIntegrity {
  readonly baseline: {
    readonly source: KernelBaseline['source'];
    /** One sentence: what is taken for the truth, and how far that goes. */
    readonly says: string;
    readonly fileSha256: string | null;
  };
  readonly checks: readonly IntegrityCheck[];
  readonly state: KernelState;
}

/** What no check of this kernel can see, said once with every answer. */
const unseenRegisters = {
  what: 'the processors’ registers for system calls (MSR_LSTAR), which QEMU’s monitor does not show',
  count: 1,
} as const;

/** Checks that go over lists and tables, each some milliseconds; the image's slices come beside them. */
export const listChecks: readonly ((
  look: KernelLook,
  cpus: readonly CpuRegisters[],
  modules: ModuleCode,
) => IntegrityCheck)[] = [
  (look, cpus) => {
    const interrupts = checkInterrupts(look, cpus);
    return { ...interrupts, couldNotSee: [...interrupts.couldNotSee, unseenRegisters] };
  },
  (look) => checkFunctionTables(look),
  (look) => checkHookLists(look),
  (look) => checkMountedFiles(look),
  (look) => checkModules(look),
  (look, _, modules) => modules.check(look),
  (look) => checkExecutableMemory(look),
];

/** One look. What it finds may be a change in the making: hold it against further looks with `agreeing`. */
export function checkKernel(
  space: KernelSpace,
  baseline: KernelBaseline,
  cpus: readonly CpuRegisters[],
  modules: ModuleCode,
): KernelIntegrity {
  const look = beginLook(space, baseline);
  const checks = [
    checkRegion(look, 'code'),
    checkRegion(look, 'constants'),
    ...listChecks.map((check) => check(look, cpus, modules)),
  ];
  return { baseline: sayBaseline(baseline), checks: withDoubts(checks, baseline), state: readKernelState(look) };
}

export function hasFindings(integrity: KernelIntegrity): boolean {
  return integrity.checks.some(({ findings }) => findings.length > 0);
}

/** Kinds that a correct kernel shows for a moment: while it patches a place, loads a module, takes a tracer out. */
const movingKinds = new Set([
  'hook-in-patch-site',
  'unowned-kernel-code',
  'hooked-function',
  'hidden-module',
  'half-hidden-module',
]);

export function isMoving(finding: IntegrityFinding): boolean {
  return movingKinds.has(finding.kind);
}

export function hasMovingFindings(integrity: KernelIntegrity): boolean {
  return integrity.checks.some(({ findings }) => findings.some(isMoving));
}

/** What the last look showed, with only those findings that every look shows. */
export function agreeing(looks: readonly KernelIntegrity[], last: KernelIntegrity): KernelIntegrity {
  const seen = looks.map((look) => new Set(look.checks.flatMap(({ findings }) => findings.map(keyOf))));
  const checks = last.checks.map((check) => ({
    ...check,
    findings: check.findings.filter((finding) => seen.every((keys) => keys.has(keyOf(finding)))),
  }));
  return { ...last, checks };
}

export function keyOf(finding: IntegrityFinding): string {
  return `${finding.kind} ${finding.subject} ${String(finding.facts['is'] ?? '')}`;
}

/** What already differed when the baseline was taken is in the baseline: it stays a finding for as long as this one is used. */
export function withDoubts(checks: readonly IntegrityCheck[], baseline: KernelBaseline): readonly IntegrityCheck[] {
  return checks.map((check) => ({
    ...check,
    findings: [
      ...baseline.doubts.filter(({ check: of }) => of === check.check).map(({ finding }) => finding),
      ...check.findings,
    ],
  }));
}

export function sayBaseline(baseline: KernelBaseline): KernelIntegrity['baseline'] {
  const { source, fileSha256 } = baseline;
  const says =
    source === 'kernel-image'
      ? 'The kernel’s code and constants were held byte by byte against the distribution’s kernel file, and are held against that state since; what the kernel sets once as it boots, its writable tables and its modules are held against how they were first seen.'
      : 'The kernel is held against how it was when it was first looked at: what had been changed before, other than places the kernel patches, is not noticed.';
  return { source, says, fileSha256 };
}
