// Which network cards a guest has, and which device of the host each is plugged into: asked of QEMU itself, so that it holds for cards
// plugged in later and for QEMU started by anybody. What QEMU says is text of another program; what is not understood is left out.
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from '../../kit/canonical-json.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Monitor } from '../../protocols/qmp/monitor.ts';

export interface NetworkCard {
  /** As QEMU was told; lower case with colons. */
  readonly mac: string;
  /** Device of the host, in the network namespace of the QEMU process; null when the card has none. */
  readonly device: string | null;
  /** What it is plugged into, in QEMU's word: `tap`, `user`, `vhost-user`, ...; null = nothing. */
  readonly kind: string | null;
}

const cardsMax = 64;
const linesMax = 1024;

/** `pid`: of its QEMU process, whose descriptors tell the names of devices that were handed to it open. */
export async function networkCards(
  monitor: Monitor,
  pid: number,
  procRoot = '/proc',
): Promise<Result<readonly NetworkCard[]>> {
  const said: Result<Json> = await monitor.execute('human-monitor-command', { 'command-line': 'info network' });
  if (!said.ok) return said;
  if (typeof said.value !== 'string') return fail(problem('unreadable', 'QEMU answered `info network` with no text.'));
  return ok(parseNetworkCards(said.value, (descriptor) => tapOf(join(procRoot, String(pid)), descriptor)));
}

/**
 * From QEMU's `info network` (net/net.c, print_net_client and hmp_info_network): a card's line, and below it, after ` \ `, what it is
 * plugged into. `tapOf`: the name of the tap behind a descriptor of QEMU's.
 */
export function parseNetworkCards(
  text: string,
  deviceBehind: (descriptor: number) => string | null,
): readonly NetworkCard[] {
  const cards: NetworkCard[] = [];
  let mac: string | null = null;
  const close = (card: Omit<NetworkCard, 'mac'>): void => {
    if (mac !== null && cards.length < cardsMax) cards.push({ mac, ...card });
    mac = null;
  };
  for (const line of text.split(/\r?\n/).slice(0, linesMax)) {
    const type = /\bindex=\d+,type=([a-z0-9-]{1,32}),?/.exec(line);
    if (type === null) continue;
    if (type[1] === 'nic') {
      close({ device: null, kind: null });
      mac = /,macaddr=((?:[0-9a-f]{2}:){5}[0-9a-f]{2})/i.exec(line)?.[1]?.toLowerCase() ?? null;
    } else if (/^\s*\\/.test(line)) {
      const name = /,ifname=([^,\s/]{1,15})(?:,|$)/.exec(line)?.[1];
      const descriptor = /,fd=(\d{1,6})/.exec(line)?.[1];
      close({
        device: name ?? (descriptor === undefined ? null : deviceBehind(Number(descriptor))),
        kind: type[1] ?? null,
      });
    }
  }
  close({ device: null, kind: null });
  // Each queue of a card with several is listed as a card of its own.
  return [...new Map(cards.map((card) => [`${card.mac} ${card.device}`, card])).values()];
}

/** drivers/net/tun.c, tun_chr_show_fdinfo. */
function tapOf(directory: string, descriptor: number): string | null {
  try {
    if (readlinkSync(join(directory, 'fd', String(descriptor))) !== '/dev/net/tun') return null;
    const info = readFileSync(join(directory, 'fdinfo', String(descriptor)), 'latin1').slice(0, 4096);
    return /^iff:\s*(\S{1,15})$/m.exec(info)?.[1] ?? null;
  } catch {
    return null;
  }
}
