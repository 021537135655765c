// Other people's text as one line of plain text: nothing in it moves a cursor, ends a line or a header, or turns around what
// stands beside it.

// Controls, separators of lines and paragraphs, and what changes the direction of text or is not seen (Unicode categories Cc, Cf, Zl, Zp).
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]+/gu;

/** Of at most `lengthMax` characters; what was longer ends with an ellipsis. */
export function plainText(text: string, lengthMax: number): string {
  const line = text.toWellFormed().replace(unseen, ' ').trim();
  return line.length <= lengthMax ? line : `${line.slice(0, lengthMax - 1).toWellFormed()}…`;
}
