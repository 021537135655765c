// IPFIX messages (RFC 7011) of one exporter: templates are remembered, records are given as the few fields that describe a
// flow. Whoever can send to the collector's port can send anything: templates are bounded and every length is checked.
import { RecentMap } from '../../kit/recent-map.ts';
import { ipv4Text, ipv6Text, macText } from '../packet/address-text.ts';

/** What happened in one direction since the exporter last told of it. */
export interface IpfixRecord {
  readonly protocol: number;
  readonly source: string;
  readonly target: string;
  readonly sourcePort: number;
  readonly targetPort: number;
  readonly sourceMac: string;
  readonly targetMac: string;
  readonly bytes: number;
  readonly packets: number;
  /** Of the first and last packet, milliseconds since the Unix epoch by the exporter's clock. */
  readonly startMs: number;
  readonly endMs: number;
  /** The exporter saw it leave the switch, not enter it. */
  readonly egress: boolean;
}

export interface IpfixMessage {
  readonly domain: number;
  /** Data records sent before this message, modulo 2^32. */
  readonly sequence: number;
  /** Data records in this message; what cannot be understood counts as well. */
  readonly records: number;
  readonly flows: readonly IpfixRecord[];
  /** Sets whose template was never seen, so that their records cannot even be counted. */
  readonly unknownSets: number;
}

interface Field {
  readonly element: number;
  readonly length: number;
  readonly enterprise: boolean;
}

const version = 10;
const headerBytes = 16;
const setHeaderBytes = 4;
const set = { template: 2, options: 3, firstData: 256 } as const;
const variable = 0xffff;
const templatesMax = 1024;
const fieldsMax = 256;
const recordsMax = 2048;

/** Numbers of https://www.iana.org/assignments/ipfix. */
const element = {
  octets: 1,
  packets: 2,
  protocol: 4,
  sourcePort: 7,
  sourceIpv4: 8,
  targetPort: 11,
  targetIpv4: 12,
  sourceIpv6: 27,
  targetIpv6: 28,
  sourceMac: 56,
  direction: 61,
  targetMac: 80,
  startSeconds: 150,
  endSeconds: 151,
  startMs: 152,
  endMs: 153,
  startDeltaUs: 158,
  endDeltaUs: 159,
} as const;

export class IpfixReader {
  readonly #templates = new RecentMap<string, readonly Field[]>(templatesMax);

  /** Null for what is no IPFIX message. */
  read(bytes: Buffer): IpfixMessage | null {
    if (bytes.length < headerBytes || bytes.readUInt16BE(0) !== version) return null;
    const end = Math.min(bytes.readUInt16BE(2), bytes.length);
    const exportedMs = bytes.readUInt32BE(4) * 1000;
    const domain = bytes.readUInt32BE(12);
    const flows: IpfixRecord[] = [];
    let records = 0;
    let unknownSets = 0;
    let at = headerBytes;
    while (at + setHeaderBytes <= end) {
      const id = bytes.readUInt16BE(at);
      const length = bytes.readUInt16BE(at + 2);
      if (length < setHeaderBytes || at + length > end) break;
      const body = bytes.subarray(at + setHeaderBytes, at + length);
      if (id === set.template) this.#learn(domain, body);
      else if (id === set.options) this.#learnOptions(domain, body);
      else if (id >= set.firstData) {
        const template = this.#templates.get(`${domain} ${id}`);
        if (template === undefined) unknownSets += 1;
        else records += readRecords(body, template, exportedMs, recordsMax - records, flows);
      }
      at += length;
    }
    return { domain, sequence: bytes.readUInt32BE(8), records, flows, unknownSets };
  }

