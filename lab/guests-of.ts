// A sentinel's guests for a test: only the test's own. The host may run guests of others, and each QEMU has one monitor to give.
import { join } from 'node:path';
import { ok } from '../src/kit/result.ts';
import type { GuestSource } from '../src/sentinel/watch/guest-source.ts';
import { qemuSource } from '../src/sentinel/watch/qemu-source.ts';
import type { Guest } from './guest.ts';

const clock = { now: () => Date.now(), monotonic: () => performance.now() };

/** `directory`: a place of the test's for kernel profiles and the sockets of stubs. */
export function guestsOf(directory: string, guests: readonly Pick<Guest, 'uuid'>[]): GuestSource {
  const all = qemuSource({
    clock,
    profileDirectory: join(directory, 'profiles'),
    stubDirectory: join(directory, 'stubs'),
  });
  const own = new Set(guests.map(({ uuid }) => uuid));
  const find: GuestSource['find'] = () => {
    const found = all.find();
    return found.ok ? ok(found.value.filter(({ uuid }) => uuid !== null && own.has(uuid))) : found;
  };
  return { ...all, find };
}
