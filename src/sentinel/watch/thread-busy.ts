// How busy the sentinel is.

/** Processor time in milliseconds of this thread: everything the sentinel does, it does on one. */
export function threadBusyMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