  #learn(domain: number, body: Buffer): void {
    let at = 0;
    while (at + 4 <= body.length) {
      const id = body.readUInt16BE(at);
      const fields = readFields(body, at + 4, body.readUInt16BE(at + 2));
      if (fields === null) return;
      if (id >= set.firstData) this.#templates.set(`${domain} ${id}`, fields.fields);
      at = fields.end;
    }
  }

  /** Option records describe the exporter, not flows: known, so that they can be counted and passed over. */
  #learnOptions(domain: number, body: Buffer): void {
    let at = 0;
    while (at + 6 <= body.length) {
      const id = body.readUInt16BE(at);
      const fields = readFields(body, at + 6, body.readUInt16BE(at + 2));
      if (fields === null) return;
      const silent = fields.fields.map((field) => ({ ...field, enterprise: true }));
      if (id >= set.firstData) this.#templates.set(`${domain} ${id}`, silent);
      at = fields.end;
    }
  }
}

function readFields(body: Buffer, from: number, count: number): { fields: readonly Field[]; end: number } | null {
  if (count > fieldsMax) return null;
  const fields: Field[] = [];
  let at = from;
  for (let index = 0; index < count; index += 1) {
    if (at + 4 > body.length) return null;
    const word = body.readUInt16BE(at);
    const enterprise = word >= 0x8000;
    fields.push({ element: word & 0x7fff, length: body.readUInt16BE(at + 2), enterprise });
    at += enterprise ? 8 : 4;
  }
  return at > body.length ? null : { fields, end: at };
}

function readRecords(
  body: Buffer,
  template: readonly Field[],
  exportedMs: number,
  most: number,
  flows: IpfixRecord[],
): number {
  const least = template.reduce((sum, { length }) => sum + (length === variable ? 1 : length), 0);
  let at = 0;
  let count = 0;
  while (least > 0 && at + least <= body.length && count < most) {
    const values = new Map<number, Buffer>();
    for (const field of template) {
      let length = field.length;
      if (length === variable) {
        length = body[at] ?? 0;
        at += 1;
        if (length === 0xff && at + 2 <= body.length) {
          length = body.readUInt16BE(at);
          at += 2;
        }
      }
      if (at + length > body.length) return count;
      if (!field.enterprise) values.set(field.element, body.subarray(at, at + length));
      at += length;
    }
    count += 1;
    const flow = flowOf(values, exportedMs);
    if (flow !== null) flows.push(flow);
  }
  return count;
}

function flowOf(values: ReadonlyMap<number, Buffer>, exportedMs: number): IpfixRecord | null {
  const address = (four: number, six: number): string | null => {
    const short = values.get(four);
    if (short?.length === 4) return ipv4Text(short, 0);
    const long = values.get(six);
    return long?.length === 16 ? ipv6Text(long, 0) : null;
  };
  const mac = (number: number): string => {
    const value = values.get(number);
    return value?.length === 6 ? macText(value, 0) : '';
  };
  const source = address(element.sourceIpv4, element.sourceIpv6);
  const target = address(element.targetIpv4, element.targetIpv6);
  const protocol = unsigned(values.get(element.protocol));
  if (source === null || target === null || protocol === null) return null;
  const time = (delta: number, inMs: number, inSeconds: number): number => {
    const back = unsigned(values.get(delta));
    if (back !== null) return exportedMs - back / 1000;
    return unsigned(values.get(inMs)) ?? (unsigned(values.get(inSeconds)) ?? exportedMs / 1000) * 1000;
  };
  return {
    protocol,
    source,
    target,
    sourcePort: unsigned(values.get(element.sourcePort)) ?? 0,
    targetPort: unsigned(values.get(element.targetPort)) ?? 0,
    sourceMac: mac(element.sourceMac),
    targetMac: mac(element.targetMac),
    bytes: unsigned(values.get(element.octets)) ?? 0,
    packets: unsigned(values.get(element.packets)) ?? 0,
    startMs: time(element.startDeltaUs, element.startMs, element.startSeconds),
    endMs: time(element.endDeltaUs, element.endMs, element.endSeconds),
    egress: unsigned(values.get(element.direction)) === 1,
  };
}

/** Counters may be sent in fewer bytes than they have (reduced-size encoding); null when absent. */
function unsigned(value: Buffer | undefined): number | null {
  if (value === undefined || value.length === 0 || value.length > 8) return null;
  return value.length <= 6 ? value.readUIntBE(0, value.length) : Number(BigInt(`0x${value.toString('hex')}`));
}
