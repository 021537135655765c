// One object of a recording as a raw event. Fields we do not know are left aside, so that recordings may carry labels for scoring
// which a detector must never see.
import { Check, Errors } from 'typebox/value';
import { type Result, ok } from '../../kit/result.ts';
import { RawEvent } from '../../model/raw-event.ts';
import { type JsonObject, badLine } from './read-lines.ts';

export interface ParsedEvent {
  readonly result: Result<RawEvent>;
  readonly unusable: readonly string[];
}

const fields = Object.keys(RawEvent.properties) as readonly (keyof RawEvent)[];
const required: ReadonlySet<string> = new Set(['host', 'kind']);
const isoTime = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)$/;

/** `place` is how the line is named in a problem. */
export function eventOf(value: JsonObject, place: string): ParsedEvent {
  const event: Partial<Record<keyof RawEvent, unknown>> = {};
  const unusable: string[] = [];
  for (const field of fields) {
    const given = value[field];
    if (given === undefined || given === null) continue;
    if (isUsable(field, given)) event[field] = given;
    else if (required.has(field))
      return bad(place, `has an unusable ${field}: ${sayError(field, given)}`, mends[field]);
    else unusable.push(field);
  }
  for (const field of required)
    if (event[field as keyof RawEvent] === undefined) return bad(place, `has no ${field}`, mends[field]);
  return { result: ok(event as RawEvent), unusable };
}

const mends: Readonly<Record<string, string>> = {
  host: 'host names the machine, in at most 256 characters.',
  kind: 'kind is process_start, process_exit, net_connect, net_accept, net_listen, file or loss.',
};

function isUsable(field: keyof RawEvent, given: unknown): boolean {
  if (field === 'ts' || field === 'until') return typeof given === 'string' && isoTime.test(given);
  return Check(RawEvent.properties[field], given);
}

function sayError(field: keyof RawEvent, given: unknown): string {
  return Errors(RawEvent.properties[field], given)[0]?.message ?? 'it does not fit';
}

function bad(place: string, what: string, mend: string | undefined): ParsedEvent {
  return { result: badLine(place, what, mend), unusable: [] };
}
