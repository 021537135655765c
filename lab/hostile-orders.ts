// Orders on the network in which any name, tag, address or id may be an attack on whatever it is written into. fast-check arbitraries.
import { array, constant, constantFrom, oneof, record, string, tuple, type Arbitrary } from 'fast-check';
import type { NetworkMeasure, VmPort } from '../src/model/network-measure.ts';

export interface HostileOrder {
  readonly port: VmPort;
  readonly id: string;
  readonly measure: NetworkMeasure;
}

const attacks = [
  '"',
  "'",
  '\n',
  '\r\nadd flow',
  '$(reboot)',
  '`id`',
  '; drop table',
  '../../etc/passwd',
  '/',
  '*',
  ',actions=NORMAL',
  ' accept',
  '"}}]}',
  '\0',
  '\u202e',
  '--help',
  'x'.repeat(4096),
];

/** What is well formed, an attack, both behind one another, or anything. */
function perhapsHostile(...good: readonly string[]): Arbitrary<string> {
  const fine = constantFrom(...good);
  const attack = constantFrom(...attacks);
  const both = oneof(tuple(fine, attack), tuple(attack, fine)).map(([one, other]) => one + other);
  return oneof({ weight: 24, arbitrary: fine }, attack, both, string({ unit: 'binary', maxLength: 40 }));
}

const address = perhapsHostile('10.0.0.1', '10.0.0.0/8', 'fd00::1', 'fd00::/64', '::ffff:10.0.0.1', '0.0.0.0/0');
const addresses = array(address, { maxLength: 4 });
const device = perhapsHostile('tap0', 'vnet12', 'tap-1.5');

export const hostileOrder: Arbitrary<HostileOrder> = record({
  port: record({
    vm: perhapsHostile('0f3f6a52-0000-4000-8000-000000000001', 'name:web'),
    interface: device,
    mac: perhapsHostile('52:54:00:00:00:01', '52:54:00:AA:00:01', '01:00:5e:00:00:01'),
    addresses,
    claimed: addresses,
    bridge: oneof(constant(null), device),
  }),
  id: perhapsHostile('4f1c', 'remediation-1'),
  measure: oneof(
    record({ kind: constant('quarantine' as const), management: addresses, routers: addresses }),
    record({
      kind: constant('block-flow' as const),
      peer: address,
      proto: constantFrom('tcp' as const, 'udp' as const, 'any' as const, ',actions=NORMAL' as 'tcp'),
      port: constantFrom(null, 80, 0, 65_536, 1.5, Number.NaN),
      direction: constantFrom('outbound' as const, 'inbound' as const),
      expiresAt: perhapsHostile('2100-01-01T00:00:00.000Z', '2000-01-01T00:00:00.000Z'),
    }),
    record({ kind: constant('reroute' as const), through: device }),
    record({ kind: constant('capture' as const), seconds: constantFrom(1, 0, -1, 1e9), bytes: constantFrom(1024, 0) }),
  ),
});
