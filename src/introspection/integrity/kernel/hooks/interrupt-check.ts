// The interrupt table: where every processor says it is, and each gate against its baseline.
// Source: Intel SDM volume 3A, 6.14 (64-bit gates: offset in bytes 0-1, 6-7, 8-11; present = bit 7 of byte 5).
import type { CpuRegisters } from '../../../hypervisor/cpu-registers.ts';
import type { IntegrityCheck, IntegrityFinding } from '../../integrity-view.ts';
import { interruptTableBytes } from '../baseline.ts';
import { answer } from '../kernel-look.ts';
import type { KernelLook } from '../kernel-look.ts';
import { atOffset, hex, locate } from './kernel-pointer.ts';
import { Unseen } from '../../unseen.ts';

const covers =
  'The interrupt table: that every processor uses the kernel’s own, and that each gate leads into the kernel’s code, as it did in the baseline.';
const gateBytes = 16;
/** Exceptions that nothing uses keep the handlers of early boot, whose code is gone. */
const exceptions = 32;

export function checkInterrupts(look: KernelLook, cpus: readonly CpuRegisters[]): IntegrityCheck {
  const { space, baseline } = look;
  const unseen = new Unseen();
  const offset = baseline.map.landmarks.idt_table;
  if (offset === undefined) {
    unseen.note('the kernel does not say where its interrupt table lies');
    return answer('interrupts', covers, [], unseen);
  }
  const own = space.image.textPhysical + offset;
  const findings: IntegrityFinding[] = [];
  cpus.forEach((cpu, index) => {
    if (!cpu.longMode || locate(space, cpu.interruptTable) === own) return;
    findings.push({
      kind: 'foreign-interrupt-table',
      certainty: 'certain',
      subject: `processor ${index}`,
      detail: `Processor ${index} takes its interrupts from a table at ${hex(cpu.interruptTable)} that is not the kernel’s.`,
      facts: { address: hex(cpu.interruptTable), kernels: hex(atOffset(space, offset)) },
    });
  });
  if (cpus.length === 0) unseen.note('the processors’ registers were not read');
  const now = Buffer.alloc(interruptTableBytes);
  if (!space.pages.memory.read(own, now, 0, now.length)) unseen.note('the interrupt table cannot be read');
  else findings.push(...changedGates(look, now));
  return answer('interrupts', covers, findings, unseen);
}

function changedGates(look: KernelLook, now: Buffer): readonly IntegrityFinding[] {
  const { space, baseline, owners, names } = look;
  const { _sinittext: early, _einittext: earlyEnd } = baseline.map.landmarks;
  const findings: IntegrityFinding[] = [];
  for (let vector = 0; vector < interruptTableBytes / gateBytes; vector += 1) {
    const at = vector * gateBytes;
    if (((now[at + 5] ?? 0) & 0x80) === 0) continue;
    const handler = gateTarget(now, at);
    const changed = baseline.interruptTable.compare(now, at, at + gateBytes, at, at + gateBytes) !== 0;
    const within = handler.low - space.image.textLow;
    const isEarly = vector < exceptions && within >= (early ?? 0) && within < (earlyEnd ?? 0);
    const owner = owners.ofPointer(space, handler);
    if (!changed && (owner?.kind === 'kernel' || isEarly)) continue;
    findings.push({
      kind: 'hooked-interrupt',
      certainty: 'certain',
      subject: `interrupt ${vector}`,
      detail: changed
        ? `The gate of interrupt ${vector} led to ${names.of(gateTarget(baseline.interruptTable, at))} and now leads to ${names.of(handler)}.`
        : `The gate of interrupt ${vector} leads to ${names.of(handler)}, outside the kernel’s code.`,
      facts: {
        vector,
        was: baseline.interruptTable.toString('hex', at, at + gateBytes),
        is: now.toString('hex', at, at + gateBytes),
      },
    });
  }
  return findings;
}

function gateTarget(table: Buffer, at: number) {
  return { high: table.readUInt32LE(at + 8), low: table.readUInt16LE(at) + table.readUInt16LE(at + 6) * 0x1_0000 };
}
