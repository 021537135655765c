// A function that is not run: the CPU, stopped before its first instruction, is put where the function would have returned to, with an error
// as its answer. For breakpoints (KVM). The returning itself is left out rather than sent through the kernel's own return code, which warns
// of callers it does not know (kernels from 6.12 on taint themselves).
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import { nowhere } from '../../kernel/kernel-space.ts';
import type { StoppedCpu, StoppedGuest } from '../hook.ts';
import { addressAt, addressIn, codeOffset, plus } from './kernel-address.ts';

/** Answers `-errno` for the function; false when the CPU's stack does not say where to go back to. */
export function returnError(guest: StoppedGuest, cpu: StoppedCpu, errno: number): boolean {
  const stack = addressIn(cpu.registers, 'rsp');
  const back = returnAddress(guest.space, cpu);
  if (back === null) return false;
  guest.setRegister(cpu, 'rax', { high: 0xffff_ffff, low: 0x1_0000_0000 - errno });
  guest.setRegister(cpu, 'rsp', plus(stack, 8));
  guest.setRegister(cpu, 'rip', back);
  return true;
}

function returnAddress(space: KernelSpace, { registers }: StoppedCpu) {
  const at = space.anywhere(registers.high('rsp'), registers.low('rsp'));
  if (at === nowhere || registers.low('rsp') % 8 !== 0) return null;
  const back = addressAt(space, at);
  return codeOffset(space, back) === null ? null : back;
}
