// What a look at a guest's integrity says: the shape of every check, of the kernel and of processes alike. Values only; what a
// guest says in them is untrusted text, already capped.

/**
 * One thing that is not as it should be.
 * `certain` = no correct kernel and no ordinary program brings it about; `suspicious` = legitimate software can, and the reader
 * must know whether this guest runs any.
 */
export interface IntegrityFinding {
  /** Stable and made of fixed words, such as `hidden-process`: what a rule or a person can name. */
  readonly kind: string;
  readonly certainty: 'certain' | 'suspicious';
  /** What it is about, such as `process 712 (sshd)` or `sys_call_table[59]`; the same in every look. */
  readonly subject: string;
  /** One sentence: what was seen, against what was to be expected. */
  readonly detail: string;
  /** The evidence: ids, addresses as `0x` and hexadecimal, texts of at most 4096 characters. */
  readonly facts: Readonly<Record<string, string | number | boolean | null>>;
}

/** A part of its cover that a check did not see this time: it then found nothing *there*, which is no clean bill. */
export interface UnseenPart {
  /** A fixed sentence, never a guest's own text. */
  readonly what: string;
  readonly count: number;
}

export interface IntegrityCheck {
  /** Its name, such as `kernel-text` or `hidden-processes`. */
  readonly check: string;
  /** One sentence: what it looks at and what it would notice. */
  readonly covers: string;
  /** At most 256; beyond it the rest is counted in `couldNotSee`. */
  readonly findings: readonly IntegrityFinding[];
  readonly couldNotSee: readonly UnseenPart[];
}

export const findingsMax = 256;
export const factTextMax = 4096;
