// A manager whose platform tells of changes: what another hand did is known, and what is in force is held, long before the platform
// would be read again; without the stream all goes on at the usual pace.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, suite, test } from 'node:test';
import { simulatedPlatforms } from '../../../lab/platform-trial.ts';
import { connect, type Client } from '../../client/connect.ts';
import { problem } from '../../kit/problem.ts';
import { vmId } from '../../sim/simulated-activity.ts';
import { SimulatedPlatform, type SimulatedVm } from '../../sim/simulated-platform.ts';
import { must, startTrial, until, type Trial } from '../trial.ts';
import type { PlatformPace } from './platform-watch.ts';

/** Nothing is read or held within a test but what is told. */
const never: PlatformPace = { readMs: 600_000, awayMs: 50, holdMs: 600_000 };
/** Two seconds, and one for a machine that is busy with other tests. */
const knownMsMax = 3000;

suite('a manager whose platform tells of changes', () => {
  let trial: Trial;
  let client: Client;
  let west: SimulatedPlatform;
  let web: SimulatedVm;
  let files: ReturnType<typeof simulatedPlatforms>;

  beforeEach(() => {
    west = new SimulatedPlatform();
    west.canBeFollowed = true;
    web = west.add('vm-1', vmId(1), 'web1');
    files = simulatedPlatforms(new Map([['west', west]]));
  });
  afterEach(async () => {
    await trial.end();
    assert.equal(west.followers.size, 0);
    files.end();
  });

  async function begin(pace = never): Promise<void> {
    trial = await startTrial(files.configuration, { ...files.parts, platformPace: pace });
    client = connect({ ...trial.manager, by: 'ann' });
    await until('it is followed', async () => (await changes()) === 'followed');
  }
  const changes = async () => must(await client.listPlatforms())[0]?.changes.state;

  async function knownInTime(what: string, isKnown: () => Promise<boolean> | boolean): Promise<void> {
    const beganMs = performance.now();
    await until(what, async () => await isKnown());
    const tookMs = performance.now() - beganMs;
    assert.ok(tookMs < knownMsMax, `${what} after ${tookMs} ms`);
  }

  test('a VM that another hand renamed and switched off is known as such', async () => {
    await begin();
    web.name = 'web1-old';
    web.power = 'off';
    west.tell();
    await knownInTime('its new name', async () => {
      const [vm] = must(await client.listVms());
      return vm?.name === 'web1-old' && vm.state === 'off';
    });
  });

  test('a link that another hand put up is cut again, and a card that was added is cut too', async () => {
    await begin();
    assert.equal(must(await client.actOnVm({ vm: 'web1', action: 'quarantine', why: 'it beacons' })).state, 'done');
    const [card] = web.cards;
    assert.ok(card !== undefined);
    card.isUp = true;
    west.tell();
    await knownInTime('that it is cut', () => !card.isUp);
    const added = { id: 'net9', mac: '52:54:00:00:99:09', isUp: true, note: null };
    web.cards.push(added);
    west.tell();
    // Read first, a rest after the reading before, and then held, a rest after the holding before.
    await until('that the new one is cut', () => !added.isUp);
    const [health] = must(await client.listPlatforms());
    assert.ok((health?.measures.putBack ?? 0) >= 1);
  });

  test('a stream that breaks is said with the reason, and the platform is read at its pace as before', async () => {
    await begin({ ...never, readMs: 400 });
    west.breakStream(problem('interrupted', 'The session was ended.'));
    await until('it is said', async () => (await changes()) === 'broken');
    const [health] = must(await client.listPlatforms());
    assert.deepEqual([health?.state, health?.changes.why], ['reachable', 'The session was ended.']);
    web.name = 'web1-old';
    await until('its new name', async () => must(await client.listVms())[0]?.name === 'web1-old');
    west.breakStream(null);
    await until('it is said', async () => (await changes()) === 'followed');
  });

  test('a stream that breaks because the platform is gone tells so at once, and is begun anew when it is back', async () => {
    await begin();
    west.isAway = true;
    west.breakStream(problem('interrupted', 'Connection lost.'));
    await knownInTime('that it is away', async () => must(await client.status()).platforms[0]?.state === 'away');
    assert.deepEqual([west.followers.size, await changes()], [0, 'broken']);
    west.isAway = false;
    west.breakStream(null);
    await until('it is followed', async () => (await changes()) === 'followed');
    assert.equal(west.followers.size, 1);
  });
});
