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

/** In halves: a 64-bit value does not fit an exact Number. Offsets are those of the stub's answer. */
export class Registers {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  low(register: RegisterName): number {
    return this.bytes.readUInt32LE(registerNames.indexOf(register) * 8);
  }

  high(register: RegisterName): number {
    return this.bytes.readUInt32LE(registerNames.indexOf(register) * 8 + 4);
  }
}
