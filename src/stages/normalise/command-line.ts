// Arguments of a process as a bounded list. What exceeds a bound is replaced by its digest: two long texts stay two, and a
// guest cannot hide a command behind a megabyte of padding.
import { digest } from '../../pattern/digest.ts';

const textMax = 8192;
const argumentsMax = 1024;
const totalMax = 65_536;

export function boundText(text: string): string {
  // No path and no argument holds a NUL; one that is claimed to must not split it in two further on.
  const known = text.toWellFormed().replaceAll('\0', '\u{fffd}');
  if (known.length <= textMax) return known;
  const tail = known.slice(textMax - 100);
  return `${known.slice(0, textMax - 100).toWellFormed()}[${tail.length} more characters, sha256 ${digest(tail.toWellFormed())}]`;
}

export function boundArgv(argv: readonly string[]): string[] {
  const kept: string[] = [];
  let total = 0;
  for (const [at, text] of argv.entries()) {
    const bounded = boundText(text);
    total += bounded.length;
    if (total > totalMax || at >= argumentsMax) {
      const tail = argv.slice(at);
      kept.push(`[${tail.length} more arguments, sha256 ${digest(tail.join('\0').toWellFormed())}]`);
      break;
    }
    kept.push(bounded);
  }
  return kept;
}

/**
 * One string as a shell would split it, without expanding anything. Sensors that join arguments with blanks lose where quotes
 * were: a string whose quotes do not close is split at blanks alone.
 */
export function splitCommandLine(text: string): string[] {
  return splitQuoted(text) ?? text.split(/\s+/).filter((part) => part !== '');
}

function splitQuoted(text: string): string[] | null {
  const parts: string[] = [];
  let part = '';
  let inPart = false;
  let quote = '';
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] ?? '';
    const next = text[at + 1] ?? '';
    if (char === '\\' && quote !== "'" && (next === '"' || next === '\\' || (quote === '' && /[\s']/.test(next)))) {
      part += next;
      inPart = true;
      at += 1;
    } else if (quote !== '') {
      if (char === quote) quote = '';
      else part += char;
    } else if (char === '"' || char === "'") {
      quote = char;
      inPart = true;
    } else if (/\s/.test(char)) {
      if (inPart) parts.push(part);
      part = '';
      inPart = false;
    } else {
      part += char;
      inPart = true;
    }
  }
  if (quote !== '') return null;
  return inPart ? [...parts, part] : parts;
}
