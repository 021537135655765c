// Attaches to the kernel that runs in a guest: finds it, recognises its build or learns it, and checks that it is fully up.
import type { CpuRegisters } from '../hypervisor/cpu-registers.ts';
import type { GuestMemory, PhysicalAddress } from '../memory/guest-memory.ts';
import type { PageCache } from '../memory/page-cache.ts';
import { causeOf, problem } from '../../kit/problem.ts';
import type { Problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import { buildProfile } from './build-profile.ts';
import { findKernel } from './find-kernel.ts';
import type { KernelImage } from './find-kernel.ts';
import type { KernelProfile } from './kernel-profile.ts';
import { KernelSpace, nowhere } from './kernel-space.ts';
import { loadProfile, saveProfile } from './profile-store.ts';

export interface AttachedKernel {
  readonly space: KernelSpace;
  /** Whether the build was recognised or had to be learned from memory. */
  readonly profileFrom: 'cache' | 'memory';
  /** The profile could not be kept; attaching works, it will be learned again next time. */
  readonly cacheProblem: Problem | null;
}

/** Page-table pages and validation; generous, since the page tables are the guest's to write. */
const attachReadsMax = 4096;
const buildIdBytes = 20;

/** `profileDirectory`: where profiles are kept; null = nowhere. */
export function attachKernel(
  pages: PageCache,
  cpus: readonly CpuRegisters[],
  profileDirectory: string | null,
): Result<AttachedKernel> {
  pages.begin(attachReadsMax);
  const found = findKernel(pages, cpus);
  if (!found.ok) return found;
  const image = found.value;
  const kept =
    profileDirectory === null
      ? null
      : loadProfile(profileDirectory, (offset) => readBuildId(pages.memory, image, offset));
  if (kept !== null && fits(pages, image, kept)) {
    return settle(pages, image, { profile: kept, profileFrom: 'cache', cacheProblem: null });
  }
  const built = buildProfile(pages.memory, image);
  if (!built.ok) return built;
  if (!fits(pages, image, built.value)) return fail(notBooted);
  const cacheProblem = profileDirectory === null ? null : keep(profileDirectory, built.value);
  return settle(pages, image, { profile: built.value, profileFrom: 'memory', cacheProblem });
}

const notBooted = problem('unreadable', 'The guest is still booting its Linux kernel.', 'Try again in a moment.');

interface ProfileInUse extends Omit<AttachedKernel, 'space'> {
  readonly profile: KernelProfile;
}

function settle(pages: PageCache, image: KernelImage, use: ProfileInUse): Result<AttachedKernel> {
  const { profile, profileFrom, cacheProblem } = use;
  const space = new KernelSpace(pages, image, profile);
  if (!hasStartedInit(space)) return fail(notBooted);
  return ok({ space, profileFrom, cacheProblem });
}

/** The first process has a program of its own: the kernel has handed over to user space. */
function hasStartedInit(space: KernelSpace): boolean {
  const { fields } = space.profile;
  const next = space.pointer(space.symbol('init_task') + fields['task_struct.tasks']);
  const init = next - fields['task_struct.tasks'];
  return (
    next !== nowhere &&
    space.pages.u32(init + fields['task_struct.pid']) === 1 &&
    space.pointer(init + fields['task_struct.mm']) !== nowhere
  );
}

function readBuildId(memory: GuestMemory, image: KernelImage, offset: number): string | null {
  if (offset + buildIdBytes > image.sizeBytes) return null;
  const bytes = Buffer.alloc(buildIdBytes);
  return memory.read(image.textPhysical + offset, bytes, 0, buildIdBytes) ? bytes.toString('hex') : null;
}

/** The kernel that is found here is the one the profile describes: same build, same banner, and its first task where it should be. */
export function fits(pages: PageCache, image: KernelImage, profile: KernelProfile): boolean {
  const at = (offset: number): PhysicalAddress => image.textPhysical + offset;
  const { symbols, fields } = profile;
  const outside = Object.values(symbols).some((offset) => offset >= image.sizeBytes);
  return (
    !outside &&
    readBuildId(pages.memory, image, profile.buildIdOffset) === profile.buildId &&
    pages.text(at(symbols.linux_banner), profile.banner.length) === profile.banner &&
    pages.text(at(symbols.init_task + fields['task_struct.comm']), 16).startsWith('swapper')
  );
}

function keep(directory: string, profile: KernelProfile): Problem | null {
  try {
    saveProfile(directory, profile);
    return null;
  } catch (thrown) {
    return problem('failed', `Could not keep the kernel profile in ${directory}: ${causeOf(thrown)}.`);
  }
}
