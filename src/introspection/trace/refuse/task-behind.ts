// On whose behalf a task acts. What programs ask of io_uring may be carried out by a thread of the kernel's making: to 5.11 one of the kernel's
// own that borrows the program's memory, since then one inside the program's process that no signal reaches as it reaches others.
// Source: fs/io-wq.c and io_uring/io-wq.c in Linux, 5.10 to 7.x.
import type { PhysicalAddress } from '../../memory/guest-memory.ts';
import { nowhere } from '../../kernel/kernel-space.ts';
import type { KernelSpace } from '../../kernel/kernel-space.ts';

/** From include/linux/sched.h. */
const flag = { kernelThread: 0x20_0000, ioWorker: 0x10 } as const;

/** The first thread of the process that a worker works for; any other task as it is. */
export function taskBehind(space: KernelSpace, task: PhysicalAddress): PhysicalAddress {
  if (task === nowhere) return nowhere;
  const { fields } = space.profile;
  const flags = space.pages.u32(task + fields['task_struct.flags']);
  if ((flags & flag.kernelThread) !== 0) {
    const owner = fields['mm_struct.owner'];
    const mm = space.pointer(task + fields['task_struct.mm']);
    return owner === undefined || mm === nowhere ? task : otherwise(space.maybePointer(mm + owner), task);
  }
  const leader = fields['task_struct.group_leader'];
  if ((flags & flag.ioWorker) === 0 || leader === undefined) return task;
  return otherwise(space.maybePointer(task + leader), task);
}

function otherwise(found: PhysicalAddress, task: PhysicalAddress): PhysicalAddress {
  return found === nowhere ? task : found;
}
