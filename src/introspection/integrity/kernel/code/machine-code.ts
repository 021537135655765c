// The few machine instructions a kernel writes over its own code: jumps, calls and instructions that do nothing. Positions are
// offsets from `_text`, so that a target is the same wherever the kernel runs.
// Source: arch/x86/include/asm/nops.h and text-patching.h in Linux; Intel SDM volume 2.

export const opcode = { call: 0xe8, jump: 0xe9, shortJump: 0xeb, return: 0xc3, trap: 0xcc } as const;

/** What a relative call or jump at `bytes[index]`, which lies at `offset`, leads to; null when there is none. */
export function relativeTarget(bytes: Buffer, index: number, offset: number): number | null {
  const first = bytes[index];
  if (first === opcode.call || first === opcode.jump) {
    return index + 5 > bytes.length ? null : offset + 5 + bytes.readInt32LE(index + 1);
  }
  if (first === opcode.shortJump) return index + 2 > bytes.length ? null : offset + 2 + bytes.readInt8(index + 1);
  const conditional = first === 0x0f && ((bytes[index + 1] ?? 0) & 0xf0) === 0x80;
  return conditional && index + 6 <= bytes.length ? offset + 6 + bytes.readInt32LE(index + 2) : null;
}

/** How many bytes the instruction that does nothing at `index` takes; 0 when it does something. */
export function idleLength(bytes: Buffer, index: number): number {
  let at = index;
  while (bytes[at] === 0x66 && at - index < 6) at += 1;
  if (bytes[at] === 0x90) return at + 1 - index;
  if (bytes[at] === 0x2e) at += 1;
  if (bytes[at] !== 0x0f || bytes[at + 1] !== 0x1f) return 0;
  const form = bytes[at + 2] ?? 0;
  const displacement = form >> 6 === 1 ? 1 : form >> 6 === 2 ? 4 : 0;
  const scaled = (form & 7) === 4 ? 1 : 0;
  return form >> 3 === (form >> 6) << 3 ? at + 3 + scaled + displacement - index : 0;
}

/** Whether `bytes[from..to)` do nothing: idle instructions, or a jump over what is never reached. */
export function isIdle(bytes: Buffer, from: number, to: number): boolean {
  let at = from;
  while (at < to) {
    const over = bytes[at] === opcode.shortJump || bytes[at] === opcode.jump ? relativeTarget(bytes, at, at) : null;
    if (over !== null) {
      if (over <= at || over > to) return false;
      at = over;
      continue;
    }
    const length = idleLength(bytes, at);
    if (length === 0 || at + length > to) return false;
    at += length;
  }
  return true;
}

/** Nothing but traps: what allocators fill executable memory with that holds no code. */
export function isTraps(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) if (bytes[at] !== opcode.trap) return false;
  return true;
}
