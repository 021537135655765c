// The few registers of a virtual CPU that lead to its kernel, read from the text of HMP `info registers -a`.
// That text is not a stable interface, hence the tolerance.

export interface CpuRegisters {
  /** Page table root with its flag bits, as the CPU holds it. */
  readonly cr3: number;
  /** Bit 12 = five-level paging. */
  readonly cr4: number;
  /** Executing 64-bit code with paging; false in firmware and early boot. */
  readonly longMode: boolean;
  /** Bits 63..32 and 31..0 of the interrupt table's address: tells systems apart when no Linux kernel is found. */
  readonly interruptTable: { readonly high: number; readonly low: number };
}

const cpusMax = 1024;

/** One entry per CPU whose state could be read; none when the text is not what QEMU prints for x86. */
export function parseRegisters(text: string): readonly CpuRegisters[] {
  return text
    .split(/CPU#\d+/)
    .slice(1, cpusMax + 1)
    .flatMap((block) => parseCpu(block));
}

function parseCpu(block: string): readonly CpuRegisters[] {
  const cr0 = hex(/CR0=([0-9a-f]{1,16})/.exec(block)?.[1]);
  const cr3 = hex(/CR3=([0-9a-f]{1,16})/.exec(block)?.[1]);
  const cr4 = hex(/CR4=([0-9a-f]{1,16})/.exec(block)?.[1]);
  const efer = hex(/EFER=([0-9a-f]{1,16})/.exec(block)?.[1]);
  const idt = /IDT=\s*([0-9a-f]{1,16})/.exec(block)?.[1]?.padStart(16, '0') ?? '0'.repeat(16);
  if (cr3 === null || cr4 === null) return [];
  const paging = cr0 !== null && cr0 % 0x1_0000_0000 >= 0x8000_0000;
  const longModeActive = efer !== null && Math.floor(efer / 0x400) % 2 === 1;
  return [
    {
      cr3,
      cr4,
      longMode: paging && longModeActive,
      interruptTable: { high: Number.parseInt(idt.slice(0, 8), 16), low: Number.parseInt(idt.slice(8), 16) },
    },
  ];
}

function hex(digits: string | undefined): number | null {
  return digits === undefined ? null : Number.parseInt(digits, 16);
}
