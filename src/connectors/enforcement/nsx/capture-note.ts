// What is written down of a capture that NSX carries out, beside where its file will lie, before NSX is asked: a manager that dies in
// between finds the session again, and nobody's packets are captured without anybody fetching them.
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from '../../../kit/canonical-json.ts';
import { asObject, asText, type JsonObject } from '../../../kit/json-object.ts';
import { causeOf, type Problem, problem } from '../../../kit/problem.ts';
import type { CapturedFile } from '../packet-capture.ts';
import type { CapturePoint } from './capture-session.ts';

export interface CaptureNote {
  /** The order's. */
  readonly id: string;
  readonly card: string;
  /** NSX's id of the VM. */
  readonly externalId: string;
  /** `vmMark` of it. */
  readonly vm: string;
  readonly point: CapturePoint;
  readonly seconds: number;
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly beganMs: number;
  /** Null = NSX was asked, and did not answer yet with one. */
  readonly session: string | null;
  /** Why it was ended before NSX ended it; null = it was not. */
  readonly endedBy: CapturedFile['endedBy'] | null;
}

const notesMax = 256;
const noteBytesMax = 64 * 1024;
const ending = '.capture.json';
const endings: readonly string[] = ['time', 'size', 'release'] satisfies readonly CapturedFile['endedBy'][];
const plainName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Without a directory; ids and cards are checked names. */
export function captureName({ id, card }: Pick<CaptureNote, 'id' | 'card'>): string {
  return `${id}-${card}.pcap`;
}

/** Whole or not at all; null = it is on the disk. */
export function writeNote(directory: string, note: CaptureNote): Problem | null {
  const path = noteAt(directory, note);
  try {
    const file = openSync(`${path}.new`, 'w', 0o600);
    try {
      writeSync(file, JSON.stringify(note));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(`${path}.new`, path);
    return null;
  } catch (thrown) {
    return problem('failed', `${path} cannot be written: ${causeOf(thrown)}.`);
  }
}

export function removeNote(directory: string, note: CaptureNote): void {
  rmSync(noteAt(directory, note), { force: true });
}

/** Those of an earlier run; what is none is left where it is. */
export function readNotes(directory: string): readonly CaptureNote[] {
  const names = namesIn(directory).filter((name) => name.endsWith(ending));
  return names.slice(0, notesMax).flatMap((name) => {
    const note = noteFrom(textOf(join(directory, name)));
    return note !== null && `${captureName(note)}${ending}` === name ? [note] : [];
  });
}

function noteAt(directory: string, note: CaptureNote): string {
  return join(directory, `${captureName(note)}${ending}`);
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).toSorted();
  } catch {
    return [];
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(0, noteBytesMax);
  } catch {
    return '';
  }
}

export function noteFrom(text: string): CaptureNote | null {
  const said = parsed(text);
  const point = asObject(said?.['point']);
  if (said === null || point === null) return null;
  const [id, card] = [asText(said['id']) ?? '', asText(said['card']) ?? ''];
  const [externalId, vm] = [asText(said['externalId']), asText(said['vm'])];
  const [node, value, api] = [asText(point['node']), asText(point['value']), asText(point['api'])];
  const [seconds, bytes, beganMs] = [numberAt(said, 'seconds'), numberAt(said, 'bytes'), numberAt(said, 'beganMs')];
  const [session, endedBy] = [asText(said['session']), asText(said['endedBy'])];
  if (!plainName.test(id) || !plainName.test(card) || externalId === null || vm === null) return null;
  if (node === null || value === null || (api !== 'manager' && api !== 'policy')) return null;
  if (seconds === null || bytes === null || beganMs === null) return null;
  const by = endedBy !== null && isEnding(endedBy) ? endedBy : null;
  return { id, card, externalId, vm, point: { api, node, value }, seconds, bytes, beganMs, session, endedBy: by };
}

function isEnding(text: string): text is CapturedFile['endedBy'] {
  return endings.includes(text);
}

function numberAt(said: JsonObject, field: string): number | null {
  const value = said[field];
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}

function parsed(text: string): JsonObject | null {
  try {
    return asObject(JSON.parse(text) as Json);
  } catch {
    return null;
  }
}
