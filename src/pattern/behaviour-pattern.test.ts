// Whole behaviours: each admits the activity it was made from, subsuming means admitting more, and the id is a function of content.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Behaviour } from '../model/behaviour.ts';
import type { Activity } from '../model/observation.ts';
import { behaviourId } from './behaviour-id.ts';
import { behaviourOf } from './behaviour-of.ts';
import { type BehaviourPattern, admits, parseBehaviour, printBehaviour, subsumes } from './behaviour-pattern.ts';
import { describeBehaviour } from './describe.ts';

const seen = { vm: 'name:web1', at: '2026-11-21T00:00:00.000Z', evidence: 'outside' } as const;
const exe = fc.constantFrom('/usr/bin/a', '/usr/bin/b', '/opt/x/c', '/tmp/tmp.5uCgKO6S70', '/tmp/tmp.aaBB11ccDD', null);
const argument = fc.constantFrom('a', '--x', '123', '45', 'id-7777', 'f-20261121', '', '<', '/tmp/tmp.5uCgKO6S70');
const image = fc.record({
  exe,
  deleted: fc.boolean(),
  argv: fc.array(argument, { maxLength: 3 }),
  uid: fc.constantFrom(0, 33, null),
  euid: fc.constantFrom(0, 33, null),
});
const address = fc.constantFrom(
  '10.0.0.1',
  '10.0.0.2',
  '10.9.0.1',
  '127.0.0.1',
  '::1',
  'fe80::1',
  'fe80::2',
  '2001:db8::1',
  'junk',
);
const port = fc.constantFrom(22, 80, 40_000, 40_001);
const proto = fc.constantFrom('tcp', 'udp');

const activity: fc.Arbitrary<Activity> = fc.oneof(
  fc.record({
    kind: fc.constant('process'),
    vm: fc.constant(seen.vm),
    at: fc.constant(seen.at),
    evidence: fc.constant(seen.evidence),
    pid: fc.constant(null),
    ppid: fc.constantFrom(1, 99),
    image,
    parent: fc.option(fc.record({ exe, argv: fc.constant<string[]>([]) })),
    ancestors: fc.constant<string[]>([]),
  }),
  fc.record({
    kind: fc.constantFrom('outbound', 'inbound'),
    vm: fc.constant(seen.vm),
    at: fc.constant(seen.at),
    evidence: fc.constant(seen.evidence),
    pid: fc.constant(null),
    image: fc.option(image),
    proto,
    localAddr: address,
    localPort: port,
    remoteAddr: address,
    remotePort: port,
  }),
  fc.record({
    kind: fc.constant('listen'),
    vm: fc.constant(seen.vm),
    at: fc.constant(seen.at),
    evidence: fc.constant(seen.evidence),
    pid: fc.constant(null),
    image: fc.option(image),
    proto,
    localAddr: address,
    localPort: port,
  }),
);

const path = fc.constantFrom('?', '/usr/bin/*', '/usr/**', '/usr/bin/a', '/opt/*/c', '/tmp/<tmp>', '/tmp/*', '/**');
const argv = fc
  .tuple(
    fc.array(fc.constantFrom('<any>', '<number>', 'a', 'id-<number>', 'f-<date>', '--x', '123'), { maxLength: 3 }),
    fc.boolean(),
  )
  .map(([templates, rest]) => (rest ? [...templates, '<rest>'] : templates));
const portPattern = fc.constantFrom('any', 'ephemeral', '80', '22-80', '40000');
const peer = fc.constantFrom(
  'any',
  'loopback',
  'link-local',
  '10.0.0.0/24',
  '10.0.0.0/8',
  '10.0.0.1',
  '::/0',
  'fe80::1',
  '127.0.0.0/16',
);
/** Two behaviours of one kind, so that one often subsumes the other. */
const pair: fc.Arbitrary<readonly [Behaviour, Behaviour]> = fc
  .constantFrom('process', 'outbound', 'inbound', 'listen')
  .chain((kind) => fc.tuple(behaviourOfKind(kind), behaviourOfKind(kind)));

