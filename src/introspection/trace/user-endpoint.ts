// The address and port that a program named in a call: the kernel's own copy of it (struct sockaddr), which the program cannot
// change any more. Source: include/uapi/linux/in.h and in6.h.
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';
import { ipv4Text, ipv6Text, swap } from '../guest/ip-address.ts';
import type { RegisterName, Registers } from '../../protocols/gdb/registers.ts';
import type { Endpoint } from './socket-of.ts';

const inet = 2;
const inet6 = 10;

/** Null when the register points to no address of these families: unspecified ones undo a connection, say. */
export function endpointIn(space: KernelSpace, registers: Registers, name: RegisterName): Endpoint | null {
  const high = registers.high(name);
  const low = registers.low(name);
  // It may cross a page, and a kernel stack is mapped page by page.
  const word = (offset: number): number | null => {
    const sum = low + offset;
    const at = space.anywhere((high + Math.floor(sum / 0x1_0000_0000)) % 0x1_0000_0000, sum % 0x1_0000_0000);
    return at === nowhere ? null : space.pages.u32(at);
  };
  if (low % 4 !== 0 || high < 0xff00_0000) return null;
  const first = word(0);
  if (first === null) return null;
  const family = first % 0x1_0000;
  const port = swap(Math.floor(first / 0x1_0000));
  if (family === inet) {
    const address = word(4);
    return address === null ? null : { address: ipv4Text(address), port };
  }
  if (family !== inet6) return null;
  const [word0, word1, word2, word3] = [word(8), word(12), word(16), word(20)];
  if (word0 == null || word1 == null || word2 == null || word3 == null) return null;
  return { address: ipv6Text(word0, word1, word2, word3), port };
}
