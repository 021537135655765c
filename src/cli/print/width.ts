// How many columns a text takes in a terminal, and how to cut it to a number of them. Expects text that `visible` has made safe.

/** East Asian wide and fullwidth letters and emoji take two columns (https://www.unicode.org/reports/tr11/, ranges as in wcwidth). */
const wide =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const combining = /^\p{Mark}$/u;
// oxlint-disable-next-line no-control-regex -- printable ASCII is the common case and needs no look at each letter
const ascii = /^[\x20-\x7e]*$/;

export function columnsOf(text: string): number {
  if (ascii.test(text)) return text.length;
  let columns = 0;
  for (const letter of text) columns += columnsOfLetter(letter);
  return columns;
}

/** The text in at most `columns` columns; a cut one ends in an ellipsis. */
export function cut(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  let kept = '';
  let used = 1;
  for (const letter of text) {
    used += columnsOfLetter(letter);
    if (used > columns) break;
    kept += letter;
  }
  return columns < 1 ? '' : `${kept}…`;
}

function columnsOfLetter(letter: string): number {
  if (combining.test(letter)) return 0;
  return wide.test(letter) ? 2 : 1;
}
