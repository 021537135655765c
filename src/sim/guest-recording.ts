// A recorded guest: the pages that attaching and sweeping looked at, what else opens a session on them, and what that session
// saw. Lives in `src/introspection/fixtures` (see the README there); made by `lab/record-pages.ts`.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import type { Activity, GuestIdentity, ModuleView, SweepResult } from '../introspection/guest/guest-view.ts';
import type { GuestSession } from '../introspection/guest-session.ts';
import type { CpuRegisters } from '../introspection/hypervisor/cpu-registers.ts';
import { openSession } from '../introspection/introspection.ts';
import type { KernelProfile } from '../introspection/kernel/kernel-profile.ts';
import { saveProfile } from '../introspection/kernel/profile-store.ts';
import { pageBytes } from '../introspection/memory/guest-memory.ts';
import type { GuestMemory } from '../introspection/memory/guest-memory.ts';
import type { Clock } from '../kit/clock.ts';
import { ok } from '../kit/result.ts';
import type { Result } from '../kit/result.ts';
import { RecordedMemory } from './page-set.ts';
import type { PageSet } from './page-set.ts';

export interface GuestRecording {
  /** What the guest was, for a person: `6.12`, `6.12.95+deb12-cloud-amd64`, `6.12.95-1~bpo12+1`. */
  readonly kernel: { readonly release: string; readonly version: string; readonly packageVersion: string };
  /** Milliseconds since the epoch on the host when it was recorded. */
  readonly takenMs: number;
  readonly cpus: readonly CpuRegisters[];
  readonly profile: KernelProfile;
  readonly pages: PageSet;
}

/** What the live session saw while the guest stood still. */
export interface RecordedView {
  readonly identity: GuestIdentity;
  readonly activity: Activity;
  /** Threads included. */
  readonly tasks: SweepResult['tasks'];
  readonly sockets: SweepResult['sockets'];
  readonly complete: boolean;
  readonly notes: SweepResult['notes'];
  readonly modules: readonly ModuleView[];
}

const folder = join(import.meta.dirname, '..', 'introspection', 'fixtures');
const ending = '.pages.br';
const fileBytesMax = 64 * 1024 * 1024;

export const fixturePath = (release: string): string => join(folder, `linux-${release}${ending}`);
export const viewPath = (release: string): string => join(folder, `linux-${release}.view.json`);

/** Releases with a recording, such as `6.12`. */
export function recordedReleases(): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice('linux-'.length, -ending.length))
    .toSorted();
}

export function readRecording(release: string): GuestRecording {
  return unpackRecording(readFileSync(fixturePath(release)));
}

export function readView(release: string): RecordedView {
  return JSON.parse(readFileSync(viewPath(release), 'utf8')) as RecordedView;
}

/** One line of JSON, a newline, the pages; all of it brotli. */
export function packRecording({ pages, ...rest }: GuestRecording): Buffer {
  const header = JSON.stringify({ ...rest, end: pages.end, numbers: pages.numbers });
  return brotliCompressSync(Buffer.concat([Buffer.from(`${header}\n`), pages.bytes]), {
    params: { [constants.BROTLI_PARAM_LGWIN]: 24, [constants.BROTLI_PARAM_QUALITY]: 11 },
  });
}

/** Throws on a damaged file: it is ours. */
export function unpackRecording(packed: Uint8Array): GuestRecording {
  const plain = brotliDecompressSync(packed, { maxOutputLength: fileBytesMax });
  const newline = plain.indexOf('\n');
  const { end, numbers, ...rest } = JSON.parse(plain.toString('utf8', 0, newline)) as Omit<GuestRecording, 'pages'> &
    Omit<PageSet, 'bytes'>;
  const bytes = Uint8Array.from(plain.subarray(newline + 1));
  if (bytes.length !== numbers.length * pageBytes) throw new RangeError('a recording with too many or too few bytes');
  return { ...rest, pages: { end, numbers, bytes } };
}

/** Keeps the recording's kernel profile where a session looks for it. */
export function keepProfile(recording: GuestRecording, profileDirectory: string): void {
  saveProfile(profileDirectory, recording.profile);
}

/** The time of the recording, standing still: what is taken twice is the same. */
export function recordedClock(recording: GuestRecording): Clock {
  return { now: () => recording.takenMs, monotonic: () => 0 };
}

/** A session on the recorded guest, or on `memory` in its place. */
export function openRecording(
  recording: GuestRecording,
  profileDirectory: string,
  memory: GuestMemory = new RecordedMemory(recording.pages),
): Result<GuestSession> {
  return openSession(memory, recording.cpus, null, { clock: recordedClock(recording), profileDirectory });
}

/** Everything a session can tell; a problem where it says one. */
export function viewOf(session: GuestSession): Result<RecordedView> {
  const sweep = session.sweep({ threads: true });
  if (!sweep.ok) return sweep;
  const loaded = session.modules();
  if (!loaded.ok) return loaded;
  const { tasks, sockets, complete, notes } = sweep.value;
  return ok({
    identity: session.identity,
    activity: session.activity(),
    tasks,
    sockets,
    complete: complete && loaded.value.complete,
    notes,
    modules: loaded.value.modules,
  });
}
