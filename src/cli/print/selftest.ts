// One line for each thing that was tried.
import type { SelftestStep } from '../../sentinel/selftest/selftest.ts';
import type { Page } from './page.ts';
import { visible } from './visible.ts';

const styles = { holds: 'good', fails: 'worst', 'not-shown': 'warn' } as const;
const words = { holds: 'holds', fails: 'FAILS', 'not-shown': 'not shown' } as const;

export function printSelftestStep({ what, outcome, says }: SelftestStep, page: Page): string {
  return `${page.paint(styles[outcome], words[outcome].padEnd(9))}  ${what.padEnd(16)}  ${visible(says)}`;
}
