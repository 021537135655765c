// Bytes as blocks of whole lines. A line over the limit is given up as null and skipped to its end, so that one endless line costs
// no memory.

export const lineBytesMax = 1024 * 1024;
/** Taken at once of what is given; a block is never longer than this and one line. */
const stretchBytes = 256 * 1024;
const newline = 0x0a;

export class LineSplitter {
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;

  /** Blocks of whole lines, each with its end; null for a line that is longer than `lineBytesMax`. */
  *push(chunk: Uint8Array): Generator<Uint8Array | null> {
    for (let at = 0; at < chunk.length; at += stretchBytes) yield* this.#take(chunk.subarray(at, at + stretchBytes));
  }

  *#take(stretch: Uint8Array): Generator<Uint8Array | null> {
    const last = stretch.lastIndexOf(newline);
    if (last === -1) return this.#keep(stretch);
    const first = this.#pendingBytes === 0 ? -1 : stretch.indexOf(newline);
    if (this.#pendingBytes > 0) {
      this.#keep(stretch.subarray(0, first));
      yield* this.end();
    }
    if (last > first) yield stretch.subarray(first + 1, last + 1);
    if (last + 1 < stretch.length) this.#keep(stretch.subarray(last + 1));
  }

  #keep(bytes: Uint8Array): void {
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes > lineBytesMax) this.#pending = [];
    else this.#pending.push(bytes);
  }

  /** The last line, which has no end of its own. */
  *end(): Generator<Uint8Array | null> {
    if (this.#pendingBytes === 0) return;
    yield this.#pendingBytes > lineBytesMax ? null : Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
  }
}

/** Yields each line without its end, in UTF-8; null for one that is longer than `lineBytesMax`. */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string | null> {
  const splitter = new LineSplitter();
  for await (const chunk of chunks) for (const block of splitter.push(chunk)) yield* linesOf(block);
  for (const block of splitter.end()) yield* linesOf(block);
}

function* linesOf(block: Uint8Array | null): Generator<string | null> {
  if (block === null) return yield null;
  let start = 0;
  for (let end = block.indexOf(newline); end !== -1; end = block.indexOf(newline, start)) {
    yield utf8(block, start, end);
    start = end + 1;
  }
  if (start < block.length) yield utf8(block, start, block.length);
}

function utf8(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8', start, end);
}
