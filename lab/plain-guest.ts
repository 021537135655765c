// A guest with nothing in it but a shell and the lab's programs: what introspection is tried on, on any kernel, without root.
import { ok, type Result } from '../src/kit/result.ts';
import { bootGuest, type Guest } from './guest.ts';
import { buildInitramfs } from './initramfs.ts';
import { fetchKernel, type KernelRelease } from './kernels.ts';
import type { GuestHardware } from './qemu-command.ts';
import { makeRunDirectory } from './run-directory.ts';

export interface PlainGuestOptions {
  readonly kernel: KernelRelease;
  readonly name?: string;
  readonly hardware?: Partial<GuestHardware>;
  /** Further kernel parameters, such as `pti=on`. */
  readonly append?: readonly string[];
}

export async function bootPlainGuest(options: PlainGuestOptions): Promise<Result<Guest>> {
  const prepared = await preparePlainGuest(options.kernel);
  if (!prepared.ok) return prepared;
  return bootGuest({
    ...prepared.value,
    name: options.name ?? `plain-${options.kernel}`,
    hardware: options.hardware ?? {},
    append: options.append ?? [],
    runDirectory: await makeRunDirectory('plain'),
  });
}

/** Fetches and builds what a plain guest needs, without starting it. */
export async function preparePlainGuest(release: KernelRelease) {
  const kernel = await fetchKernel(release);
  if (!kernel.ok) return kernel;
  const initramfs = await buildInitramfs(kernel.value);
  return initramfs.ok ? ok({ kernel: kernel.value, initramfs: initramfs.value }) : initramfs;
}
