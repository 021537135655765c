// A packet capture session of a simulated NSX manager, and what lies in its file.
import type { JsonObject } from '../../kit/json-object.ts';

export interface SimulatedSession {
  readonly id: string;
  readonly request: JsonObject;
  readonly startedMs: number;
  readonly durationMs: number;
  endedMs: number | null;
  /** Null = none. */
  error: string | null;
}

/** A capture of frames of these sizes, as ESXi writes it. */
export function captureOf(sizes: readonly number[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(262_144, 16);
  header.writeUInt32LE(1, 20);
  const records = sizes.map((size, index) => {
    const record = Buffer.alloc(16 + size, index + 1);
    record.writeUInt32LE(1_790_000_000 + index, 0);
    record.writeUInt32LE(0, 4);
    record.writeUInt32LE(size, 8);
    record.writeUInt32LE(size, 12);
    return record;
  });
  return Buffer.concat([header, ...records]);
}
