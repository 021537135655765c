// BTF, the kernel's own description of its types, as it lies in every kernel's memory. Only what is needed to ask for the offset of a
// field by its path. The bytes come from the guest: every index is checked, and a lookup is bounded.
// Source: Documentation/bpf/btf.rst in Linux.

const magic = Buffer.from([0x9f, 0xeb, 0x01, 0x00]);
const headerBytes = 24;
const typeBytesMin = 100_000;
const recordBytes = 12;
const lookupsMax = 2_000_000;
const depthMax = 16;

const kind = { array: 3, struct: 4, union: 5, enum: 6 } as const;
const enumeratorBytes = 8;
/** Typedef, volatile, const, restrict, type tag: stand for the type they refer to. */
const transparent = new Set([8, 9, 10, 11, 18]);

/** What follows the 12 bytes of a type record, by kind: [bytes, bytes per element]. */
const tails: Readonly<Record<number, readonly [number, number]>> = {
  1: [4, 0],
  3: [12, 0],
  4: [0, 12],
  5: [0, 12],
  6: [0, 8],
  13: [0, 8],
  14: [4, 0],
  15: [0, 12],
  17: [4, 0],
  19: [0, 12],
};

interface Member {
  readonly type: number;
  readonly bitOffset: number;
}

/** The first well-formed BTF blob in `image`, or null. */
export function findBtf(image: Buffer): Buffer | null {
  for (let at = image.indexOf(magic); at >= 0; at = image.indexOf(magic, at + 1)) {
    if (at + headerBytes > image.length) return null;
    const [header, typeOffset, typeBytes, stringOffset, stringBytes] = [4, 8, 12, 16, 20].map((o) =>
      image.readUInt32LE(at + o),
    );
    if (header !== headerBytes || typeOffset !== 0 || stringOffset !== typeBytes) continue;
    if (typeBytes === undefined || stringBytes === undefined || typeBytes < typeBytesMin) continue;
    const end = at + headerBytes + typeBytes + stringBytes;
    if (end <= image.length) return image.subarray(at, end);
  }
  return null;
}

export class Btf {
  readonly #bytes: Buffer;
  readonly #strings: number;
  /** Record position by type id. */
  readonly #records: Uint32Array;
  readonly #structs: ReadonlyMap<string, number>;
  readonly #enums: ReadonlyMap<string, number>;
  #lookups = 0;

  /** `blob` as `findBtf` returns it; only the structs and enumerations named in `wanted` can be asked for. */
  constructor(blob: Buffer, wanted: ReadonlySet<string>) {
    this.#bytes = blob;
    const typeEnd = headerBytes + blob.readUInt32LE(12);
    this.#strings = typeEnd;
    const records = new Uint32Array(Math.ceil(typeEnd / recordBytes) + 1);
    const structs = new Map<string, number>();
    const enums = new Map<string, number>();
    let count = 1;
    let at = headerBytes;
    while (at + recordBytes <= typeEnd) {
      const info = blob.readUInt32LE(at + 4);
      const kindHere = (info >>> 24) & 31;
      records[count] = at;
      const byName =
        kindHere === kind.struct || kindHere === kind.union ? structs : kindHere === kind.enum ? enums : null;
      if (byName !== null) {
        const name = this.#string(blob.readUInt32LE(at));
        if (wanted.has(name) && !byName.has(name)) byName.set(name, count);
      }
      const [fixed, each] = tails[kindHere] ?? [0, 0];
      at += recordBytes + fixed + each * (info & 0xffff);
      count += 1;
    }
    this.#records = records.subarray(0, count);
    this.#structs = structs;
    this.#enums = enums;
  }

  /**
   * Bit offset of a field such as `task_struct.cred` or `sock.__sk_common.skc_num`, or the value of an enumerator that names a bit,
   * such as `pageflags.PG_uptodate`; null when there is none.
   */
  bitOffset(path: string): number | null {
    const [struct = '', ...fields] = path.split('.');
    let type = this.#structs.get(struct) ?? this.#enums.get(struct);
    let bits = 0;
    for (const field of fields) {
      if (type === undefined) return null;
      const member = this.#member(type, field, 0);
      if (member === null) return null;
      bits += member.bitOffset;
      type = member.type;
    }
    return type === undefined ? null : bits;
  }

  /** Bytes a struct takes; null when there is none of that name. */
  sizeOf(struct: string): number | null {
    const type = this.#structs.get(struct);
    const at = type === undefined ? undefined : this.#records[type];
    return at === undefined ? null : this.#bytes.readUInt32LE(at + 8);
  }

  /** Unnamed members are looked into: the kernel wraps fields in anonymous structs and unions freely. */
  #member(typeId: number, name: string, depth: number): Member | null {
    const at = this.#records[this.#strip(typeId)];
    if (at === undefined || depth > depthMax) return null;
    const info = this.#bytes.readUInt32LE(at + 4);
    const bitfields = info >>> 31 === 1;
    const memberKind = (info >>> 24) & 31;
    if (memberKind === kind.enum && depth === 0) return this.#enumerator(at, info & 0xffff, name);
    if (memberKind !== kind.struct && memberKind !== kind.union) return null;
    const end = at + recordBytes + recordBytes * (info & 0xffff);
    for (
      let member = at + recordBytes;
      member < end && member + recordBytes <= this.#bytes.length;
      member += recordBytes
    ) {
      this.#lookups += 1;
      if (this.#lookups > lookupsMax) return null;
      const nameOffset = this.#bytes.readUInt32LE(member);
      const type = this.#bytes.readUInt32LE(member + 4);
      const raw = this.#bytes.readUInt32LE(member + 8);
      const bitOffset = bitfields ? raw & 0xff_ffff : raw;
      if (nameOffset === 0) {
        const inner = this.#member(type, name, depth + 1);
        if (inner !== null) return { type: inner.type, bitOffset: inner.bitOffset + bitOffset };
      } else if (this.#isNamed(nameOffset, name)) return { type, bitOffset };
    }
    return null;
  }

  #enumerator(at: number, count: number, name: string): Member | null {
    for (let index = 0; index < count; index += 1) {
      const enumerator = at + recordBytes + index * enumeratorBytes;
      if (enumerator + enumeratorBytes > this.#bytes.length) return null;
      this.#lookups += 1;
      if (this.#lookups > lookupsMax) return null;
      if (!this.#isNamed(this.#bytes.readUInt32LE(enumerator), name)) continue;
      const value = this.#bytes.readInt32LE(enumerator + 4);
      return value < 0 ? null : { type: 0, bitOffset: value };
    }
    return null;
  }

  #strip(typeId: number): number {
    let id = typeId;
    for (let step = 0; step < depthMax; step += 1) {
      const at = this.#records[id];
      if (at === undefined || at === 0) return id;
      if (!transparent.has((this.#bytes.readUInt32LE(at + 4) >>> 24) & 31)) return id;
      id = this.#bytes.readUInt32LE(at + 8);
    }
    return id;
  }

  #isNamed(offset: number, name: string): boolean {
    const at = this.#strings + offset;
    if (at + name.length >= this.#bytes.length || this.#bytes[at + name.length] !== 0) return false;
    return this.#bytes.toString('latin1', at, at + name.length) === name;
  }

  #string(offset: number): string {
    const at = this.#strings + offset;
    if (offset === 0 || at >= this.#bytes.length) return '';
    const end = this.#bytes.indexOf(0, at);
    return this.#bytes.toString('latin1', at, end < 0 ? at : Math.min(end, at + 128));
  }
}
