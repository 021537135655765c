// The registers of an x86-64 CPU as QEMU's gdb stub gives them in answer to `g`: 608 bytes, little-endian, the sixteen
// general ones first (observed on QEMU 7.2; the order is that of gdb's org.gnu.gdb.i386.core feature).

export const registerNames = [
  'rax',
  'rbx',
  'rcx',
  'rdx',
  'rsi',
  'rdi',
  'rbp',
  'rsp',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
  'rip',
] as const;
export type RegisterName = (typeof registerNames)[number];

const offsets = Object.fromEntries(registerNames.map((name, index) => [name, 8 * index])) as Record<
  RegisterName,
  number
>;
/** Without the instruction pointer, which is the last of those named. */
const generalCount = registerNames.length - 1;
const generalBytes = 8 * registerNames.length;
const at = { codeSegment: 140, gsBase: 172, cr0: 188, cr3: 204, cr4: 212, efer: 228 } as const;
/** Up to and including the last of those. */
const bytesMin = 236;

/** In halves: a 64-bit value does not fit an exact Number. Offsets are those of the stub's answer. */
export class Registers {
  readonly bytes: Buffer;
  /** The same by fours, for what is asked of every register at every stop. */
  readonly #words: Uint32Array;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#words = new Uint32Array(generalBytes / 4);
    bytes.copy(new Uint8Array(this.#words.buffer), 0, 0, generalBytes);
  }

  low(register: RegisterName): number {
    return this.#words[offsets[register] / 4] ?? 0;
  }

  high(register: RegisterName): number {
    return this.#words[offsets[register] / 4 + 1] ?? 0;
  }

  /** The first general register, in the order of `registerNames`, that holds exactly this value; null when none does. */
  holding(high: number, low: number): RegisterName | null {
    const words = this.#words;
    for (let index = 0; index < generalCount; index += 1) {
      if (words[2 * index] === low && words[2 * index + 1] === high) return registerNames[index] ?? null;
    }
    return null;
  }

  /** Running the kernel rather than a program: the two low bits of the code segment are its privilege level. */
  get inKernel(): boolean {
    return this.bytes.readUInt32LE(at.codeSegment) % 4 === 0;
  }

  /** In the kernel, where the CPU's own data starts. */
  get gsBase(): { readonly high: number; readonly low: number } {
    return { high: this.bytes.readUInt32LE(at.gsBase + 4), low: this.bytes.readUInt32LE(at.gsBase) };
  }

  /** Page table root with its flag bits; physical addresses have at most 52 bits, so it is exact. */
  get cr3(): number {
    return (this.bytes.readUInt32LE(at.cr3 + 4) % 0x10_0000) * 0x1_0000_0000 + this.bytes.readUInt32LE(at.cr3);
  }

  get cr4(): number {
    return this.bytes.readUInt32LE(at.cr4);
  }

  /** Executing 64-bit code with paging; false in firmware and early boot. */
  get longMode(): boolean {
    const paging = this.bytes.readUInt32LE(at.cr0) >= 0x8000_0000;
    return paging && (this.bytes.readUInt32LE(at.efer) & 0x400) !== 0;
  }
}

/** The answer to `g`; null when it is too short or no hexadecimal, as an error is. */
export function parseRegisterBytes(answer: string): Registers | null {
  const bytes = Buffer.from(answer, 'hex');
  return bytes.length >= bytesMin && bytes.length * 2 === answer.length ? new Registers(bytes) : null;
}

/** The command that sets one register of the selected vCPU. */
export function setRegister(register: RegisterName, value: { readonly high: number; readonly low: number }): string {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(value.low, 0);
  bytes.writeUInt32LE(value.high, 4);
  return `P${(offsets[register] / 8).toString(16)}=${bytes.toString('hex')}`;
}
