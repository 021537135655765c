// What every remote platform must keep, whichever it is: actions that take effect as somebody else reads it, are undone and do no
// more twice than once; a quarantine that is held and given back; sessions, certificates, passwords, silence, and hostile names.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import * as fc from 'fast-check';
import type { Quarantine } from '../src/model/network-measure.ts';
import type { Action, Step } from '../src/model/remediation.ts';
import { type Platform, type PlatformCard, type PlatformVm, portOf } from '../src/connectors/enforcement/platform.ts';
import type { Result } from '../src/kit/result.ts';

export interface PlatformSetUp {
  readonly url?: string;
  readonly fingerprint?: string;
  readonly password?: string;
  readonly timeoutMs?: number;
}

/** The readings are made past the adapter that is tested. */
export interface PlatformOnTrial {
  readonly platform: Platform;
  /** Another session with the same server, or with what is said to be it. */
  readonly open: (changes: PlatformSetUp) => Platform;
  readonly readState: (vm: PlatformVm) => Promise<PlatformVm['state']>;
  readonly isLinkUp: (vm: PlatformVm, card: PlatformCard) => Promise<boolean>;
  /** As somebody would who does not know of the quarantine. */
  readonly connectByHand: (vm: PlatformVm, card: PlatformCard) => Promise<void>;
  readonly rename: (vm: PlatformVm, name: string) => Promise<void>;
  /** What an idle limit or an administrator does. */
  readonly endSessions: () => Promise<void>;
}

const quarantine: Quarantine = { kind: 'quarantine', management: [] };
const never = '2099-01-01T00:00:00Z';

/** What a platform is tried with; there are three VMs at least, running, with a card each. */
interface Trial {
  readonly given: () => PlatformOnTrial;
  /** What a VM of that platform may be called. */
  readonly names: fc.Arbitrary<string>;
}

/** Each is a test of its own; `given` is asked when it runs. */
export function platformContract(trial: Trial): readonly (readonly [string, () => Promise<void>])[] {
  return promises.map(([what, check]) => [what, () => check(trial)]);
}

async function vmAt({ given }: Trial, index: number): Promise<PlatformVm> {
  const vm = must(await given().platform.listVms()).vms[index];
  assert.ok(vm !== undefined);
  return vm;
}

async function takesEffect(trial: Trial): Promise<void> {
  const { given } = trial;
  const vm = await vmAt(trial, 1);
  const enforcer = given().platform.enforcer(vm);
  assert.ok(enforcer !== null);
  const able = (await enforcer.capabilities()).filter(({ available }) => available).map(({ action }) => action);
  assert.deepEqual(able.toSorted(), ['power-off', 'resume', 'revert', 'snapshot', 'suspend']);
  const acts: readonly (readonly [Action, PlatformVm['state']])[] = [
    ['suspend', 'suspended'],
    ['resume', 'running'],
    ['snapshot', 'running'],
  ];
  const takesEffectOnce = async (action: Action, state: PlatformVm['state']): Promise<void> => {
    const once = await enforcer.act(stepOf(vm, action));
    assert.equal(once.state, 'done', `${action}: ${once.evidence}`);
    assert.doesNotMatch(once.evidence, /already/);
    assert.equal(await given().readState(vm), state, action);
    const twice = await enforcer.act(stepOf(vm, action));
    assert.match(twice.evidence, /^already so/, action);
  };
  for (const [action, state] of acts) await takesEffectOnce(action, state);
  const reverted = await enforcer.act({ ...stepOf(vm, 'revert'), snapshot: 'plumbline-evidence-1' });
  assert.equal(reverted.state, 'done', reverted.evidence);
  const missing = await enforcer.act({ ...stepOf(vm, 'revert'), snapshot: 'plumbline-evidence-2' });
  assert.ok(missing.state === 'failed' && missing.problem.kind === 'not-found');
  await takesEffectOnce('power-off', 'off');
  const onOff = await enforcer.act(stepOf(vm, 'suspend'));
  assert.ok(onOff.state === 'failed' && onOff.problem.kind === 'refused');
}

