// The address a program handed to the kernel, in the copy the kernel works with: nobody else can change it any more. It lies on the
// kernel's stack, which is mapped page by page.
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import { nowhere } from '../../kernel/kernel-space.ts';
import { ipv4Text, ipv6Text, swap } from '../../guest/ip-address.ts';
import type { KernelAddress } from '../hook.ts';
import { plus } from './kernel-address.ts';

const unspecified = 0;
const inet = 2;
const inet6 = 10;

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/**
 * Null when there is no internet address. `unspecifiedIsInet`: sending a datagram, Linux takes an IPv4 address whose family was left
 * out for what it is.
 */
export function readSocketAddress(
  space: KernelSpace,
  at: KernelAddress,
  options: { readonly unspecifiedIsInet?: boolean } = {},
): Endpoint | null {
  const words = [0, 1, 2, 3, 4, 5].map((index) => wordAt(space, plus(at, index * 4)));
  const [first, second] = words;
  if (first === undefined || first === null || second === undefined || second === null) return null;
  const family = first & 0xffff;
  const port = swap(first >>> 16);
  if (family === inet || (family === unspecified && options.unspecifiedIsInet === true)) {
    return { address: ipv4Text(second), port };
  }
  // Port, flow label, address.
  const [word0, word1, word2, word3] = words.slice(2);
  if (family !== inet6 || word0 === null || word1 === null || word2 === null || word3 === null) return null;
  return { address: ipv6Text(word0 ?? 0, word1 ?? 0, word2 ?? 0, word3 ?? 0), port };
}

function wordAt(space: KernelSpace, { high, low }: KernelAddress): number | null {
  // Programs' own memory is never looked at: it can be changed at any moment.
  if (high < 0xff00_0000 || low % 4 !== 0) return null;
  const at = space.anywhere(high, low);
  return at === nowhere ? null : space.pages.u32(at);
}
