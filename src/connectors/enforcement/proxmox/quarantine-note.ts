// What stands in a Proxmox VE VM's notes while a card of it is in quarantine: by whose order, and what its link was before, so
// that it can be put back by whoever comes later. The rest of the notes is other people's and stays as it is.
import type { Json } from '../../../kit/canonical-json.ts';
import { asObject, asText } from '../../../kit/json-object.ts';
import type { CheckedOrder } from '../checked-order.ts';
import { cardName } from './network-cards.ts';

export interface QuarantineNote {
  readonly id: string;
  /** `vmMark` of the VM it was ordered for. */
  readonly vm: string;
  readonly digest: string;
  readonly wasDown: boolean;
}

/** The platform's limit for the notes of a VM (qemu-server). */
export const notesMax = 8192;
const prefix = 'plumbline.quarantine.';
const noteLine = /^plumbline\.quarantine\.(net\d{1,2}) (\{.{1,400}\})$/;

/** By card; of several for one card the last counts. What was altered until it is no note any more counts as none. */
export function readNotes(notes: string): ReadonlyMap<string, QuarantineNote> {
  const found = new Map<string, QuarantineNote>();
  for (const line of notes.split('\n')) {
    const [, card = '', text = ''] = noteLine.exec(line.trimEnd()) ?? [];
    const note = cardName.test(card) ? noteOf(text) : null;
    if (note !== null) found.set(card, note);
  }
  return found;
}

function noteOf(text: string): QuarantineNote | null {
  let said: Json;
  try {
    said = JSON.parse(text) as Json;
  } catch {
    return null;
  }
  const note = asObject(said);
  const [id, vm, digest] = [asText(note?.['id']), asText(note?.['vm']), asText(note?.['digest'])];
  const wasDown = note?.['wasDown'];
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(id ?? '') || typeof wasDown !== 'boolean') return null;
  if (!/^[0-9a-f]{12}$/.test(vm ?? '') || !/^[0-9a-f]{8}$/.test(digest ?? '')) return null;
  return { id: id ?? '', vm: vm ?? '', digest: digest ?? '', wasDown };
}

export function noteFor({ id, port, digest }: CheckedOrder, wasDown: boolean): QuarantineNote {
  return { id, vm: port.vm, digest, wasDown };
}

/** The notes with that one in place of what there was for the card; null takes it out. */
export function withNote(notes: string, card: string, note: QuarantineNote | null): string {
  const others = notes.split('\n').filter((line) => !line.startsWith(`${prefix}${card} `));
  // The platform ends what it hands out with a line break of its own.
  while (others.at(-1) === '') others.pop();
  if (note !== null) {
    const { id, vm, digest, wasDown } = note;
    others.push(`${prefix}${card} ${JSON.stringify({ id, vm, digest, wasDown })}`);
  }
  return others.join('\n');
}

/** Without ours, for a person. */
export function withoutNotes(notes: string): string {
  return notes
    .split('\n')
    .filter((line) => !line.startsWith(prefix))
    .join('\n')
    .trimEnd();
}
