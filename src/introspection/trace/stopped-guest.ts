// The guest at one stop: its CPUs' registers, who runs on them, and what is to be written before it runs on.
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import type { PhysicalAddress, WritableGuestMemory } from '../memory/guest-memory.ts';
import { setRegister } from '../../protocols/gdb/registers.ts';
import type { RegisterName, Registers } from '../../protocols/gdb/registers.ts';
import type { KernelAddress, StoppedCpu, StoppedGuest } from './hook.ts';

/** Registers set at one stop, all CPUs together; a refusal sets three. */
const settingsMax = 1024;

class Cpu implements StoppedCpu {
  readonly thread: number;
  readonly registers: Registers;
  readonly #space: KernelSpace;
  #current: PhysicalAddress | null = null;

  constructor(space: KernelSpace, thread: number, registers: Registers) {
    this.#space = space;
    this.thread = thread;
    this.registers = registers;
  }

  get current(): PhysicalAddress {
    this.#current ??= this.registers.inKernel ? currentTask(this.#space, this.registers) : nowhere;
    return this.#current;
  }
}

/** To 6.1 and from 6.15 on a variable of its own; between them the first of the few that are used most. */
function currentTask(space: KernelSpace, registers: Registers): PhysicalAddress {
  const { high, low } = registers.gsBase;
  const own = space.perCpu('current_task', high, low);
  if (own !== nowhere) return space.maybePointer(own);
  const hot = space.perCpu('pcpu_hot', high, low);
  const within = space.profile.fields['pcpu_hot.current_task'];
  return hot === nowhere || within === undefined ? nowhere : space.maybePointer(hot + within);
}

export class GuestAtStop implements StoppedGuest {
  readonly space: KernelSpace;
  readonly cpus: readonly StoppedCpu[];
  readonly #memory: WritableGuestMemory | null;
  readonly #settings = new Map<number, string[]>();
  readonly #sent = new Set<number>();
  #count = 0;

  /** `memory` null: nothing may be written. */
  constructor(space: KernelSpace, memory: WritableGuestMemory | null, cpus: readonly (readonly [number, Registers])[]) {
    this.space = space;
    this.#memory = memory;
    this.cpus = cpus.map(([thread, registers]) => new Cpu(space, thread, registers));
  }

  setRegister(cpu: StoppedCpu, register: RegisterName, value: KernelAddress): void {
    if (this.#count >= settingsMax) throw new RangeError('too many registers are to be set at one stop');
    this.#count += 1;
    if (register === 'rip') this.#sent.add(cpu.thread);
    const settings = this.#settings.get(cpu.thread) ?? [];
    this.#settings.set(cpu.thread, [...settings, setRegister(register, value)]);
  }

  write(at: PhysicalAddress, bytes: Uint8Array): boolean {
    if (this.#memory === null || !this.#memory.write(at, bytes)) return false;
    this.space.pages.refresh(at);
    this.space.pages.refresh(at + bytes.length - 1);
    return true;
  }

  /** Whether it will run on elsewhere: its instruction pointer was set. */
  isSent(cpu: StoppedCpu): boolean {
    return this.#sent.has(cpu.thread);
  }

  /** The commands that carry out what was set, each CPU selected once; they are given out once. */
  takeSettings(): readonly string[] {
    const settings = [...this.#settings].flatMap(([thread, words]) => [selectCpu(thread), ...words]);
    this.#settings.clear();
    return settings;
  }
}

export function selectCpu(thread: number): string {
  return `Hg${thread.toString(16).padStart(2, '0')}`;
}
