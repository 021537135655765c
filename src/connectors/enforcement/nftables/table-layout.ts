// How our one table is laid out: two chains that the kernel calls for every bridged frame, a map from the VM's device to the chain of
// its port, and there a jump to each measure's own chain. Devices are known by name, so that a VM that was restarted, with another
// device of the same name, is where it was.
import { createHash } from 'node:crypto';
import type { Json } from '../../../kit/canonical-json.ts';

export const table = { family: 'bridge', name: 'plumbline' } as const;
/** Where a part of ours lies. */
const ours = { family: table.family, table: table.name } as const;

export const ways = ['from', 'to'] as const;
/** from = what comes from the VM; to = what goes to it. */
export type Way = (typeof ways)[number];

/** Before anybody else's rules: what we drop nobody has accepted, what we let pass others may still drop. */
const hooks = {
  from: { chain: 'from_vms', map: 'from_vm', hook: 'prerouting', device: 'iifname' },
  to: { chain: 'to_vms', map: 'to_vm', hook: 'postrouting', device: 'oifname' },
} as const;
const priority = -310;

export function mapOf(way: Way): string {
  return hooks[way].map;
}

export function portChain(way: Way, device: string): string {
  return `port_${way}_${mark(device)}`;
}

export interface MeasureNames {
  readonly from: string;
  readonly to: string;
  readonly peer: string;
}

export function measureNames(vm: string, device: string, id: string): MeasureNames {
  return namesOf(mark([vm, device, id].join('\n')));
}

/** From the name of a measure's chain, as a jump to it has it; null when it is none of ours. */
export function namesFromChain(chain: string): MeasureNames | null {
  const found = /^measure_(?:from|to)_([0-9a-f]{16})$/.exec(chain)?.[1];
  return found === undefined ? null : namesOf(found);
}

function namesOf(text: string): MeasureNames {
  return { from: `measure_from_${text}`, to: `measure_to_${text}`, peer: `peer_${text}` };
}

function mark(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Makes what every port needs, or what of it somebody took away. */
export function layFoundation(): readonly Json[] {
  return [
    { add: { table } },
    ...ways.flatMap((way): Json[] => {
      const { chain, map, hook, device } = hooks[way];
      return [
        { add: { map: { ...ours, name: map, type: 'ifname', map: 'verdict' } } },
        { add: { chain: { ...ours, name: chain, type: 'filter', hook, prio: priority, policy: 'accept' } } },
        flushChain(chain),
        addRule(chain, [{ vmap: { key: { meta: { key: device } }, data: `@${map}` } }]),
      ];
    }),
  ];
}

/** What is wrong with it; null = it stands. `chains`: base chains with their hook; `rules`: expressions by chain. */
export function foundationFault(
  chains: ReadonlyMap<string, { readonly hook: string | null; readonly priority: number | null }>,
  rules: ReadonlyMap<string, readonly Json[]>,
): string | null {
  for (const way of ways) {
    const { chain, map, hook, device } = hooks[way];
    const found = chains.get(chain);
    if (found?.hook !== hook || found.priority !== priority) return `the chain ${chain} is not called by the kernel`;
    const expected = JSON.stringify([{ vmap: { key: { meta: { key: device } }, data: `@${map}` } }]);
    if (JSON.stringify(rules.get(chain)?.[0]) !== expected) return `the chain ${chain} does not look at ports first`;
  }
  return null;
}

export function addChain(name: string): Json {
  return { add: { chain: { ...ours, name } } };
}

export function flushChain(name: string): Json {
  return { flush: { chain: { ...ours, name } } };
}

export function deleteChain(name: string): Json {
  return { delete: { chain: { ...ours, name } } };
}

export function addRule(chain: string, expr: readonly Json[], comment?: string): Json {
  return { add: { rule: { ...ours, chain, expr, ...(comment === undefined ? {} : { comment }) } } };
}

export function addPeerSet(
  name: string,
  type: 'ipv4_addr' | 'ipv6_addr',
  peer: Json,
  seconds: number,
): readonly Json[] {
  return [
    { add: { set: { ...ours, name, type, flags: ['interval', 'timeout'] } } },
    { flush: { set: { ...ours, name } } },
    { add: { element: { ...ours, name, elem: [{ elem: { val: peer, timeout: seconds } }] } } },
  ];
}

export function deleteSet(name: string): Json {
  return { delete: { set: { ...ours, name } } };
}

/** The port's frames go to its chain. */
export function pointAt(way: Way, device: string): Json {
  const elem = [[device, { goto: { target: portChain(way, device) } }]];
  return { add: { element: { ...ours, name: mapOf(way), elem } } };
}

export function pointAway(way: Way, device: string): Json {
  return { delete: { element: { ...ours, name: mapOf(way), elem: [device] } } };
}

export function deleteTable(): Json {
  return { delete: { table } };
}
