// What QEMU's stub says when the guest has stopped, such as `T05thread:01;awatch:ffffffff82a1b2c0;`.
// Source: gdb manual, "Stop Reply Packets"; which signal means what: QEMU, gdb_vm_state_change.

export interface StopReply {
  /** 5 = a point was hit or a step is done; 2 = somebody paused the machine; others = it cannot go on. */
  readonly signal: number;
  /** Number of the vCPU that is reported, from 1; 0 when none is said. */
  readonly thread: number;
  /** It stopped after an access to watched data. Which data is not to be relied upon: stops are told late. */
  readonly atData: boolean;
  /**
   * It came before QEMU had heard the whole of the order to run: somebody else had made the guest run, which the order then paused
   * or follows. Not all of what was sent along may have been done, and whether the guest stands is not known.
   */
  readonly crossed?: true;
}

/** Null for what is no stop reply. No answer to a command starts with these letters. */
export function parseStopReply(text: string): StopReply | null {
  const found = /^[TS]([0-9a-f]{2})/.exec(text);
  if (found === null) return null;
  return {
    signal: Number.parseInt(found[1] ?? '', 16),
    thread: Number.parseInt(/thread:([0-9a-f]{1,8})/.exec(text)?.[1] ?? '0', 16),
    atData: /[;a-z0-9]a?r?watch:/.test(text),
  };
}
