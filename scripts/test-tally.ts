// What a test run amounts to.

export interface TestTally {
  passed: number;
  failed: number;
  skipped: number;
}

/** Marks the reporter's last line, which is for the starting process and not shown. */
export const tallyPrefix = '\u0001tally ';

export function closingLine(tally: TestTally): string {
  return `${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`;
}
