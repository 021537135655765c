// Values kept as JSON text in one column. The column's type remembers what was put in, so that nothing else is taken out.

declare const content: unique symbol;

/** JSON text of a T. It was checked when it came in, so reading trusts it. */
export type Doc<T> = string & { readonly [content]?: T };

export function asDoc<T extends object>(value: T): Doc<T> {
  return JSON.stringify(value);
}

export function fromDoc<T>(doc: Doc<T>): T {
  return JSON.parse(doc) as T;
}
