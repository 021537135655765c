// JSON texts that follow one another on a stream with nothing between them, as OVSDB sends them (RFC 7047, 4): cut apart where an
// object's last brace closes. Reads no values.

export interface JsonFrames {
  /** The texts that are whole now, in order. Null when one grew beyond the limit: nothing more can be made of the stream. */
  take(chunk: string): readonly string[] | null;
}

export function jsonFrames(textMax: number): JsonFrames {
  let rest = '';
  let at = 0;
  let depth = 0;
  let inString = false;
  let escaped = false;
  const step = (character: string): boolean => {
    if (inString) {
      if (escaped) escaped = false;
      else if (character === '\\') escaped = true;
      else if (character === '"') inString = false;
      return false;
    }
    if (character === '"') inString = true;
    else if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    return depth === 0 && (character === '}' || character === ']');
  };
  return {
    take(chunk) {
      rest += chunk;
      const whole: string[] = [];
      let from = 0;
      for (; at < rest.length; at += 1) {
        if (!step(rest[at] ?? '')) continue;
        whole.push(rest.slice(from, at + 1).trim());
        from = at + 1;
      }
      rest = rest.slice(from);
      at = rest.length;
      return rest.length > textMax || depth < 0 ? null : whole;
    },
  };
}
