// What a recording says of an event for scoring only: which part of the recording it belongs to and which attack it is part of.
// It is split off before anything that learns or judges sees the event, so that no detector can read it.
import type { RawEvent } from '../model/raw-event.ts';
import type { JsonObject } from '../sensors/ndjson/read-lines.ts';

/** learn = may be learned; test = harmless, an alarm is false; change = a legitimate change; attack = should alarm. */
export const roles = ['learn', 'test', 'change', 'attack'] as const;
export type Role = (typeof roles)[number];

export interface Marks {
  /** Null = the recording does not say. */
  readonly role: Role | null;
  readonly rec: string;
  /** Names the attack run the event is part of. */
  readonly run: string;
  readonly technique: string;
  /** Nobody knows whether the event was harmless or not. */
  readonly isUnlabelled: boolean;
  /** Number of the segment of a recording that is scored in segments. */
  readonly seg: number | null;
  /** The event was written from the text of a command: no process of it ever had a parent. */
  readonly rendered: boolean;
}

/** One event with its marks, side by side and never in one object. */
export interface MarkedEvent {
  readonly place: string;
  readonly event: RawEvent;
  readonly marks: Marks;
}

const textMax = 300;

export function marksOf(value: JsonObject): Marks {
  const rec = textOf(value['rec']) || textOf(value['host']);
  const test = textOf(value['test']);
  const run = test === '' ? rec : `${rec}\n${test}`;
  const seg = value['seg'];
  return {
    role: roles.find((role) => role === value['role']) ?? null,
    rec,
    run,
    technique: textOf(value['technique']) || run,
    isUnlabelled: value['label'] === 'unknown' || value['label'] === 'background',
    seg: typeof seg === 'number' && Number.isFinite(seg) ? seg : null,
    rendered: value['rendered'] === true,
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, textMax).toWellFormed() : '';
}
