// How many datagrams the kernel had to throw away because a socket of ours was full: they are lost without a trace otherwise.
import { readFileSync } from 'node:fs';

/** Column `drops` of /proc/net/udp for the socket bound to that port; null when it cannot be told. */
export function udpDrops(port: number, procRoot = '/proc'): number | null {
  try {
    const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    for (const line of readFileSync(`${procRoot}/self/net/udp`, 'latin1').split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[1]?.endsWith(wanted) === true) return Number(fields.at(-1));
    }
    return null;
  } catch {
    return null;
  }
}