async function quarantines(trial: Trial): Promise<void> {
  const { given } = trial;
  const { platform, isLinkUp, connectByHand } = given();
  const vm = await vmAt(trial, 2);
  const [card] = vm.cards;
  assert.ok(card !== undefined);
  const network = platform.network(vm);
  const port = portOf(vm, card);
  const able = await network.capabilities(port);
  assert.ok(able.some(({ measure, available }) => measure === 'quarantine' && available));
  assert.ok(able.every(({ available, why }) => available === (why === null)));

  // A simulator's VMs may begin with their links down.
  await connectByHand(vm, card);
  assert.equal(await isLinkUp(vm, card), true);
  const applied = await network.apply(port, 'r-1', quarantine);
  assert.ok(applied.state === 'done' && applied.changed, applied.evidence);
  assert.equal(await isLinkUp(vm, card), false);
  const again = await network.apply(port, 'r-1', quarantine);
  assert.ok(again.state === 'done' && !again.changed, again.evidence);
  const other = await network.apply(port, 'r-2', quarantine);
  assert.equal(other.state, 'failed');

  await connectByHand(vm, card);
  const [found] = must(await network.inForce(port));
  assert.equal(found?.missing, 'its link is up');
  const mended = await network.apply(port, 'r-1', quarantine);
  assert.ok(mended.state === 'done' && mended.changed, mended.evidence);
  assert.equal(await isLinkUp(vm, card), false);

  // By one that knows nothing but what the platform tells: the manager's own store may be lost.
  const stranger = given().open({});
  const released = await stranger.network(vm).release(port, 'r-1');
  await stranger.close();
  assert.ok(released.state === 'done' && released.changed, released.evidence);
  assert.equal(await isLinkUp(vm, card), true);
  assert.deepEqual(must(await network.inForce(port)), []);
  assert.equal((await network.release(port, 'r-1')).changed, false);
}

async function refusesWithTheReason(trial: Trial): Promise<void> {
  const { given } = trial;
  const vm = await vmAt(trial, 2);
  const [card] = vm.cards;
  assert.ok(card !== undefined);
  const network = given().platform.network(vm);
  const port = portOf(vm, card);
  const measures = {
    quarantine,
    'block-flow': {
      kind: 'block-flow',
      peer: '10.0.0.1',
      proto: 'tcp',
      port: 80,
      direction: 'outbound',
      expiresAt: never,
    },
    capture: { kind: 'capture', seconds: 1, bytes: 2048 },
    reroute: { kind: 'reroute', through: 'br-inspect' },
  } as const;
  const unable = (await network.capabilities(port)).filter(({ available }) => !available);
  for (const { measure, why } of unable) {
    const refused = await network.apply(port, 'r-3', measures[measure]);
    assert.ok(refused.state === 'failed' && refused.problem.kind === 'refused', measure);
    assert.equal(refused.evidence, why);
  }
  assert.deepEqual(must(await network.inForce(port)), []);
}

async function noticesAnotherCard(trial: Trial): Promise<void> {
  const { given } = trial;
  const vm = await vmAt(trial, 2);
  const [card] = vm.cards;
  assert.ok(card !== undefined);
  const port = { ...portOf(vm, card), mac: '52:54:00:00:00:01' };
  const refused = await given().platform.network(vm).apply(port, 'r-9', quarantine);
  assert.ok(refused.state === 'failed' && refused.problem.kind === 'refused', refused.evidence);
}

async function beginsSessionsAnew(trial: Trial): Promise<void> {
  const { given } = trial;
  const vm = await vmAt(trial, 0);
  await given().endSessions();
  for (const action of ['suspend', 'resume'] as const) {
    const acted = await given().platform.enforcer(vm)?.act(stepOf(vm, action));
    assert.equal(acted?.state, 'done', acted?.evidence);
  }
}

