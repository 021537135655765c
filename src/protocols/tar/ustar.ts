// Tar archives as written here, in the ustar format (POSIX.1-2017, pax, "ustar Interchange Format"): plain files only. A header has one
// form and no other, so that whoever knows name, size and time knows every byte of it.

export interface TarMember {
  /** At most 99 bytes of ASCII; no path leads out of where the archive is unpacked. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Seconds since the epoch. */
  readonly mtimeSeconds: number;
}

export const tarBlockBytes = 512;
/** Two blocks of zeros end an archive. */
export const tarEndBytes = 2 * tarBlockBytes;

const nameBytes = 100;
/** What eleven octal digits hold; more is written as GNU tar does, in base 256 behind a first byte of 0x80. */
const octalMax = 8 ** 11 - 1;
const sizeAt = 124;
const mtimeAt = 136;
const checksumAt = 148;
const typeAt = 156;
const magicAt = 257;

/** Throws RangeError for a name or number that has no place in a header: a bug of the caller's. */
export function tarHeader({ name, sizeBytes, mtimeSeconds }: TarMember): Buffer {
  if (!isTarName(name)) throw new RangeError(`tar: ${JSON.stringify(name.slice(0, 120))} is no name for a member`);
  const isTime = Number.isInteger(mtimeSeconds) && mtimeSeconds >= 0 && mtimeSeconds <= octalMax;
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0 || !isTime)
    throw new RangeError(`tar: size ${sizeBytes} or time ${mtimeSeconds} of ${name} has no place in a header`);
  const header = Buffer.alloc(tarBlockBytes);
  header.write(name, 0, 'ascii');
  // Mode, owner and group: nobody's in particular, readable by who unpacks it.
  header.write('0000600\x000000000\x000000000\x00', nameBytes, 'ascii');
  if (sizeBytes <= octalMax) header.write(`${octal(sizeBytes, 11)}\0`, sizeAt, 'ascii');
  else {
    header[sizeAt] = 0x80;
    header.writeBigUInt64BE(BigInt(sizeBytes), sizeAt + 4);
  }
  header.write(`${octal(mtimeSeconds, 11)}\0`, mtimeAt, 'ascii');
  // A plain file.
  header.write('0', typeAt, 'ascii');
  header.write('ustar\x0000', magicAt, 'ascii');
  header.write(' '.repeat(8), checksumAt, 'ascii');
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${octal(sum, 6)}\0 `, checksumAt, 'ascii');
  return header;
}

/** The member a block is the header of; null when it is not exactly what `tarHeader` writes. */
export function readTarHeader(block: Uint8Array): TarMember | null {
  const header = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  if (header.length !== tarBlockBytes) return null;
  const nameEnd = header.indexOf(0);
  if (nameEnd < 1 || nameEnd >= nameBytes) return null;
  const name = header.toString('latin1', 0, nameEnd);
  const sizeBytes =
    header[sizeAt] === 0x80 ? Number(header.readBigUInt64BE(sizeAt + 4)) : octalAt(header, sizeAt, mtimeAt);
  const mtimeSeconds = octalAt(header, mtimeAt, checksumAt);
  if (!isTarName(name) || !Number.isSafeInteger(sizeBytes) || !Number.isSafeInteger(mtimeSeconds)) return null;
  const member = { name, sizeBytes, mtimeSeconds };
  return tarHeader(member).equals(header) ? member : null;
}

/** Zeros that follow so many bytes of content. */
export function tarPadding(sizeBytes: number): number {
  return (tarBlockBytes - (sizeBytes % tarBlockBytes)) % tarBlockBytes;
}

function isTarName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/.test(name) && name.length < nameBytes;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

function octalAt(header: Buffer, from: number, to: number): number {
  const text = header.toString('latin1', from, to - 1);
  return /^[0-7]{11}$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
}
