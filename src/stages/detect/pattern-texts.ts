// The pattern texts of one manifest. Most stand for themselves and are compared as they are; the others are parsed, each once, however
// many entries use them.
import { type Result, ok } from '../../kit/result.ts';
import type { Behaviour } from '../../model/behaviour.ts';
import { parseArgument, restToken } from '../../pattern/argv-pattern.ts';
import { parseBehaviour } from '../../pattern/behaviour-pattern.ts';
import { type PathPattern, matchesPath, parsePath } from '../../pattern/path-pattern.ts';
import { parsePeer } from '../../pattern/peer-pattern.ts';
import { parsePort } from '../../pattern/port-pattern.ts';
import type { Template } from '../../pattern/template.ts';
import { parseUser } from '../../pattern/user-pattern.ts';

export class PatternTexts {
  readonly #paths = new Map<string, PathPattern>();
  readonly #arguments = new Map<string, Template>();

  /** A problem when a part of the behaviour is not in the language. */
  take(behaviour: Behaviour): Result<null> {
    if (this.#takePath(behaviour.exe) && this.#takeRest(behaviour)) return ok(null);
    // Which part it is, and why, says whoever parses the whole.
    const whole = parseBehaviour(behaviour);
    return whole.ok ? ok(null) : whole;
  }

  #takeRest(behaviour: Behaviour): boolean {
    if (behaviour.kind !== 'process')
      return parsePort(behaviour.port).ok && (behaviour.kind === 'listen' || parsePeer(behaviour.peer).ok);
    const { argv, user, parent } = behaviour;
    return this.#takePath(parent) && this.#takeArguments(argv) && parseUser(user).ok;
  }

  #takePath(text: string): boolean {
    if (isPlainPath(text) || this.#paths.has(text)) return true;
    const parsed = parsePath(text);
    if (parsed.ok) this.#paths.set(text, parsed.value);
    return parsed.ok;
  }

  #takeArguments(texts: readonly string[]): boolean {
    return texts.every((text, at) => {
      if (isPlainArgument(text) || this.#arguments.has(text)) return true;
      if (text === restToken) return at === texts.length - 1;
      const parsed = parseArgument(text);
      if (parsed.ok) this.#arguments.set(text, parsed.value);
      return parsed.ok;
    });
  }

  /** Null = the text stands for itself. */
  path(text: string): PathPattern | null {
    return this.#paths.get(text) ?? null;
  }

  /** Null = the text stands for itself. */
  argument(text: string): Template | null {
    return this.#arguments.get(text) ?? null;
  }

  /** The only path it admits, if there is only one. */
  onlyPath(text: string): string | null {
    const pattern = this.path(text);
    return pattern === null ? text : pattern === '?' ? null : pattern.literal;
  }

  admitsPath(text: string, path: string | null): boolean {
    const pattern = this.path(text);
    return pattern === null ? path === null || path === text : matchesPath(pattern, path);
  }
}

function isPlainPath(text: string): boolean {
  return !/[<*]/.test(text) && text !== '?' && text !== '';
}

export function isPlainArgument(text: string): boolean {
  return !text.includes('<');
}
