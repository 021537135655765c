// The session with an NSX manager: when the password is sent and when not, what is asked again and what not, and answers of every kind.
import assert from 'node:assert/strict';
import { after, before, beforeEach, suite, test } from 'node:test';
import { assert as holds, property, string, uniqueArray } from 'fast-check';
import { clock, must, nsxPassword, nsxUser } from '../../../lab/nsx-trial.ts';
import { selfSignedCertificate } from '../../../lab/self-signed-certificate.ts';
import { type SimulatedNsx, startSimulatedNsx } from '../../sim/nsx/simulated-nsx.ts';
import { type NsxClient, nsxClient, type NsxSettings } from './nsx-client.ts';
import { listNsx } from './nsx-list.ts';
import { inventoryPath, policyPath, withQuery } from './nsx-path.ts';

const certificate = selfSignedCertificate();
const vms = inventoryPath(['fabric', 'virtual-machines']);

suite('a session with an NSX manager', () => {
  let nsx: SimulatedNsx;
  const clients: NsxClient[] = [];
  let monotonic = 0;

  before(async () => {
    nsx = await startSimulatedNsx({ ...certificate, user: nsxUser, password: nsxPassword });
  });

  beforeEach(() => {
    Object.assign(nsx.record, { logins: 0, refusals: 0 });
    nsx.record.asked.length = 0;
    nsx.faults.answers = null;
    nsx.faults.isBusy = 0;
  });

  after(async () => {
    for (const client of clients) await client.close();
    await nsx.stop();
  });

  const open = (changed: Partial<NsxSettings> = {}): NsxClient => {
    const settings: NsxSettings = {
      url: nsx.url,
      user: nsxUser,
      password: nsxPassword,
      auth: 'session',
      fingerprint: certificate.fingerprint,
      timeoutMs: 20_000,
      bodyBytesMax: 1_000_000,
      clock: { now: clock.now, monotonic: () => monotonic },
      sleep: async () => undefined,
      ...changed,
    };
    const client = must(nsxClient(settings));
    clients.push(client);
    return client;
  };

  test('questions that come at once share one login, and the session is ended', async () => {
    const client = open();
    const answers = await Promise.all([1, 2, 3].map(async () => await client.ask('GET', vms)));
    assert.ok(answers.every(({ ok }) => ok));
    assert.equal(nsx.record.logins, 1);
    await client.close();
    assert.match(nsx.record.asked.at(-1) ?? '', /^POST \/api\/session\/destroy$/);
  });

  test('an expired session is begun anew once, and the question is asked again', async () => {
    const client = open();
    must(await client.ask('GET', vms));
    nsx.endSessions();
    must(await client.ask('GET', vms));
    assert.equal(nsx.record.logins, 2);
  });

  for (const auth of ['session', 'basic'] as const) {
    test(`a password that was refused is not sent again for a minute (${auth})`, async () => {
      const client = open({ auth, password: 'wrong' });
      const first = await client.ask('GET', vms);
      assert.ok(!first.ok && first.error.kind === 'refused', JSON.stringify(first));
      assert.doesNotMatch(JSON.stringify(first), /wrong/);
      for (let times = 0; times < 3; times += 1) assert.deepEqual(await client.ask('GET', vms), first);
      assert.equal(nsx.record.refusals, 1);
      monotonic += 60_001;
      await client.ask('GET', vms);
      assert.equal(nsx.record.refusals, 2);
    });
  }

  test('the password goes with each question where there are no sessions', async () => {
    const client = open({ auth: 'basic' });
    must(await client.ask('GET', vms));
    must(await client.ask('GET', vms));
    assert.deepEqual([nsx.record.logins, nsx.record.asked.length], [0, 2]);
  });

  test('nothing is sent to a server that shows another certificate', async () => {
    const client = open({ fingerprint: '00'.repeat(32) });
    const answer = await client.ask('GET', vms);
    assert.ok(!answer.ok && answer.error.kind === 'refused' && /another certificate/.test(answer.error.message));
    assert.deepEqual([nsx.record.logins, nsx.record.asked.length], [0, 0]);
  });

  test('a server that is too busy is asked three times more, and then given up', async () => {
    nsx.faults.isBusy = 3;
    must(await open().ask('GET', vms));
    nsx.faults.isBusy = 10;
    const answer = await open().ask('GET', vms);
    assert.ok(!answer.ok && answer.error.status === 429 && answer.error.kind === 'interrupted');
    assert.equal(nsx.faults.isBusy, 6);
  });

  const answers: readonly (readonly [string, number, string, string, RegExp])[] = [
    ['no JSON', 200, '<html>', 'unreadable', /something else than a JSON object/],
    ['a list', 200, '[1]', 'unreadable', /something else than a JSON object/],
    [
      'an error in words',
      400,
      '{"error_code":255,"error_message":"No.\\u001b[31m\\n"}',
      'failed',
      /: No. \[31m \(status 400, code 255\)/,
    ],
    ['an error without words', 400, '{}', 'failed', /status 400\./],
    ['an error page', 503, '<html>', 'interrupted', /status 503/],
    ['a missing privilege', 403, '{"error_code":289,"error_message":"no"}', 'refused', /status 403, code 289/],
    ['nothing there', 404, '{"error_code":600}', 'not-found', /status 404/],
    ['nested deeply', 200, '['.repeat(100_000), 'unreadable', /JSON object/],
    ['endless words', 400, `{"error_message":"${'x'.repeat(5000)}"}`, 'failed', /x{300} \(/],
    ['more than is read', 200, `{"a":"${'x'.repeat(1_000_001)}"}`, 'unreadable', /more than 1000000 bytes/],
  ];
  for (const [what, status, body, kind, words] of answers) {
    test(`an answer is a value, whatever it is: ${what}`, async () => {
      nsx.faults.answers = { of: /virtual-machines/, status, body };
      const answer = await open().ask('GET', vms);
      assert.ok(!answer.ok, JSON.stringify(answer).slice(0, 200));
      assert.equal(answer.error.kind, kind, answer.error.message);
      assert.match(answer.error.message, words);
      assert.ok(answer.error.message.length < 800);
    });
  }

  test('a server that gives the same cursor for ever is left', async () => {
    nsx.faults.answers = {
      of: /virtual-machines/,
      status: 200,
      body: '{"results":[{"external_id":"a"}],"cursor":"x"}',
    };
    const list = must(await listNsx(open(), vms, 10));
    assert.deepEqual([list.items.length, list.isCut], [2, true]);
  });

  test('of a list without end so many pages are read', async () => {
    for (let index = 0; index < 3500; index += 1) nsx.world.addVm({ externalId: `vm-${index}` });
    const client = open();
    const cut = must(await listNsx(client, vms, 2));
    assert.deepEqual([cut.items.length, cut.isCut], [2000, true]);
    const whole = must(await listNsx(client, vms, 4));
    assert.deepEqual([whole.items.length, whole.isCut], [3500, false]);
  });
});

test('no text leaves the place in a path that it was given', () => {
  const hostile = string({ unit: 'binary', maxLength: 60 });
  const parts = uniqueArray(hostile, { minLength: 1, maxLength: 4 });
  holds(
    property(parts, hostile, hostile, (given, name, value) => {
      for (const made of [
        policyPath(given, { [name]: value }),
        withQuery(inventoryPath(given), { a: 'b', [name]: value }),
      ]) {
        assert.match(made.text, /^[\w\-.~!*'()%/?=&]+$/);
        const url = new URL(made.text, 'https://nsx.example');
        const shown = url.pathname.split('/').slice(url.pathname.startsWith('/policy') ? 4 : 3);
        assert.deepEqual(
          shown.map(decodeURIComponent),
          given.map((part) => part.toWellFormed()),
        );
        assert.equal(url.searchParams.get(name.toWellFormed()), value.toWellFormed());
        assert.equal(url.host, 'nsx.example');
      }
    }),
    { numRuns: 500 },
  );
});
