// One capture that NSX carries out, from its session to a file that is kept: its session is read again and again, ended when it has taken
// its time or its bytes, its file fetched within those bytes and cut between two packets, and the session taken away when the file is
// kept. It may be left at any point and gone on with from its note.
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import { isoTime } from '../../../kit/clock.ts';
import { causeOf, type Problem, problem, sayProblem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { NsxClient } from '../../../protocols/nsx/nsx-client.ts';
import { PcapReader } from '../../../protocols/packet/pcap-reader.ts';
import type { CapturedFile } from '../packet-capture.ts';
import type { CaptureKeeping } from '../port-capture.ts';
import type { Patience } from '../verified-action.ts';
import { captureName, type CaptureNote, removeNote, writeNote } from './capture-note.ts';
import {
  type CaptureSession,
  deleteSession,
  endSession,
  isSessionOf,
  listSessions,
  readSession,
} from './capture-session.ts';
import { fetchCapture } from './fetch-capture.ts';

export interface FollowParts {
  readonly client: NsxClient;
  readonly keeping: CaptureKeeping;
  readonly patience: Patience;
  /** From one reading of a session to the next. */
  readonly pollMs: number;
  /** How long NSX may take over what should have come; then the capture is given up. */
  readonly graceMs: number;
  /** Sessions that are ours already. */
  readonly isKnown: (session: string) => boolean;
}

const fetchesMax = 3;

export class FollowedCapture {
  /** Settles when nothing is left to be done; null = it was left, and its note stays. */
  readonly ended: Promise<Result<CapturedFile> | null>;
  #note: CaptureNote;
  #end: Result<CapturedFile> | null = null;
  readonly #parts: FollowParts;
  readonly #closing = Promise.withResolvers<void>();
  #wake = Promise.withResolvers<void>();
  #isClosed = false;
  #fetches = 0;
  #kept: { readonly file: CapturedFile; readonly remark: string } | null = null;

  constructor(parts: FollowParts, note: CaptureNote) {
    this.#parts = parts;
    this.#note = note;
    this.ended = this.#follow();
  }

  get note(): CaptureNote {
    return this.#note;
  }

  /** What became of it; null = nothing yet, or it was left. */
  get end(): Result<CapturedFile> | null {
    return this.#end;
  }

  /** It is not wanted any longer. */
  release(): void {
    this.#save({ ...this.#note, endedBy: this.#note.endedBy ?? 'release' });
    this.#wake.resolve();
  }

  /** NSX goes on with it. */
  close(): void {
    this.#isClosed = true;
    this.#closing.resolve();
  }

  async #follow(): Promise<Result<CapturedFile> | null> {
    for (;;) {
      await this.#rest();
      if (this.#isClosed) return null;
      const end = await this.#step().catch((thrown: unknown) => this.#lose(problem('failed', causeOf(thrown))));
      if (end === null) continue;
      removeNote(this.#directory, this.#note);
      this.#end = end;
      return end;
    }
  }

  async #rest(): Promise<void> {
    const { patience, pollMs } = this.#parts;
    await Promise.race([patience.sleep(pollMs), this.#wake.promise, this.#closing.promise]);
    this.#wake = Promise.withResolvers();
  }

  /** Null = it has not come to an end yet. */
  async #step(): Promise<Result<CapturedFile> | null> {
    if (existsSync(this.#path)) return await this.#hand();
    const { client } = this.#parts;
    const { point, session } = this.#note;
    if (session === null) return await this.#find();
    const read = await readSession(client, point.api, session);
    if (!read.ok) return this.#isOverdue() ? await this.#lose(read.error) : null;
    if (read.value === null)
      return await this.#lose(problem('not-found', `NSX does not know packet capture session ${session} any more.`));
    return await this.#advance(read.value);
  }

  async #advance(session: CaptureSession): Promise<Result<CapturedFile> | null> {
    const { client } = this.#parts;
    const { point } = this.#note;
    switch (session.state) {
      case 'failed':
        await deleteSession(client, point.api, session.id);
        return await this.#lose(problem('failed', `NSX could not capture: ${session.words || 'it does not say why'}.`));
      case 'running': {
        const by = this.#dueBy(session);
        if (by === null) return null;
        if (this.#isOverdue()) return await this.#lose(problem('failed', `NSX does not end session ${session.id}.`));
        this.#save({ ...this.#note, endedBy: by });
        const ended = await endSession(client, point.api, session.id);
        return ended.ok || ended.error.kind === 'interrupted' ? null : await this.#lose(ended.error);
      }
      case 'ended':
        return await this.#fetch(session);
    }
  }

  #dueBy({ fileBytes }: CaptureSession): CapturedFile['endedBy'] | null {
    const { endedBy, beganMs, seconds, bytes } = this.#note;
    if (endedBy !== null) return endedBy;
    if ((fileBytes ?? 0) >= bytes) return 'size';
    return this.#now() >= beganMs + seconds * 1000 ? 'time' : null;
  }

  /** The answer that named it was lost. */
  async #find(): Promise<Result<CapturedFile> | null> {
    const { client, isKnown } = this.#parts;
    const { point, beganMs } = this.#note;
    const listed = await listSessions(client, point.api);
    const own = listed.ok
      ? listed.value.find((each) => !isKnown(each.id) && isSessionOf(each, point, this.#note, beganMs))
      : undefined;
    if (own !== undefined) this.#save({ ...this.#note, session: own.id });
    else if (this.#now() >= beganMs + this.#parts.graceMs)
      return await this.#lose(
        problem('interrupted', 'NSX was asked for a packet capture session and never showed one.'),
      );
    return null;
  }

  async #fetch(session: CaptureSession): Promise<Result<CapturedFile> | null> {
    const { client } = this.#parts;
    const { point, bytes } = this.#note;
    this.#fetches += 1;
    const fetched = await fetchCapture(client, point.api, session, { path: this.#path, bytesMax: bytes });
    if (fetched.ok) {
      const { remark, isCut, ...file } = fetched.value;
      const about = this.#about();
      this.#kept = { file: { ...about, ...file, endedBy: isCut ? 'size' : about.endedBy }, remark };
      return await this.#hand();
    }
    const mayPass = fetched.error.kind === 'interrupted' && this.#fetches < fetchesMax;
    if (mayPass) return null;
    const why = `${sayProblem(fetched.error)} Session ${session.id} is left in NSX.`;
    return await this.#lose(problem(fetched.error.kind, why));
  }

  /** The file is whole and on the disk; the session goes when whoever keeps files has written it down. */
  async #hand(): Promise<Result<CapturedFile> | null> {
    const { client, keeping } = this.#parts;
    const { session, point } = this.#note;
    this.#kept ??= { file: { ...this.#about(), ...(await measured(this.#path)) }, remark: 'hashed after a restart' };
    const { file, remark } = this.#kept;
    if (!(await keeping.collected(file, remark))) return null;
    const deleted = session === null ? ok(undefined) : await deleteSession(client, point.api, session);
    return deleted.ok || this.#isOverdue() ? ok(file) : null;
  }

  async #lose(why: Problem): Promise<Result<CapturedFile> | null> {
    // What fails while everything is being closed is tried again by who comes next.
    if (this.#isClosed) return null;
    const { id, card } = this.#note;
    return (await this.#parts.keeping.lost(id, card, why)) ? fail(why) : null;
  }

  #about(): Pick<CapturedFile, 'id' | 'interface' | 'path' | 'from' | 'until' | 'endedBy' | 'dropped'> {
    const { id, card, beganMs, seconds, endedBy } = this.#note;
    const dueMs = beganMs + seconds * 1000;
    const until = Math.min(this.#now(), dueMs);
    const by = endedBy ?? (this.#now() >= dueMs ? 'time' : 'capture');
    const times = { from: isoTime(beganMs), until: isoTime(until) };
    return { id, interface: card, path: this.#path, ...times, endedBy: by, dropped: null };
  }

  #isOverdue(): boolean {
    const { beganMs, seconds } = this.#note;
    return this.#now() >= beganMs + seconds * 1000 + this.#parts.graceMs;
  }

  /** A note that cannot be written is still what is gone on with. */
  #save(note: CaptureNote): void {
    if (JSON.stringify(note) === JSON.stringify(this.#note)) return;
    this.#note = note;
    writeNote(this.#directory, note);
  }

  #now(): number {
    return this.#parts.patience.clock.now();
  }

  get #directory(): string {
    return this.#parts.keeping.room.directory;
  }

  get #path(): string {
    return join(this.#directory, captureName(this.#note));
  }
}

/** Of a file that an earlier run left whole. */
async function measured(path: string): Promise<Pick<CapturedFile, 'sizeBytes' | 'packets' | 'sha256'>> {
  const hash = createHash('sha256');
  const reader = new PcapReader();
  let [sizeBytes, packets] = [0, 0];
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    sizeBytes += chunk.length;
    reader.read(chunk, () => (packets += 1));
  }
  return { sizeBytes, packets, sha256: hash.digest('hex') };
}
