// Guests that many test files use: booted when first asked for, once per process, gone when the process is.
import { sayProblem } from '../src/kit/problem.ts';
import type { Guest } from './guest.ts';
import type { KernelRelease } from './kernels.ts';
import { bootPlainGuest, type PlainGuestOptions } from './plain-guest.ts';

const booted = new Map<string, Promise<Guest>>();

/**
 * The plain guest of a kernel release, shared by every test of this process; with options, one guest per set of options.
 * A test leaves it as it found it and does not stop it. Throws when it cannot boot.
 */
export async function sharedGuest(
  kernel: KernelRelease,
  options: Omit<PlainGuestOptions, 'kernel'> = {},
): Promise<Guest> {
  const key = JSON.stringify([kernel, options]);
  const known = booted.get(key);
  if (known !== undefined) return known;
  const booting = boot({ kernel, name: `shared-${kernel}-${booted.size + 1}`, ...options });
  booted.set(key, booting);
  return booting;
}

/** Under emulation on a busy host a kernel panics in its own boot now and then, before any test could touch it: one more try. */
async function boot(options: PlainGuestOptions): Promise<Guest> {
  const first = await bootPlainGuest(options);
  const guest = first.ok ? first : await bootPlainGuest(options);
  if (!guest.ok) throw new Error(sayProblem(guest.error));
  return guest.value;
}
