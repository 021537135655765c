// What captures packets at a port, whoever does it: the host's own tcpdump, or a platform that is asked to; and who keeps what a
// platform captured.
import type { Problem } from '../../kit/problem.ts';
import type { Capture } from '../../model/network-measure.ts';
import type { CheckedOrder, CheckedPort } from './checked-order.ts';
import type { EvidenceRoom } from './evidence-room.ts';
import type { MeasureInForce, MeasureOutcome } from './network-enforcer.ts';
import type { CapturedFile } from './packet-capture.ts';

export interface PortCapture {
  /** Whether a capture of that id is under way. */
  has(id: string, port: CheckedPort): boolean;
  running(port: CheckedPort): readonly MeasureInForce[];
  /** Done when packets are being captured; the same order again begins none. */
  start(order: CheckedOrder<Capture>): Promise<MeasureOutcome>;
  stop(id: string, port: CheckedPort): Promise<MeasureOutcome>;
  /** What stands in the way of capturing here; absent = what stands in the way of every measure. */
  readonly obstacle?: (port: CheckedPort) => Promise<Problem | null>;
}

/** Where a platform's captures are kept. Told of one thing twice, it keeps it once. */
export interface CaptureKeeping {
  /** Its directory belongs to the one platform alone. */
  readonly room: EvidenceRoom;
  /** A file that is complete in that directory. False = it could not be written down, and is to be told again. */
  collected(file: CapturedFile, remark: string): Promise<boolean>;
  /** A capture that was begun and came to nothing. */
  lost(id: string, card: string, why: Problem): Promise<boolean>;
}
