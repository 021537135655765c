// Makes text from a guest safe for a terminal: whoever names a process must not move the cursor, change colours or hide behind
// invisible letters. Everything a person reads passes through here.

/**
 * All that changes how other text looks: control characters, formats (bidirectional overrides, joiners, tags), line and
 * paragraph separators, lone surrogates, and letters nobody sees (https://www.unicode.org/reports/tr36/, https://trojansource.codes).
 */
const treacherous = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

const shortForms: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** The text on one line, with everything treacherous written out: `\n`, `\x1b`, `\u202e`. */
export function visible(text: string): string {
  return text.replace(treacherous, (found) => shortForms[found] ?? written(found.codePointAt(0) ?? 0));
}

/** JSON on one line that is as safe to show as it is to parse: JSON.stringify leaves C1 controls and bidirectional overrides as they are. */
export function visibleJson(value: unknown): string {
  return JSON.stringify(value).replace(treacherous, (found) =>
    Array.from({ length: found.length }, (_, i) => `\\u${hex(found.charCodeAt(i), 4)}`).join(''),
  );
}

/** An argument vector as one line: words with blanks or nothing in them stand in quotes, so that one never reads as two. */
export function visibleArgv(argv: readonly string[]): string {
  return argv
    .map((word) => (/^[^\s"'\\]+$/.test(word) ? visible(word) : `"${visible(word.replace(/["\\]/g, '\\$&'))}"`))
    .join(' ');
}

function written(codePoint: number): string {
  if (codePoint <= 0xff) return `\\x${hex(codePoint, 2)}`;
  return codePoint <= 0xffff ? `\\u${hex(codePoint, 4)}` : `\\u{${hex(codePoint, 1)}}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