function behaviourOfKind(kind: Behaviour['kind']): fc.Arbitrary<Behaviour> {
  if (kind === 'process') {
    const user = fc.constantFrom('any', '0', '33');
    return fc.record({ kind: fc.constant(kind), exe: path, argv, user, parent: path });
  }
  const socket = { exe: path, proto, port: portPattern };
  return kind === 'listen'
    ? fc.record({ kind: fc.constant(kind), ...socket })
    : fc.record({ kind: fc.constant(kind), ...socket, peer });
}

function parsed(of: Behaviour): BehaviourPattern {
  const result = parseBehaviour(of);
  assert.ok(result.ok, result.ok ? '' : result.error.message);
  return result.value;
}

test('the behaviour of an activity admits it, and is read back as it was', () => {
  fc.assert(
    fc.property(activity, (each) => {
      const of = behaviourOf(each);
      assert.ok(admits(parsed(of), each), JSON.stringify(of));
      assert.deepEqual(printBehaviour(parsed(of)), of);
    }),
    { numRuns: 2000 },
  );
});

test('what subsumes another admits all that the other admits', () => {
  let shown = 0;
  fc.assert(
    fc.property(pair, fc.array(activity, { minLength: 20, maxLength: 20 }), ([one, other], activities) => {
      const [wide, narrow] = [parsed(one), parsed(other)];
      assert.ok(subsumes(wide, wide));
      if (!subsumes(wide, narrow)) return;
      shown += 1;
      for (const each of activities)
        if (admits(narrow, each)) assert.ok(admits(wide, each), JSON.stringify([one, other, each]));
    }),
    { numRuns: 2000 },
  );
  assert.ok(shown > 50, `only ${shown} pairs subsumed`);
});

test('what is widened subsumes the behaviour it came from', () => {
  const rows: readonly (readonly [Behaviour, Behaviour])[] = [
    [
      { kind: 'process', exe: '/usr/bin/*', argv: ['<rest>'], user: 'any', parent: '?' },
      { kind: 'process', exe: '/usr/bin/a', argv: ['a', 'id-<number>'], user: '0', parent: '/sbin/init' },
    ],
    [
      { kind: 'process', exe: '/usr/bin/a', argv: ['<hex>'], user: '0', parent: '/**' },
      { kind: 'process', exe: '/usr/bin/a', argv: ['abcd1234'], user: '0', parent: '/opt/**' },
    ],
    [
      { kind: 'outbound', exe: '?', proto: 'tcp', peer: '10.0.0.0/8', port: 'any' },
      { kind: 'outbound', exe: '/usr/bin/a', proto: 'tcp', peer: '10.2.0.0/16', port: 'ephemeral' },
    ],
  ];
  for (const [wide, narrow] of rows) {
    assert.ok(subsumes(parsed(wide), parsed(narrow)));
    assert.ok(!subsumes(parsed(narrow), parsed(wide)));
  }
});

test('the id follows the content, not the order of its fields', () => {
  const one: Behaviour = { kind: 'listen', exe: '/usr/sbin/sshd', proto: 'tcp', port: '22' };
  const same: Behaviour = { port: '22', proto: 'tcp', exe: '/usr/sbin/sshd', kind: 'listen' };
  assert.equal(behaviourId(one), behaviourId(same));
  assert.notEqual(behaviourId(one), behaviourId({ ...one, port: '23' }));
  assert.match(behaviourId(one), /^[0-9a-f]{32}$/);
});

test('the port of a caller is never kept', () => {
  const call = {
    ...seen,
    kind: 'inbound',
    pid: null,
    image: null,
    proto: 'tcp',
    localAddr: '10.0.0.1',
    localPort: 80,
  } as const;
  const behaviours = [40_000, 40_001].map((remotePort) => behaviourOf({ ...call, remoteAddr: '10.0.0.9', remotePort }));
  assert.deepEqual(behaviours[0], behaviours[1]);
});

test('a line of words shows where an argument ends and hides no character', () => {
  const of: Behaviour = {
    kind: 'process',
    exe: '/bin/sh',
    argv: ['sh', '-c', "echo 'a\u202eb'\n"],
    user: '0',
    parent: '?',
  };
  assert.equal(
    describeBehaviour(of),
    String.raw`anything starts /bin/sh as user 0: sh -c 'echo '\''a\u{202e}b'\''\u{a}'`,
  );
});
