// Bytes as lines. A line over the limit is given up as null and skipped to its end, so that one endless line costs no memory.

export const lineBytesMax = 1024 * 1024;
const newline = 0x0a;

/** Yields each line without its end, in UTF-8; null for one that is longer than `lineBytesMax`. */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string | null> {
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let tooLong = false;
  const keep = (bytes: Uint8Array): void => {
    pendingBytes += bytes.length;
    if (pendingBytes > lineBytesMax) {
      tooLong = true;
      pending = [];
    } else pending.push(bytes);
  };
  const take = (): string | null => {
    const line = tooLong ? null : Buffer.concat(pending).toString('utf8');
    pending = [];
    pendingBytes = 0;
    tooLong = false;
    return line;
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      keep(chunk.subarray(start, end));
      yield take();
      start = end + 1;
    }
    if (start < chunk.length) keep(chunk.subarray(start));
  }
  if (pendingBytes > 0) yield take();
}
