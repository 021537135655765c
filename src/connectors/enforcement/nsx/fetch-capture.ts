// The file of a capture session, from NSX to the disk: no more bytes than were ordered, cut between two packets, hashed, and under its
// name only when it is whole. What is no capture of packets is not kept as one.
import { createHash, type Hash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  fsyncSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { causeOf, problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { NsxClient } from '../../../protocols/nsx/nsx-client.ts';
import { PcapReader } from '../../../protocols/packet/pcap-reader.ts';
import type { CapturedFile } from '../packet-capture.ts';
import { type CaptureApi, type CaptureSession, fileAt } from './capture-session.ts';

export interface FetchedCapture extends Pick<CapturedFile, 'sizeBytes' | 'packets' | 'sha256'> {
  /** There was more than was ordered. */
  readonly isCut: boolean;
  /** What is to be said of it; empty = nothing. */
  readonly remark: string;
}

/** A gigabyte, the most that may be ordered, at two megabytes a second. */
const fetchMsMax = 600_000;
const fileHeaderBytes = 24;
const recordHeaderBytes = 16;

export async function fetchCapture(
  client: NsxClient,
  api: CaptureApi,
  session: CaptureSession,
  { path, bytesMax }: { readonly path: string; readonly bytesMax: number },
): Promise<Result<FetchedCapture>> {
  const part = `${path}.part`;
  let file = -1;
  try {
    file = openSync(part, 'w', 0o600);
    const measure = new Measure(bytesMax);
    let fault: unknown = null;
    const fetched = await client.download(fileAt(api, session.id), fetchMsMax, (chunk) => {
      try {
        writeSync(file, chunk);
      } catch (thrown) {
        fault = thrown;
        return false;
      }
      return measure.take(chunk);
    });
    if (fault !== null) throw fault;
    if (!fetched.ok) return fetched;
    if (measure.isNone)
      return fail(problem('unreadable', `${client.place} handed out something else than captured packets.`));
    ftruncateSync(file, measure.keepBytes);
    fsyncSync(file);
    const hash: Hash = createHash('sha256');
    for await (const chunk of createReadStream(part)) hash.update(chunk as Buffer);
    renameSync(part, path);
    const { keepBytes: sizeBytes, packets, isCut } = measure;
    return ok({ sizeBytes, packets, sha256: hash.digest('hex'), isCut, remark: remarkOn(session, measure) });
  } catch (thrown) {
    return fail(problem('failed', `${path} cannot be written: ${causeOf(thrown)}.`));
  } finally {
    if (file >= 0) closeSync(file);
    rmSync(part, { force: true });
  }
}

function remarkOn({ fileBytes }: CaptureSession, { isCut, keepBytes, readBytes }: Measure): string {
  if (isCut) return fileBytes === null ? '' : `NSX had ${fileBytes} bytes of it`;
  if (fileBytes !== null && fileBytes !== readBytes)
    return `NSX said that it had ${fileBytes} bytes, and gave ${readBytes}`;
  return keepBytes === readBytes ? '' : `the last ${readBytes - keepBytes} bytes were half a packet`;
}

/** Counts packets, and where the last of them ends that fits. */
class Measure {
  readonly #bytesMax: number;
  readonly #reader = new PcapReader();
  readBytes = 0;
  keepBytes = fileHeaderBytes;
  packets = 0;
  isCut = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get isNone(): boolean {
    return this.#reader.problem !== null || this.readBytes < fileHeaderBytes;
  }

  /** False = no more is wanted. */
  take(chunk: Buffer): boolean {
    this.readBytes += chunk.length;
    this.#reader.read(chunk, ({ bytes }) => {
      const end = this.keepBytes + recordHeaderBytes + bytes.length;
      this.isCut ||= end > this.#bytesMax;
      if (this.isCut) return;
      this.keepBytes = end;
      this.packets += 1;
    });
    return !this.isCut && this.#reader.problem === null;
  }
}
