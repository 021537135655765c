// A name server for the lab's few names. Answers as late as a real one that has to ask others, so that lookups take a moment.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

const answerDelayMs = 80;
const typeA = 1;
const headerBytes = 12;
const nameError = 3;

/** Serves A records for `names` (without a trailing dot) on address:53. `onLookup` hears of every question. */
export async function serveNames(
  address: string,
  names: ReadonlyMap<string, string>,
  onLookup: () => void,
): Promise<void> {
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const reply = answerQuery(query, names);
    if (reply === undefined) return;
    onLookup();
    setTimeout(() => socket.send(reply, from.port, from.address), answerDelayMs);
  });
  socket.bind(53, address);
  await once(socket, 'listening');
}

/** A reply to a query with one question (RFC 1035), or undefined when it is not one. */
export function answerQuery(query: Uint8Array, names: ReadonlyMap<string, string>): Buffer | undefined {
  const bytes = Buffer.from(query);
  if (bytes.length < headerBytes + 5 || bytes.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = headerBytes;
  for (let length = bytes[at] ?? 0; length > 0 && length < 64; length = bytes[at] ?? 0) {
    labels.push(bytes.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  if (at + 5 > bytes.length) return undefined;
  const address = names.get(labels.join('.').toLowerCase());
  const answers = address !== undefined && bytes.readUInt16BE(at + 1) === typeA;
  const header = Buffer.from(bytes.subarray(0, headerBytes));
  // Response, authoritative, recursion available; the question's own "recursion desired" stays.
  header[2] = 0x84 | (bytes[2] ?? 0 & 0x01);
  header[3] = 0x80 | (address === undefined ? nameError : 0);
  header.writeUInt16BE(answers ? 1 : 0, 6);
  header.writeUInt32BE(0, 8);
  const question = bytes.subarray(headerBytes, at + 5);
  return Buffer.concat([header, question, ...(answers ? [addressRecord(address)] : [])]);
}

function addressRecord(address: string): Buffer {
  const record = Buffer.from([0xc0, headerBytes, 0, typeA, 0, 1, 0, 0, 0, 5, 0, 4]);
  return Buffer.concat([record, Buffer.from(address.split('.').map(Number))]);
}
