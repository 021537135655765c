// A VM's packets kept as evidence: captured at its own device by the host's tcpdump, up to a number of bytes and seconds, cut between
// two packets, hashed as they lie on the disk. The capture ends with us; a file that was cut off so is left as `.part`.
import { createHash } from 'node:crypto';
import type { ChildProcess } from 'node:child_process';
import {
  closeSync,
  createReadStream,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Clock, isoTime } from '../../kit/clock.ts';
import { causeOf, type Problem, problem, sayProblem } from '../../kit/problem.ts';
import { startProgram, within } from '../../protocols/host-program/run-program.ts';
import type { Capture } from '../../model/network-measure.ts';
import { PcapReader } from '../../protocols/packet/pcap-reader.ts';
import type { CheckedOrder, CheckedPort } from './checked-order.ts';
import type { MeasureInForce, MeasureOutcome } from './network-enforcer.ts';

/** A capture that has ended. */
export interface CapturedFile {
  readonly id: string;
  readonly interface: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly packets: number;
  /** Of the whole file, hexadecimal. */
  readonly sha256: string;
  readonly from: string;
  readonly until: string;
  readonly endedBy: 'time' | 'size' | 'release' | 'capture';
  /** Packets the kernel had to drop; null = not told. */
  readonly dropped: number | null;
}

export interface PacketCaptureOptions {
  /** Where evidence is kept, 0700; files are named `ID-INTERFACE.pcap`. */
  readonly directory: string;
  readonly clock: Clock;
  /** A process in the devices' network namespace; null = ours. */
  readonly namespacePid: number | null;
  readonly finished: (file: CapturedFile) => void;
  /** A capture whose file could not be kept. */
  readonly lost: (id: string, why: Problem) => void;
}

const startPatienceMs = 5000;
const capturesMax = 16;
const fileHeaderBytes = 24;
const recordHeaderBytes = 16;
const wordsMax = 2000;

export class PacketCapture {
  readonly #options: PacketCaptureOptions;
  readonly #running = new Map<string, RunningCapture>();

  constructor(options: PacketCaptureOptions) {
    this.#options = options;
  }

  has(id: string): boolean {
    return this.#running.has(id);
  }

