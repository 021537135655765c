// The QEMU guests of this host, with the sentinel's own directory for what is learned of them, made for them and kept of them.
import type { Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { EvidenceRoom } from '../../connectors/enforcement/evidence-room.ts';
import type { StateDir } from '../state-dir.ts';
import type { GuestSource } from './guest-source.ts';
import { qemuSource } from './qemu-source.ts';

/** `stopping`: aborted when the sentinel stops; no VM stands for longer because its memory is being kept. */
export function hostSource(dir: StateDir, clock: Clock, log: Log, stopping: AbortSignal): GuestSource {
  return qemuSource({
    clock,
    profileDirectory: dir.profiles,
    stubDirectory: dir.stubs,
    evidence: {
      room: new EvidenceRoom(dir.evidence),
      cancelled: stopping,
      progress: (id, bytes, ofBytes) => log.info('memory is being kept', { id, bytes, ofBytes }),
    },
  });
}
