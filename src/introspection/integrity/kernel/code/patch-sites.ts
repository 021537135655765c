// The places where a kernel changes its own code while it runs, and what each may hold. They are taken down with the baseline, not
// looked up again: whoever changes the kernel's tables later gains nothing.
// Source: include/linux/jump_label.h, static_call.h, ftrace.h and arch/x86/kernel/{jump_label,static_call,ftrace}.c in Linux.
import { idleLength, opcode, relativeTarget } from './machine-code.ts';

/**
 * jump-label: nothing, or a jump to its one target. static-call: a call or jump to what its key names.
 * ftrace: nothing, or a call of a tracer's entry. ftrace-entry: the calls within those entries.
 */
export const siteKinds = ['jump-label', 'static-call', 'ftrace', 'ftrace-entry'] as const;
export type SiteKind = (typeof siteKinds)[number];

export interface PatchSite {
  readonly kind: SiteKind;
  /** From `_text`. */
  readonly offset: number;
  /** jump-label: where it may jump to. static-call: where its key lies. From `_text`; 0 for the other kinds. */
  readonly target: number;
}

/** What a site's value is judged by; it is the guest's state now. */
export interface SiteContext {
  /** The function a static call's key names now, from `_text`; 0 = none, null = unreadable. */
  readonly keyed: (keyOffset: number) => number | null;
  /** Whether tracers may be entered at `offset`: the kernel's own entries, registered trampolines, modules, BPF. */
  readonly isTracer: (offset: number) => boolean;
  /** Whether code that somebody answers for lies at `offset`. */
  readonly isCode: (offset: number) => boolean;
  /** Whether the kernel's return thunk lies there: a tail call of nothing jumps to it. */
  readonly isReturn: (offset: number) => boolean;
  /** Whether a probe is registered there: its first byte is then a trap, or five bytes are a jump out of line. */
  readonly isProbed: (offset: number) => boolean;
}

/** Longest a site reaches. */
export const siteBytesMax = 8;

export class PatchSites {
  /** Ascending. */
  readonly #offsets: Uint32Array;
  readonly #kinds: Uint8Array;
  readonly #targets: Uint32Array;

  constructor(sites: readonly PatchSite[]) {
    const sorted = sites.toSorted((a, b) => a.offset - b.offset);
    this.#offsets = Uint32Array.from(sorted, (site) => site.offset);
    this.#kinds = Uint8Array.from(sorted, (site) => siteKinds.indexOf(site.kind));
    this.#targets = Uint32Array.from(sorted, (site) => site.target);
  }

  get count(): number {
    return this.#offsets.length;
  }

  /** Those whose bytes may hold `offset`, at most a handful. */
  around(offset: number): readonly PatchSite[] {
    const found: PatchSite[] = [];
    for (let index = this.#firstFrom(offset - siteBytesMax + 1); index < this.#offsets.length; index += 1) {
      const site = this.#site(index);
      if (site.offset > offset) break;
      found.push(site);
    }
    return found;
  }

  *within(from: number, to: number): Generator<PatchSite> {
    for (let index = this.#firstFrom(from); index < this.#offsets.length; index += 1) {
      const site = this.#site(index);
      if (site.offset >= to) return;
      yield site;
    }
  }

  #firstFrom(offset: number): number {
    let low = 0;
    let high = this.#offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#offsets[middle] ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #site(index: number): PatchSite {
    return {
      kind: siteKinds[this.#kinds[index] ?? 0] ?? 'ftrace',
      offset: this.#offsets[index] ?? 0,
      target: this.#targets[index] ?? 0,
    };
  }
}

/**
 * How many bytes from the site's start are as its kind allows, `bytes[index]` being its first; 0 when they are not. A site in the
 * middle of being changed holds a trap for an instant: that is not allowed either, which is why findings must persist.
 */
export function allowedBytes(site: PatchSite, bytes: Buffer, index: number, context: SiteContext): number {
  const { kind, offset, target } = site;
  const idle = idleLength(bytes, index);
  const leadsTo = relativeTarget(bytes, index, offset);
  const first = bytes[index];
  switch (kind) {
    case 'jump-label':
      if (idle === 2 || idle === 5) return idle;
      if (first === opcode.call || leadsTo !== target) return 0;
      return first === opcode.shortJump ? 2 : 5;
    case 'static-call':
      return allowedCallBytes(bytes, index, leadsTo, context.keyed(target), context);
    case 'ftrace':
      if (idle === 5) return 5;
      return first === opcode.call && leadsTo !== null && context.isTracer(leadsTo) ? 5 : 0;
    case 'ftrace-entry':
      if (idle === 5) return 5;
      return leadsTo !== null && context.isCode(leadsTo) ? 5 : 0;
  }
}

/**
 * What a call is replaced by when the function called is known to do no more: `xor %eax, %eax` in five bytes (only returns 0), and in
 * 7.x the trap of a warning (`ud1`) and the store that opens a lock.
 */
const callStandIns = ['2e2e2e31c0', '66664831c0', '67480fb93a', '3e3ec60700'].map((form) => Buffer.from(form, 'hex'));

function allowedCallBytes(
  bytes: Buffer,
  index: number,
  leadsTo: number | null,
  keyed: number | null,
  context: SiteContext,
): number {
  if (leadsTo !== null) {
    const sanctioned = leadsTo === keyed && context.isCode(leadsTo);
    return sanctioned || context.isReturn(leadsTo) ? (bytes[index] === 0x0f ? 6 : 5) : 0;
  }
  if (idleLength(bytes, index) === 5) return 5;
  if (callStandIns.some((form) => bytes.subarray(index, index + form.length).equals(form))) return 5;
  return bytes[index] === opcode.return ? 5 : 0;
}