  running(port: CheckedPort): readonly MeasureInForce[] {
    return [...this.#running.values()]
      .filter(({ order }) => order.port.interface === port.interface)
      .map((capture) => ({
        id: capture.order.id,
        kind: 'capture',
        vm: capture.order.port.vm,
        missing: null,
        endsInMs: capture.endsAtMs - this.#options.clock.monotonic(),
      }));
  }

  /** Done when packets are being captured; what came of it is told by `finished`. */
  async start(order: CheckedOrder<Capture>): Promise<MeasureOutcome> {
    const known = this.#running.get(order.id);
    if (known !== undefined) return { state: 'done', changed: false, evidence: `already so: ${known.path}` };
    if (this.#running.size >= capturesMax)
      return failed(
        problem('refused', `${capturesMax} captures are running, which is the most.`, 'Release one first.'),
      );
    // Both are checked names: neither leaves the directory.
    const path = join(this.#options.directory, `${order.id}-${order.port.interface}.pcap`);
    // Evidence is never written over: an order that was carried out is not carried out again.
    if (existsSync(path)) return { state: 'done', changed: false, evidence: `captured before: ${path}` };
    const capture = new RunningCapture(order, path, this.#options);
    this.#running.set(order.id, capture);
    void capture.ended.then(() => this.#running.delete(order.id));
    const begun = await capture.begun;
    if (begun !== null) return failed(begun);
    const { seconds, bytes } = order.measure;
    const evidence = `${order.port.interface} is captured into ${capture.path}, for ${seconds} s or ${bytes} bytes`;
    return { state: 'done', changed: true, evidence };
  }

  async stop(id: string): Promise<MeasureOutcome> {
    const ended = await this.#running.get(id)?.stop('release');
    if (ended === undefined) return { state: 'done', changed: false, evidence: `no capture ${id} is running` };
    return ended.ok
      ? { state: 'done', changed: true, evidence: sayFile(ended.value) }
      : { ...failed(ended.error), changed: true };
  }

  /** Ends all captures and keeps what they have. */
  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((capture) => capture.stop('release')));
  }
}

export function sayFile({ path, packets, sizeBytes, sha256, dropped, endedBy }: CapturedFile): string {
  const lost = dropped === null || dropped === 0 ? '' : `; the kernel dropped ${dropped}`;
  return `${path}: ${packets} packets, ${sizeBytes} bytes, sha256 ${sha256}, ended by ${endedBy}${lost}`;
}

type Ended = { readonly ok: true; readonly value: CapturedFile } | { readonly ok: false; readonly error: Problem };

class RunningCapture {
  readonly order: CheckedOrder<Capture>;
  readonly path: string;
  readonly endsAtMs: number;
  /** Null once packets are captured; otherwise why they are not. */
  readonly begun: Promise<Problem | null>;
  readonly ended: Promise<Ended>;
  readonly #options: PacketCaptureOptions;
  readonly #from: string;
  readonly #reader = new PcapReader();
  #child: ChildProcess | null = null;
  #file = -1;
  #written = 0;
  #keep = fileHeaderBytes;
  #packets = 0;
  #full = false;
  #words = '';
  #endedBy: CapturedFile['endedBy'] = 'capture';
  #fault: Problem | null = null;

  constructor(order: CheckedOrder<Capture>, path: string, options: PacketCaptureOptions) {
    this.order = order;
    this.#options = options;
    this.#from = isoTime(options.clock.now());
    this.endsAtMs = options.clock.monotonic() + order.measure.seconds * 1000;
    this.path = path;
    const begun = Promise.withResolvers<Problem | null>();
    const ended = Promise.withResolvers<Ended>();
    this.begun = begun.promise;
    this.ended = ended.promise;
    try {
      mkdirSync(options.directory, { recursive: true, mode: 0o700 });
      this.#file = openSync(`${this.path}.part`, 'w', 0o600);
    } catch (thrown) {
      const why = problem('failed', `${this.path} cannot be written: ${causeOf(thrown)}.`);
      begun.resolve(why);
      ended.resolve({ ok: false, error: why });
      return;
    }
    this.#run(begun.resolve, ended.resolve);
  }

  stop(by: CapturedFile['endedBy']): Promise<Ended> {
    if (this.#endedBy === 'capture') this.#endedBy = by;
    this.#child?.kill('SIGTERM');
    return this.ended;
  }

  #run(begun: (why: Problem | null) => void, ended: (end: Ended) => void): void {
    const { interface: device } = this.order.port;
    // It stays root, or the kernel would not end it with us; with `-w` it looks into no packet.
    const argv = ['tcpdump', '-i', device, '-n', '-U', '-w', '-', '-s', '262144', '-Z', 'root', '--immediate-mode'];
    const child = startProgram(within(this.#options.namespacePid, argv));
    this.#child = child;
    const time = setTimeout(() => void this.stop('time'), this.order.measure.seconds * 1000);
    const patience = setTimeout(() => child.kill('SIGKILL'), startPatienceMs);
    child.stdout?.on('data', (chunk: Buffer) => this.#take(chunk));
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#words = (this.#words + chunk.toString('latin1')).slice(-wordsMax);
      if (!this.#words.includes('listening on')) return;
      clearTimeout(patience);
      begun(null);
    });
    child.once('close', () => {
      clearTimeout(time);
      clearTimeout(patience);
      const said = this.#words.trim().split('\n').at(-1)?.slice(0, 300) ?? '';
      begun(problem('failed', `${device} cannot be captured: ${said || 'tcpdump ended'}.`));
      void this.#seal().then((end) => {
        ended(end);
        if (end.ok) this.#options.finished(end.value);
        else this.#options.lost(this.order.id, end.error);
      });
    });
  }

  #take(chunk: Buffer): void {
    if (this.#fault !== null || this.#written >= this.order.measure.bytes) return;
    try {
      this.#written += writeSync(this.#file, chunk);
    } catch (thrown) {
      this.#fault = problem('failed', `${this.path} cannot be written: ${causeOf(thrown)}.`);
      void this.stop('capture');
      return;
    }
    this.#reader.read(chunk, ({ bytes }) => {
      const end = this.#keep + recordHeaderBytes + bytes.length;
      this.#full ||= end > this.order.measure.bytes;
      if (this.#full) return;
      this.#keep = end;
      this.#packets += 1;
    });
    if (this.#written >= this.order.measure.bytes) void this.stop('size');
  }

  async #seal(): Promise<Ended> {
    try {
      if (this.#fault !== null) throw new Error(sayProblem(this.#fault));
      if (this.#written < fileHeaderBytes) throw new Error('nothing was captured');
      ftruncateSync(this.#file, this.#keep);
      fsyncSync(this.#file);
      const hash = createHash('sha256');
      for await (const chunk of createReadStream(`${this.path}.part`)) hash.update(chunk as Buffer);
      renameSync(`${this.path}.part`, this.path);
      const dropped = /(\d{1,15}) packets? dropped by kernel/.exec(this.#words)?.[1];
      return {
        ok: true,
        value: {
          id: this.order.id,
          interface: this.order.port.interface,
          path: this.path,
          sizeBytes: this.#keep,
          packets: this.#packets,
          sha256: hash.digest('hex'),
          from: this.#from,
          until: isoTime(this.#options.clock.now()),
          endedBy: this.#endedBy,
          dropped: dropped === undefined ? null : Number(dropped),
        },
      };
    } catch (thrown) {
      return { ok: false, error: problem('failed', `The capture was not kept: ${causeOf(thrown)}.`) };
    } finally {
      closeSync(this.#file);
    }
  }
}

function failed(why: Problem): MeasureOutcome {
  return { state: 'failed', changed: false, evidence: sayProblem(why).slice(0, 4000), problem: why };
}
