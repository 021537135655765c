// Reading JSON somebody else wrote, when only a few fields matter.
import type { Json } from './canonical-json.ts';

export type JsonObject = { readonly [key: string]: Json | undefined };

export function asObject(value: Json | undefined): JsonObject | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : null;
}

/** A list's first `most` members; none when it is no list. */
export function asList(value: Json | undefined, most: number): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]).slice(0, most) : [];
}

export function asText(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
