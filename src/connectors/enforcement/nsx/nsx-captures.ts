// Packets of VMs captured by NSX: begun at the port of a card on the host where the VM runs, followed until the file is kept here. What
// is under way is written down beside the files, so that a manager that is started again goes on with it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { asText } from '../../../kit/json-object.ts';
import { type Problem, problem, sayProblem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { Capture } from '../../../model/network-measure.ts';
import type { NsxClient } from '../../../protocols/nsx/nsx-client.ts';
import type { CheckedOrder, CheckedPort } from '../checked-order.ts';
import type { MeasureInForce, MeasureOutcome } from '../network-enforcer.ts';
import { type CapturedFile, sayFile } from '../packet-capture.ts';
import type { CaptureKeeping, PortCapture } from '../port-capture.ts';
import type { NsxPatience } from './policy-writes.ts';
import { captureName, type CaptureNote, readNotes, removeNote, writeNote } from './capture-note.ts';
import { beginSession, captureApi, type CapturePoint, portAt, readSession } from './capture-session.ts';
import { attachedCard } from './filtered-cards.ts';
import { FollowedCapture } from './followed-capture.ts';
import { readVm } from './vm-tag.ts';

export interface NsxCaptureOptions {
  readonly client: NsxClient;
  readonly keeping: CaptureKeeping;
  readonly patience: NsxPatience;
  /** From one reading of a session to the next, and how long NSX may be late with one. */
  readonly pace: { readonly pollMs: number; readonly graceMs: number };
}

const capturesMax = 16;

export class NsxCaptures {
  readonly #options: NsxCaptureOptions;
  readonly #followed = new Map<string, FollowedCapture>();
  readonly #starting = new Map<string, Promise<MeasureOutcome>>();

  /** Goes on with what an earlier run began; nothing is asked of NSX yet. */
  constructor(options: NsxCaptureOptions) {
    this.#options = options;
    for (const note of readNotes(options.keeping.room.directory)) this.#follow(note, this.#take(note) ?? nothing);
  }

  of(externalId: string): PortCapture {
    const key = (id: string, port: CheckedPort): string => `${externalId} ${id} ${port.interface}`;
    return {
      has: (id, port) => this.#followed.has(key(id, port)),
      running: (port) => this.#running(externalId, port),
      obstacle: async (port) => {
        const card = await attachedCard(this.#options.client, externalId, port);
        return card.ok ? null : card.error;
      },
      start: async (order) => await this.#startOnce(key(order.id, order.port), externalId, order),
      stop: async (id, port) => await this.#stop(key(id, port), id),
    };
  }

  /** NSX goes on with what was begun there. */
  async close(): Promise<void> {
    const all = [...this.#followed.values()];
    for (const one of all) one.close();
    await Promise.all(all.map(async ({ ended }) => await ended));
  }

  #running(externalId: string, { interface: card }: CheckedPort): readonly MeasureInForce[] {
    const now = this.#options.patience.clock.now();
    return [...this.#followed.values()]
      .map(({ note }) => note)
      .filter((note) => note.externalId === externalId && note.card === card)
      .map(({ id, vm, session, beganMs, seconds }) => ({
        id,
        kind: 'capture',
        vm,
        missing: session === null ? notShown : null,
        endsInMs: Math.max(0, beganMs + seconds * 1000 - now),
      }));
  }

  /** Two who order the same at once get one answer. */
  async #startOnce(key: string, externalId: string, order: CheckedOrder<Capture>): Promise<MeasureOutcome> {
    const starting = this.#starting.get(key) ?? this.#start(key, externalId, order);
    this.#starting.set(key, starting);
    try {
      return await starting;
    } finally {
      this.#starting.delete(key);
    }
  }

  async #start(key: string, externalId: string, order: CheckedOrder<Capture>): Promise<MeasureOutcome> {
    const { client, keeping, patience } = this.#options;
    const { id, port, measure } = order;
    const known = this.#followed.get(key);
    if (known !== undefined) return { ...(await this.#seen(known, notShown)), changed: false };
    const about = { id, card: port.interface };
    // Evidence is never written over: an order that was carried out is not carried out again.
    if (existsSync(join(keeping.room.directory, captureName(about)))) return already('captured before');
    if (this.#followed.size + this.#starting.size >= capturesMax)
      return failed(
        problem('refused', `${capturesMax} captures are under way, which is the most.`, 'Release one first.'),
      );
    const point = await pointAt(client, externalId, port);
    if (!point.ok) return failed(point.error);
    const { seconds, bytes } = measure;
    const beganMs = patience.clock.now();
    const limits = { seconds, bytes, beganMs };
    const note = { ...about, externalId, vm: port.vm, point: point.value, ...limits, session: null, endedBy: null };
    const room = keeping.room.take(nameInRoom(note), bytes);
    if (!room.ok) return failed(room.error);
    const written = writeNote(keeping.room.directory, note);
    const begun = written === null ? await beginSession(client, point.value, measure) : fail(written);
    const mayHaveBegun = begun.ok || begun.error.kind === 'interrupted' || begun.error.kind === 'unreadable';
    if (!mayHaveBegun) {
      removeNote(keeping.room.directory, note);
      room.value();
      return failed(begun.error);
    }
    // What did not answer, or not to the point, may have begun: it is looked for.
    const session = begun.ok ? begun.value.id : null;
    const noted = { ...note, session };
    if (session !== null) writeNote(keeping.room.directory, noted);
    return await this.#seen(this.#follow(noted, room.value), begun.ok ? notShown : sayProblem(begun.error));
  }

  /** What NSX shows of a session counts, not that it was begun. `words`: why none is known, as long as none is. */
  async #seen(followed: FollowedCapture, words: string): Promise<MeasureOutcome> {
    const { client, patience } = this.#options;
    const { clock, sleep, pace } = patience;
    for (const deadline = clock.monotonic() + pace.deadlineMs; ; await sleep(pace.readEveryMs)) {
      if (followed.end !== null) return sayEnd(followed.end);
      const { session, point, card, seconds, bytes } = followed.note;
      const read = session === null ? null : await readSession(client, point.api, session);
      const where = `port ${point.value.slice(0, 100)} of card ${card}, session ${session}`;
      if (read?.ok === true && read.value !== null && read.value.state !== 'failed')
        return {
          state: 'done',
          changed: true,
          evidence: `NSX captures at ${where}, for ${seconds} s or ${bytes} bytes`,
        };
      const why = read === null ? words : read.ok ? `NSX does not show session ${session}` : sayProblem(read.error);
      if (clock.monotonic() >= deadline) return unconfirmed(why);
    }
  }

  async #stop(key: string, id: string): Promise<MeasureOutcome> {
    const { clock, sleep, pace } = this.#options.patience;
    const followed = this.#followed.get(key);
    if (followed === undefined) return already(`no capture ${id} is under way`);
    followed.release();
    for (const deadline = clock.monotonic() + pace.deadlineMs; followed.end === null; await sleep(pace.readEveryMs))
      if (clock.monotonic() >= deadline)
        return unconfirmed(`NSX was told to end it, and has not handed out its file within ${pace.deadlineMs} ms`);
    return sayEnd(followed.end);
  }

  #follow(note: CaptureNote, leave: () => void): FollowedCapture {
    const { client, keeping, patience, pace } = this.#options;
    const key = `${note.externalId} ${note.id} ${note.card}`;
    const isKnown = (session: string): boolean =>
      [...this.#followed.values()].some((other) => other.note.session === session);
    const followed = new FollowedCapture({ client, keeping, patience, ...pace, isKnown }, note);
    this.#followed.set(key, followed);
    const forget = (): void => {
      this.#followed.delete(key);
      leave();
    };
    followed.ended.then(forget, forget);
    return followed;
  }

  /** What was begun is gone on with, whether there is room for it by now or not. */
  #take(note: CaptureNote): (() => void) | null {
    const room = this.#options.keeping.room.take(nameInRoom(note), note.bytes);
    return room.ok ? room.value : null;
  }
}

const nothing = (): void => undefined;
const notShown = 'NSX has not shown its session yet';

function sayEnd(end: Result<CapturedFile>): MeasureOutcome {
  return end.ok
    ? { state: 'done', changed: true, evidence: sayFile(end.value) }
    : { ...failed(end.error), changed: true };
}

/** The port of that card, on the host where its VM runs now. */
async function pointAt(client: NsxClient, externalId: string, port: CheckedPort): Promise<Result<CapturePoint>> {
  const [card, vm, api] = await Promise.all([
    attachedCard(client, externalId, port),
    readVm(client, externalId),
    captureApi(client),
  ]);
  if (!card.ok) return card;
  if (!vm.ok) return vm;
  if (!api.ok) return api;
  const node = asText(vm.value?.['host_id']) ?? '';
  if (node === '') return fail(problem('refused', 'NSX does not say on which host the VM runs.', 'Start the VM.'));
  const value = await portAt(client, api.value, card.value.attachment ?? '');
  if (!value.ok) return value;
  if (value.value === null)
    return fail(problem('refused', `NSX has no port for network card ${port.interface}.`, 'List the platform again.'));
  return ok({ api: api.value, node, value: value.value });
}

function nameInRoom(note: CaptureNote): string {
  return captureName(note).replace(/\.pcap$/, '');
}

function already(what: string): MeasureOutcome {
  return { state: 'done', changed: false, evidence: `already so: ${what}` };
}

function unconfirmed(why: string): MeasureOutcome {
  return { state: 'unconfirmed', changed: true, evidence: why.slice(0, 4000) };
}

function failed(why: Problem): MeasureOutcome {
  return { state: 'failed', changed: false, evidence: sayProblem(why).slice(0, 4000), problem: why };
}
