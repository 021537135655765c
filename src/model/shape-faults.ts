// What is wrong with a value that should have a shape, in words for the person who wrote it.
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';

/** What is wrong, and where: the keys and indexes that lead there. */
export interface Fault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

const faultsMax = 50;

/** Empty = the value has the shape. */
export function findFaults(schema: TSchema, value: unknown): Fault[] {
  if (Value.Check(schema, value)) return [];
  const faults: Fault[] = [];
  for (const error of Value.Errors(schema, value).slice(0, faultsMax)) {
    const path = pathOf(error.instancePath, value);
    const message = messageOf(error, schema);
    if (message !== null && !faults.some((fault) => fault.message === message && fault.path.join() === path.join()))
      faults.push({ path, message });
  }
  return faults;
}

type ShapeError = ReturnType<typeof Value.Errors>[number];

function messageOf(error: ShapeError, schema: TSchema): string | null {
  // Unknown fields are reported one by one, as a value that `false` refuses; the summary adds nothing.
  if (error.keyword === 'additionalProperties') return null;
  if (error.keyword === 'boolean') return 'is not a known field';
  if (error.keyword === 'required') return `lacks ${error.params.requiredProperties.join(', ')}`;
  if (error.keyword === 'enum') return `must be one of ${error.params.allowedValues.map(String).join(', ')}`;
  if (error.keyword === 'pattern')
    return `must be ${describedAt(schema, error.schemaPath) ?? `like ${String(error.params.pattern)}`}`;
  if (error.keyword === 'anyOf') return 'has none of the possible forms';
  return error.message;
}

/** What the schema says of itself at this place; words are kinder than a regular expression. */
function describedAt(schema: TSchema, pointer: string): string | null {
  const at = Value.Pointer.Get(schema, pointer.slice(1)) as { description?: unknown } | undefined;
  return typeof at?.description === 'string' ? at.description : null;
}

export function sayFault({ path, message }: Fault): string {
  return path.length === 0 ? message : `${path.map(String).join('.')} ${message}`;
}

/** JSON pointer to keys; a step into an array is a number. */
function pathOf(pointer: string, value: unknown): (string | number)[] {
  let at = value;
  return pointer
    .split('/')
    .slice(1)
    .map((step) => {
      const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
      const path = Array.isArray(at) ? Number(key) : key;
      at = (at as Record<string, unknown> | null | undefined)?.[key];
      return path;
    });
}
