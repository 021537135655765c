// NBD, the network block device protocol, as a reader speaks it: fixed newstyle negotiation, simple replies, nothing but READ.
// Source: doc/proto.md of the NBD project.
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { causeOf, problem } from '../../kit/problem.ts';
import type { Problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';

export interface NbdReader {
  readonly sizeBytes: number;
  /** `length` bytes from `offset`; at most 1 MiB, within the export. */
  read(offset: number, length: number): Promise<Result<Buffer>>;
  close(): void;
}

const greetingMagic = 0x4e42_444d_4147_4943n;
const optionMagic = 0x4948_4156_454f_5054n;
const optionReplyMagic = 0x0003_e889_0455_65a9n;
const requestMagic = 0x2560_9513;
const replyMagic = 0x6744_6698;
const fixedNewstyle = 1;
const noZeroes = 2;
const option = { go: 7 } as const;
const reply = { acknowledged: 1, info: 3, errorBit: 0x8000_0000 } as const;
const exportInfo = 0;
const command = { read: 0, disconnect: 2 } as const;
const readBytesMax = 1024 * 1024;
const optionRepliesMax = 16;
const optionReplyBytesMax = 4096;
const patienceMs = 10_000;

/** Connects to the export `name` of the server at a unix socket. */
export async function openNbd(path: string, name: string): Promise<Result<NbdReader>> {
  const stream = new ByteStream(connect(path));
  const client = await negotiate(stream, name);
  if (!client.ok) stream.end();
  return client;
}

async function negotiate(stream: ByteStream, name: string): Promise<Result<NbdReader>> {
  const greeting = await stream.take(18);
  if (!greeting.ok) return greeting;
  const flags = greeting.value.readUInt16BE(16);
  const isNewstyle =
    greeting.value.readBigUInt64BE(0) === greetingMagic && greeting.value.readBigUInt64BE(8) === optionMagic;
  if (!isNewstyle || (flags & fixedNewstyle) === 0) return fail(notUnderstood('its greeting is no NBD'));
  stream.send(optionGo(name, flags & (fixedNewstyle | noZeroes)));
  let sizeBytes: number | null = null;
  for (let replies = 0; replies < optionRepliesMax; replies += 1) {
    const header = await stream.take(20);
    if (!header.ok) return header;
    const length = header.value.readUInt32BE(16);
    if (header.value.readBigUInt64BE(0) !== optionReplyMagic || length > optionReplyBytesMax) {
      return fail(notUnderstood('its answer to an option makes no sense'));
    }
    const data = await stream.take(length);
    if (!data.ok) return data;
    const type = header.value.readUInt32BE(12);
    if (type >= reply.errorBit) return fail(problem('not-found', `The NBD server does not give out ${name}.`));
    if (type === reply.info && length >= 10 && data.value.readUInt16BE(0) === exportInfo) {
      sizeBytes = Number(data.value.readBigUInt64BE(2));
    }
    if (type === reply.acknowledged) {
      return sizeBytes === null ? fail(notUnderstood('it names no size')) : ok(new Client(stream, sizeBytes));
    }
  }
  return fail(notUnderstood('it never ends its answer'));
}

function optionGo(name: string, flags: number): Buffer {
  const text = Buffer.from(name);
  const bytes = Buffer.alloc(4 + 16 + 4 + text.length + 2);
  bytes.writeUInt32BE(flags, 0);
  bytes.writeBigUInt64BE(optionMagic, 4);
  bytes.writeUInt32BE(option.go, 12);
  bytes.writeUInt32BE(4 + text.length + 2, 16);
  bytes.writeUInt32BE(text.length, 20);
  text.copy(bytes, 24);
  return bytes;
}

function notUnderstood(why: string): Problem {
  return problem('unreadable', `Could not understand the NBD server: ${why}.`);
}

class Client implements NbdReader {
  readonly sizeBytes: number;
  readonly #stream: ByteStream;
  #cookie = 0n;
  #last: Promise<unknown> = Promise.resolve();

  constructor(stream: ByteStream, sizeBytes: number) {
    this.#stream = stream;
    this.sizeBytes = sizeBytes;
  }

  /** One request at a time: replies then come in order. */
  read(offset: number, length: number): Promise<Result<Buffer>> {
    if (!(offset >= 0) || length > readBytesMax || offset + length > this.sizeBytes) {
      return Promise.resolve(
        fail(problem('usage', `No ${length} bytes at ${offset} of an export of ${this.sizeBytes}.`)),
      );
    }
    const turn = this.#last.then(() => this.#exchange(offset, length));
    this.#last = turn;
    return turn;
  }

  close(): void {
    this.#stream.send(this.#request(command.disconnect, 0, 0));
    this.#stream.end();
  }

  async #exchange(offset: number, length: number): Promise<Result<Buffer>> {
    this.#stream.send(this.#request(command.read, offset, length));
    const header = await this.#stream.take(16);
    if (!header.ok) return header;
    const cookie = header.value.readBigUInt64BE(8);
    if (header.value.readUInt32BE(0) !== replyMagic || cookie !== this.#cookie) {
      return fail(notUnderstood('its reply is to no request of ours'));
    }
    const error = header.value.readUInt32BE(4);
    if (error !== 0) return fail(problem('failed', `The NBD server could not read: error ${error}.`));
    return this.#stream.take(length);
  }

  #request(type: number, offset: number, length: number): Buffer {
    this.#cookie += 1n;
    const bytes = Buffer.alloc(28);
    bytes.writeUInt32BE(requestMagic, 0);
    bytes.writeUInt16BE(type, 6);
    bytes.writeBigUInt64BE(this.#cookie, 8);
    bytes.writeBigUInt64BE(BigInt(offset), 16);
    bytes.writeUInt32BE(length, 24);
    return bytes;
  }
}

/** What a socket brings, taken in the lengths that are asked for; never more than what is asked for is waited for. */
class ByteStream {
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);
  #ended: Problem | null = null;
  #wake = (): void => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer<ArrayBuffer>) => {
      this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
      // What nobody asked for yet waits in the kernel, not here.
      if (this.#bytes.length > 2 * readBytesMax) socket.pause();
      this.#wake();
    });
    socket.on('error', (error) => this.#finish(causeOf(error)));
    socket.on('close', () => this.#finish('it closed the connection'));
  }

  send(bytes: Buffer): void {
    if (this.#ended === null) this.#socket.write(bytes);
  }

  end(): void {
    this.#socket.end();
    this.#socket.destroySoon();
  }

  async take(length: number): Promise<Result<Buffer>> {
    const deadline = performance.now() + patienceMs;
    while (this.#bytes.length < length) {
      if (this.#ended !== null) return fail(this.#ended);
      const left = deadline - performance.now();
      if (left <= 0) return fail(problem('failed', `The NBD server did not answer within ${patienceMs / 1000} s.`));
      this.#socket.resume();
      await this.#wait(left);
    }
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return ok(taken);
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #finish(why: string): void {
    this.#ended ??= problem('failed', `Lost the NBD server: ${why}.`);
    this.#wake();
  }
}
