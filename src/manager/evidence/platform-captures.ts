// Keeps what platforms captured: a directory for each, room within the limits of a host, and for each file an item as a sentinel would
// have reported it. Nothing is taken before there is a store to write it into; whoever has it tells it again.
import { rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { causeOf, type Problem, sayProblem } from '../../kit/problem.ts';
import { ok } from '../../kit/result.ts';
import { EvidenceRoom } from '../../connectors/enforcement/evidence-room.ts';
import type { CapturedFile } from '../../connectors/enforcement/packet-capture.ts';
import type { CaptureKeeping } from '../../connectors/enforcement/port-capture.ts';
import type { EvidenceItem, RemovedBy } from '../../model/evidence.ts';
import { change, type Turn } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { evidenceIdOf, itemsOfHostMax, sayRemoval } from '../ingest/evidence.ts';
import {
  countEvidence,
  evidenceById,
  forgetOldEvidence,
  saveEvidence,
  type StoredEvidence,
} from '../store/evidence.ts';
import { remediationById } from '../store/remediations.ts';
import { ownHost, ownPath, sayHost } from './own-items.ts';

type KeepingDesk = Pick<Desk, 'store' | 'clock' | 'log' | 'announcements'>;

export interface CaptureKeeper {
  keepingOf(platform: string): CaptureKeeping;
  /** From now on there is a store. */
  begin(desk: KeepingDesk): void;
}

const sort = {
  name: /\.pcap(\.part)?$/,
  what: 'captured packets',
  mend: () => 'Close alarms that are over, unhold what is not needed, or raise evidence.host.gigabytesMax.',
};
const filesMax = 5000;
const noteMax = 2000;
const forgottenAtOnce = 100;

/** `directory`: of all platforms' files; `bytesMax`: of each platform's. */
export function makeCaptureKeeper(directory: string, bytesMax: number): CaptureKeeper {
  let desk: KeepingDesk | null = null;
  return {
    begin: (given) => void (desk = given),
    keepingOf: (platform) => ({
      room: new EvidenceRoom(join(directory, platform), { keptBytes: bytesMax, files: filesMax }, sort),
      collected: async (file, remark) => desk !== null && (await collected(desk, platform, file, remark)),
      lost: async (id, card, why) => desk !== null && (await lost(desk, platform, id, card, why)),
    }),
  };
}

async function collected(desk: KeepingDesk, platform: string, file: CapturedFile, remark: string): Promise<boolean> {
  const { id: key, sizeBytes, sha256, packets, from, until, endedBy } = file;
  const name = basename(file.path);
  const said = remark === '' ? '' : `; ${remark}`;
  const note = `${packets} packets at card ${file.interface} from ${from} to ${until}, ended by ${endedBy}${said}`;
  return await keep(desk, platform, key, name, (whose, at) => ({
    ...whose,
    state: 'kept',
    name,
    sizeBytes,
    sha256,
    madeAt: at,
    note: note.slice(0, noteMax),
  }));
}

async function lost(desk: KeepingDesk, platform: string, key: string, card: string, why: Problem): Promise<boolean> {
  const words = sayProblem(why).slice(0, noteMax);
  desk.log.error('captured packets were not kept', { platform, id: key, card, why: words });
  // One that is tried again may be lost again.
  const name = `lost-${key}-${card}-${desk.clock.now()}`;
  return await keep(desk, platform, key, name, (whose, at) => ({
    ...whose,
    state: 'lost',
    name: null,
    sizeBytes: null,
    sha256: null,
    madeAt: at,
    note: words,
  }));
}

type Whose = Pick<EvidenceItem, 'id' | 'kind' | 'vm' | 'host' | 'step' | 'removedAt' | 'removedBy'>;

/** False = it could not be written down. Of what no step of ours began nothing is said but in the log. */
async function keep(
  desk: KeepingDesk,
  platform: string,
  key: string,
  reportedAs: string,
  itemFor: (whose: Whose, at: string) => EvidenceItem,
): Promise<boolean> {
  const host = ownHost(platform);
  const id = evidenceIdOf(host, reportedAs);
  const act = { by: `platform ${platform}`, verb: 'evidence.store', subject: id, silent: true } as const;
  const kept = await change(desk, act, async (turn) => {
    if ((await evidenceById(turn.db, id)) !== null) return ok(null);
    const cause = await remediationById(turn.db, key);
    if (cause === null) {
      desk.log.error('a captured file belongs to no step', { platform, name: reportedAs });
      return ok(null);
    }
    await makeRow(turn, host);
    const whose = {
      id,
      kind: 'packets',
      vm: cause.step.vm,
      host,
      step: key,
      removedAt: null,
      removedBy: null,
    } as const;
    const item = itemFor(whose, turn.at);
    await saveEvidence(turn.db, { item, reportedAs });
    await turn.record(item.state === 'kept' ? 'evidence.collected' : 'evidence.lost', id, sayItem(item));
    return ok(null);
  });
  return kept.ok;
}

async function makeRow(turn: Turn, host: string): Promise<void> {
  if ((await countEvidence(turn.db, host)) >= itemsOfHostMax) await forgetOldEvidence(turn.db, host, forgottenAtOnce);
}

function sayItem({ kind, vm, step, host, name, sizeBytes, sha256, note }: EvidenceItem): string {
  const what = `${kind} of ${vm} by remediation ${step} through ${sayHost(host)}`;
  return name === null ? `${what}: ${note}` : `${what}: ${name}, ${sizeBytes} bytes, sha256 ${sha256}`;
}

/** Of a file that has had its time; nothing happens when it cannot be removed, but that it is tried again. */
export async function removeOwnItem(
  desk: KeepingDesk & Pick<Desk, 'platformFiles'>,
  stored: StoredEvidence,
  by: RemovedBy,
): Promise<void> {
  const path = ownPath(desk.platformFiles, stored);
  if (path === null) return;
  const { item, reportedAs } = stored;
  try {
    rmSync(path, { force: true });
  } catch (thrown) {
    desk.log.error('evidence cannot be removed', { id: item.id, why: causeOf(thrown) });
    return;
  }
  const act = { by: 'manager', verb: 'evidence.remove', subject: item.id, silent: true } as const;
  const removed = await change(desk, act, async (turn) => {
    const gone: EvidenceItem = { ...item, state: 'removed', removedAt: turn.at, removedBy: by };
    await saveEvidence(turn.db, { item: gone, reportedAs });
    const what = `${item.kind} of ${item.vm} through ${sayHost(item.host)}`;
    return ok(await turn.record('evidence.removed', item.id, `${what}: ${sayRemoval(by)}`));
  });
  if (!removed.ok) desk.log.error('that evidence was removed is not written down', { id: item.id });
}
