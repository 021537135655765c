// Every packet that guests and gateway send, counted by the lab's kernel (nftables), for each pair of ends and way on its own:
// a count that has nothing in common with the product's.
import { ok, type Result } from '../src/kit/result.ts';

export interface Counted {
  readonly packets: number;
  /** IP headers included, Ethernet's not. */
  readonly bytes: number;
}

export interface PacketCount {
  /** By `tcp 10.77.0.21 40000 10.77.0.1 7000`: protocol, sender, receiver. */
  read(): Promise<Result<ReadonlyMap<string, Counted>>>;
  stop(): Promise<Result<unknown>>;
}

type Run = (argv: readonly string[], input?: string) => Promise<Result<string>>;

const table = 'lab_count';

/** Counts what enters by these taps and what the gateway itself sends: so each packet once. */
export async function startPacketCount(taps: readonly string[], run: Run): Promise<Result<PacketCount>> {
  const set = `set ends { type ipv4_addr . ipv4_addr . inet_proto . inet_service . inet_service; flags dynamic; size 65535; }`;
  const count = 'update @ends { ip saddr . ip daddr . ip protocol . th sport . th dport counter }';
  const devices = taps.map((tap) => `"${tap}"`).join(', ');
  const begun = await run(
    ['nft', '-f', '-'],
    `table netdev ${table} { ${set}
      chain entering { type filter hook ingress devices = { ${devices} } priority 0; policy accept;
        ${count}
      }
    }
    table ip ${table} { ${set}
      chain sending { type filter hook output priority 0; policy accept;
        ${count}
      }
    }`,
  );
  if (!begun.ok) return begun;
  return ok({
    async read() {
      const found = new Map<string, Counted>();
      for (const family of ['netdev', 'ip']) {
        const listed = await run(['nft', 'list', 'set', family, table, 'ends']);
        if (!listed.ok) return listed;
        for (const [, from, to, proto, sport, dport, packets, bytes] of listed.value.matchAll(
          /([\d.]+) \. ([\d.]+) \. (\w+) \. (\S+) \. (\S+) counter packets (\d+) bytes (\d+)/g,
        ))
          found.set(`${proto} ${from} ${sport} ${to} ${dport}`, { packets: Number(packets), bytes: Number(bytes) });
      }
      return ok(found);
    },
    async stop() {
      await run(['nft', 'delete', 'table', 'netdev', table]);
      return run(['nft', 'delete', 'table', 'ip', table]);
    },
  });
}
