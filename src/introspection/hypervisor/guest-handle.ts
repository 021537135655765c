// One QEMU guest on this host: how to name it and how to reach it. Values only.

export type MonitorAddress =
  /** A QMP socket of the guest's own; each serves one client at a time. `others` are tried in order when `path` is taken. */
  | { readonly kind: 'qmp'; readonly path: string; readonly others: readonly string[] }
  /** libvirt holds the monitor and passes commands on; `socket` is libvirt's. */
  | { readonly kind: 'libvirt'; readonly socket: string; readonly domain: string; readonly uuid: string }
  | { readonly kind: 'none'; readonly why: string };

export type Accelerator = 'kvm' | 'tcg' | 'xen' | 'hvf' | 'nvmm' | 'whpx' | 'unknown';

/** Memory encrypted by the processor: nothing can be read from outside, by design. */
export type ConfidentialGuest = 'sev' | 'sev-snp' | 'tdx';

export interface GuestHandle {
  /** What its owner calls it (`-name guest=`), else `qemu-PID`. */
  readonly name: string;
  /** Lower-case with dashes; null when QEMU was given none. */
  readonly uuid: string | null;
  /** QEMU's process id on this host. */
  readonly pid: number;
  /** When that process started: clock ticks after the host's boot, as `/proc/PID/stat` has it. With `pid`, names one run. */
  readonly startTicks: number;
  readonly accelerator: Accelerator;
  readonly memoryMiB: number | null;
  readonly confidential: ConfidentialGuest | null;
  readonly monitor: MonitorAddress;
  /**
   * A directory that QEMU's own user may write to and no other user enter, as libvirt makes one for each domain (and as its AppArmor
   * and SELinux rules expect); absent where nobody made one.
   */
  readonly ownDirectory?: string;
}