async function refusesAWrongPassword(trial: Trial): Promise<void> {
  const { given } = trial;
  const wrong = given().open({ password: 'not-the-password' });
  const [first, second] = [await wrong.listVms(), await wrong.listVms()];
  await wrong.close();
  assert.ok(!first.ok && first.error.kind === 'refused', JSON.stringify(first));
  assert.ok(!second.ok && second.error === first.error);
  assert.doesNotMatch(JSON.stringify(first), /not-the-password/);
}

async function refusesAnotherCertificate(trial: Trial): Promise<void> {
  const { given } = trial;
  const other = given().open({ fingerprint: '00'.repeat(32) });
  const listed = await other.listVms();
  await other.close();
  assert.ok(!listed.ok && listed.error.kind === 'refused' && /another certificate/.test(listed.error.message));
}

async function waitsForNobody(trial: Trial): Promise<void> {
  const { given } = trial;
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as { port: number };
  const hung = given().open({ url: `https://127.0.0.1:${port}`, timeoutMs: 200 });
  const listed = await hung.listVms();
  await hung.close();
  silent.close();
  assert.ok(!listed.ok && listed.error.kind === 'interrupted', JSON.stringify(listed));
}

async function takesAnyName(trial: Trial): Promise<void> {
  const { given, names } = trial;
  const { platform, rename } = given();
  const vm = await vmAt(trial, 1);
  const others = async (): Promise<string> =>
    JSON.stringify(must(await platform.listVms()).vms.filter(({ id }) => id !== vm.id));
  const untouched = await others();
  await fc.assert(
    fc.asyncProperty(names, async (name) => {
      await rename(vm, name);
      const seen = must(await platform.listVms()).vms.find(({ id }) => id === vm.id);
      assert.equal(seen?.name, name.slice(0, 4096));
      assert.equal(await others(), untouched);
    }),
    { numRuns: 20 },
  );
  const on = await platform.enforcer(vm)?.act(stepOf(vm, 'snapshot'));
  assert.equal(on?.state, 'done', on?.evidence);
}

const promises: readonly (readonly [string, (trial: Trial) => Promise<void>])[] = [
  ['every action takes effect, as read by another session, is undone, and twice is no more than once', takesEffect],
  [
    'a card is quarantined, once, stays so when the link is put up by hand and it is applied again, and is released',
    quarantines,
  ],
  ['what the platform cannot do is refused with the reason that was given before', refusesWithTheReason],
  ['another VM under the card is noticed by its hardware address', noticesAnotherCard],
  ['a session that has expired is begun anew, once, and what was asked is answered', beginsSessionsAnew],
  ['a wrong password is refused, and what is asked next is answered by the same words', refusesAWrongPassword],
  ['another certificate than the pinned one is refused', refusesAnotherCertificate],
  ['a server that accepts and says nothing leaves nothing waiting', waitsForNobody],
  ['whatever a VM is called, it is listed by that name, acted on alone, and nobody else is touched', takesAnyName],
];

/** Text that would be markup, a path, a command, another field or another line to whoever does not escape it. */
export function hostileText(): fc.Arbitrary<string> {
  const nasty = [
    ']]>',
    '"',
    "'",
    '\n',
    '\r\n',
    '<x/>',
    '&amp;',
    '&a=b',
    ';',
    '$()',
    '`id`',
    '../',
    '..%2f',
    '-->',
    ',',
    '=',
  ];
  const more = ['#', '%00', ',link_down=0', 'x'.repeat(4096)];
  return fc
    .array(fc.oneof(fc.constantFrom(...nasty, ...more), fc.string({ unit: 'grapheme-ascii', minLength: 1 })), {
      minLength: 1,
      maxLength: 3,
    })
    .map((parts) => parts.join(''))
    .filter((text) => text.trim() !== '');
}

export function stepOf(vm: PlatformVm, action: Action): Step {
  const snapshot = action === 'snapshot' ? { snapshot: 'plumbline-evidence-1' } : {};
  return { id: `s-${action}`, vm: vm.uuid ?? '', action, why: 'test', expect: action, undo: null, ...snapshot };
}

export function must<T, E>(result: Result<T, E>): T {
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}
