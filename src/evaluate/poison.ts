// Which attack runs are mixed into what is learned: a share of them, drawn so that the same seed draws the same ones.

/** At least one run where there is any. */
export function poisonedRuns(runs: readonly string[], share: number, seed: number): ReadonlySet<string> {
  const left = [...runs];
  const wanted = Math.min(left.length, Math.max(1, Math.round(share * left.length)));
  const next = random(seed);
  const drawn = new Set<string>();
  while (drawn.size < wanted) {
    const [run] = left.splice(Math.floor(next() * left.length), 1);
    if (run === undefined) break;
    drawn.add(run);
  }
  return drawn;
}

/** Numbers from 0 up to 1, the same ones for the same seed: the xorshift generator of Marsaglia (2003) on 32 bits. */
function random(seed: number): () => number {
  // Zero stays zero for ever, and neighbouring seeds must not begin alike.
  let state = Math.imul(seed | 0, 0x9e_37_79_b1) ^ 0x5b_d1_e9_95;
  if (state === 0) state = 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
