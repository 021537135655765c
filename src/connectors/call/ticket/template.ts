// A body as the configuration gives it: any JSON, in whose texts named places are filled in. What is filled in is a value of
// the finished document, never a part of its syntax, so that nothing that a guest wrote can end a string or add a field.
import type { Json } from '../../../kit/canonical-json.ts';
import type { CallFacts } from '../../../model/call-facts.ts';
import { plainText } from '../plain-text.ts';

type Value = string | number | null;

/** Every name that may stand between {{ and }}; `key` only where a ticket is closed. */
const values: Readonly<Record<string, (facts: CallFacts, key: string | null) => Value>> = {
  id: ({ id }) => id,
  at: ({ at }) => at,
  console: (facts) => facts.console,
  'vm.id': ({ vm }) => vm.id,
  'vm.name': ({ vm }) => vm.name,
  'vm.scope': ({ vm }) => vm.scope,
  'vm.service': ({ vm }) => vm.service,
  'alarm.id': ({ alarm }) => alarm?.id ?? null,
  'alarm.title': ({ alarm }) => alarm?.title ?? null,
  'alarm.severity': ({ alarm }) => alarm?.severity ?? null,
  'alarm.risk': ({ alarm }) => alarm?.risk ?? null,
  'alarm.reasons': ({ alarm }) => alarm?.reasons.join('; ') ?? null,
  'alarm.firstAt': ({ alarm }) => alarm?.firstAt ?? null,
  'plan.id': ({ plan }) => plan.id,
  'plan.by': ({ plan }) => plan.by,
  'plan.why': ({ plan }) => plan.why,
  'plan.steps': ({ plan }) => plan.steps.map(({ action, state }) => `${action} ${state}`).join(', '),
  key: (_, key) => key,
};

const place = /\{\{\s*([^{}]{0,64}?)\s*\}\}/g;
const whole = /^\{\{\s*([^{}]{0,64}?)\s*\}\}$/;
const depthMax = 32;
const valueLengthMax = 4000;

export interface Placeholder {
  readonly name: string;
  readonly path: readonly (string | number)[];
  readonly isKnown: boolean;
}

export function placeholdersIn(template: unknown, isClosing: boolean): Placeholder[] {
  return texts(template, []).flatMap(({ text, path }) =>
    [...text.matchAll(place)].map(([, name = '']) => ({
      name,
      path,
      isKnown: Object.hasOwn(values, name) && (name !== 'key' || isClosing),
    })),
  );
}

function texts(template: unknown, path: readonly (string | number)[]): { text: string; path: Placeholder['path'] }[] {
  if (path.length > depthMax) return [{ text: `{{nested deeper than ${depthMax}}}`, path: path.slice(0, depthMax) }];
  if (typeof template === 'string') return [{ text: template, path }];
  if (typeof template !== 'object' || template === null) return [];
  const members: [string | number, unknown][] = Array.isArray(template)
    ? template.map((member: unknown, at) => [at, member])
    : Object.entries(template);
  return members.flatMap(([name, member]) => texts(member, [...path, name]));
}

/** A text that is one placeholder becomes its value, number and null included; within a longer text null is `none`. */
export function fill(template: unknown, facts: CallFacts, key: string | null): Json {
  if (typeof template === 'string') {
    const only = whole.exec(template);
    if (only !== null) return valueOf(only[1] ?? '', facts, key);
    return template.replaceAll(place, (_, name: string) => String(valueOf(name, facts, key) ?? 'none'));
  }
  if (Array.isArray(template)) return template.map((member: unknown) => fill(member, facts, key));
  if (typeof template === 'object' && template !== null)
    return Object.fromEntries(Object.entries(template).map(([name, member]) => [name, fill(member, facts, key)]));
  return template === undefined ? null : (template as Json);
}

function valueOf(name: string, facts: CallFacts, key: string | null): Value {
  const value = Object.hasOwn(values, name) ? (values[name]?.(facts, key) ?? null) : null;
  return typeof value === 'string' ? plainText(value, valueLengthMax) : value;
}
