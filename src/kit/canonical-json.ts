// RFC 8785 (JSON Canonicalization Scheme): one byte sequence for one value, so that a signature means something.

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

const depthMax = 64;

/** Throws RangeError for what JSON cannot carry (NaN, infinities, lone surrogates, nesting deeper than 64): a bug of the caller's. */
export function canonicalJson(value: Json): string {
  return write(value, 0);
}

function write(value: Json, depth: number): string {
  if (depth > depthMax) throw new RangeError(`canonical JSON: nested deeper than ${depthMax}`);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new RangeError(`canonical JSON: ${value} is not a JSON number`);
    return JSON.stringify(value);
  }
  if (typeof value === 'string') {
    if (!value.isWellFormed()) throw new RangeError('canonical JSON: string holds a lone surrogate');
    return JSON.stringify(value);
  }
  if (isArray(value)) return `[${value.map((item) => write(item, depth + 1)).join(',')}]`;
  // RFC 8785 3.2.3 orders keys by UTF-16 code units, which is what the default sort compares.
  const members = Object.keys(value)
    .sort()
    .flatMap((key) => {
      const member = value[key];
      return member === undefined ? [] : [`${write(key, depth)}:${write(member, depth + 1)}`];
    });
  return `{${members.join(',')}}`;
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
