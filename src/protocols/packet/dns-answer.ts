// The addresses that a DNS answer gives for the name that was asked (RFC 1035). Answers come from anybody: every walk is
// bounded, and a message that was captured only in part gives what is whole in it.
import { ipv4Text, ipv6Text } from './address-text.ts';

export interface NamedAddress {
  /** Lower case, no dot at its end: what was asked, not the last of the aliases. */
  readonly name: string;
  readonly address: string;
  readonly ttlSeconds: number;
}

const headerBytes = 12;
const recordsMax = 64;
const labelsMax = 128;
const jumpsMax = 16;
const nameLengthMax = 255;
const type = { a: 1, aaaa: 28 } as const;
const classInternet = 1;

/** Empty for what is no good answer with exactly one question. */
export function parseDnsAnswer(message: Buffer): readonly NamedAddress[] {
  if (message.length < headerBytes) return [];
  const flags = message.readUInt16BE(2);
  const isAnswer = (flags & 0x8000) !== 0 && (flags & 0x7800) === 0 && (flags & 0x000f) === 0;
  if (!isAnswer || message.readUInt16BE(4) !== 1) return [];
  const question = readName(message, headerBytes);
  if (question === null || question.name === '') return [];
  const found: NamedAddress[] = [];
  let at = question.end + 4;
  for (let left = Math.min(message.readUInt16BE(6), recordsMax); left > 0; left -= 1) {
    const owner = readName(message, at);
    if (owner === null || owner.end + 10 > message.length) break;
    const dataAt = owner.end + 10;
    const dataBytes = message.readUInt16BE(owner.end + 8);
    if (dataAt + dataBytes > message.length) break;
    const address = addressOf(message, owner.end, dataAt, dataBytes);
    // Above 2^31 a time to live counts as zero (RFC 2181).
    const ttl = message.readUInt32BE(owner.end + 4);
    if (address !== null) found.push({ name: question.name, address, ttlSeconds: ttl > 0x7fff_ffff ? 0 : ttl });
    at = dataAt + dataBytes;
  }
  return found;
}

function addressOf(message: Buffer, at: number, dataAt: number, dataBytes: number): string | null {
  if (message.readUInt16BE(at + 2) !== classInternet) return null;
  const kind = message.readUInt16BE(at);
  if (kind === type.a && dataBytes === 4) return ipv4Text(message, dataAt);
  if (kind === type.aaaa && dataBytes === 16) return ipv6Text(message, dataAt);
  return null;
}

/** `end` = behind the name where it stands, whatever its pointers lead to. Null when it is broken or goes in circles. */
function readName(message: Buffer, from: number): { readonly name: string; readonly end: number } | null {
  const labels: string[] = [];
  let at = from;
  let end: number | null = null;
  let jumps = 0;
  let length = 0;
  while (labels.length <= labelsMax && length <= nameLengthMax) {
    const size = message[at];
    if (size === undefined) return null;
    if (size === 0) return { name: labels.join('.').toLowerCase(), end: end ?? at + 1 };
    if (size >= 0xc0) {
      if (at + 2 > message.length || jumps >= jumpsMax) return null;
      jumps += 1;
      end ??= at + 2;
      at = message.readUInt16BE(at) & 0x3fff;
      continue;
    }
    if (size > 63 || at + 1 + size > message.length) return null;
    labels.push(printable(message.toString('latin1', at + 1, at + 1 + size)));
    length += size + 1;
    at += size + 1;
  }
  return null;
}

/** Names are shown to people and compared: whatever is not a plain character of a name becomes `?`. */
function printable(label: string): string {
  return label.replace(/[^A-Za-z0-9_-]/g, '?');
}
