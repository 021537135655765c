// The API's door: every endpoint against every kind of stranger, what browsers may do, and the document that describes it.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { connect } from '../../client/connect.ts';
import { readConnection } from '../../client/state-directory.ts';
import type { Json } from '../../kit/canonical-json.ts';
import { apiPrefix, type Endpoint } from '../../model/endpoint.ts';
import { endpoints, eventsPath } from '../../model/endpoints.ts';
import { evidenceBundlePath } from '../../model/evidence-endpoints.ts';
import { noLosses } from '../losses.ts';
import { must, startTrial, until, type Trial } from '../trial.ts';
import { makeAnnouncements } from '../announcements.ts';
import { silentLog } from '../../kit/log.ts';
import { credentialsOf } from './admission.ts';
import { makeEventStream } from './events.ts';
import type { Handlers } from './handlers.ts';
import { shortenDocument } from './openapi.ts';
import { makeServer } from './server.ts';

let trial: Trial;
before(async () => void (trial = await startTrial()));
after(async () => await trial.end());

interface Reply {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

/** A plain request: fetch would not let a test choose Host and Origin. */
async function ask(method: string, path: string, headers: Record<string, string>, body?: string): Promise<Reply> {
  const { port } = new URL(trial.manager.address);
  return await new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, method, path, headers }, (response) => {
      let text = '';
      // An event stream never ends; its head says enough.
      const isStream = response.headers['content-type'] === 'text/event-stream';
      const done = () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (isStream) {
          done();
          asked.destroy();
        }
      });
      response.on('end', done);
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

const host = () => new URL(trial.manager.address).host;
const bearer = () => ({ authorization: `Bearer ${trial.manager.token}` });

const everyEndpoint: readonly (readonly [string, string])[] = [
  ...(Object.values(endpoints) as Endpoint[]).map(
    ({ method, path }) => [method, `${apiPrefix}${path.replace(/:\w+/g, 'x')}`] as const,
  ),
  ['GET', `${apiPrefix}${eventsPath}`],
  ['GET', `${apiPrefix}${evidenceBundlePath.replace(/:\w+/g, 'x')}`],
  ['GET', '/console.js'],
  ['GET', '/console.css'],
  ['GET', `${apiPrefix}/nothing/here`],
];

test('no endpoint answers a stranger, a foreign host or a foreign page', async () => {
  assert.ok(everyEndpoint.length > 30);
  for (const [method, path] of everyEndpoint) {
    const say = `${method} ${path}`;
    const status = async (headers: Record<string, string>) => (await ask(method, path, headers)).status;
    assert.equal(await status({ host: host() }), 401, `${say} without a token`);
    assert.equal(await status({ host: host(), authorization: 'Bearer wrong' }), 401, `${say} with a wrong token`);
    assert.equal(
      await status({ host: host(), authorization: `Basic ${trial.manager.token}` }),
      401,
      `${say} with a wrong scheme`,
    );
    assert.equal(
      await status({ host: host(), cookie: `plumbline=${trial.manager.token}` }),
      401,
      `${say} with the token as cookie`,
    );
    assert.equal(await status({ ...bearer(), host: 'evil.example' }), 403, `${say} for a foreign host`);
    assert.equal(
      await status({ ...bearer(), host: host(), origin: 'http://evil.example' }),
      403,
      `${say} from a foreign page`,
    );
    const right = await status({ ...bearer(), host: host() });
    assert.ok(right !== 401 && right !== 403, `${say} with the right token: ${right}`);
  }
});

test('the link sets a cookie that is not the token and leaves the address line', async () => {
  const wrong = await ask('GET', '/?token=guess', { host: host() });
  assert.equal(wrong.status, 401);
  assert.equal(wrong.headers['set-cookie'], undefined);
  const link = await ask('GET', `/?token=${trial.manager.token}`, { host: host() });
  assert.equal(link.status, 303);
  assert.equal(link.headers['location'], '/');
  const cookie = String(link.headers['set-cookie']);
  assert.match(cookie, /HttpOnly; SameSite=Strict; Path=\//);
  assert.ok(!cookie.includes(trial.manager.token));
  assert.equal((await ask('GET', '/', { host: host() })).status, 401);
  assert.equal((await ask('GET', `/?token=${trial.manager.token}`, { host: 'evil.example' })).status, 403);
  const own = { host: host(), cookie: cookie.split(';')[0] ?? '' };
  const page = await ask('GET', '/', own);
  assert.equal(page.status, 200);
  assert.match(String(page.headers['content-security-policy']), /default-src 'none'; script-src 'self'/);
  assert.equal((await ask('GET', '/console.js', own)).status, 200);
});

test('a cookie alone may look but not change: a change must come from this very page', async () => {
  const cookie = `plumbline=${credentialsOf(trial.manager.token).session}`;
  const json = { 'content-type': 'application/json' };
  const create = async (headers: Record<string, string>) =>
    (await ask('POST', `${apiPrefix}/scopes`, { host: host(), cookie, ...json, ...headers }, '{"name":"a"}')).status;
  assert.equal((await ask('GET', `${apiPrefix}/status`, { host: host(), cookie })).status, 200);
  assert.equal(await create({}), 403);
  assert.equal(await create({ origin: 'null' }), 403);
  assert.equal(await create({ origin: `http://${host()}` }), 200);
});

test('the page holds no script of its own, and the script writes no markup', () => {
  const folder = new URL('../../../web/', import.meta.url);
  const page = readFileSync(new URL('index.html', folder), 'utf8');
  const script = readFileSync(new URL('console.js', folder), 'utf8');
  assert.ok(!/<script(?![^>]*\bsrc=)|<style|\son\w+=|javascript:/i.test(page));
  assert.ok(!/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function/.test(script));
});

test('what is not understood is refused with its field; a body too large, and what is no JSON, with words', async () => {
  const send = async (body: string, type = 'application/json') =>
    await ask('POST', `${apiPrefix}/scopes`, { ...bearer(), host: host(), 'content-type': type }, body);
  const table: readonly (readonly [Promise<Reply>, number, RegExp])[] = [
    [send('{"name":"b","colour":"red"}'), 400, /colour is not a known field/],
    [send('{"name":"B C"}'), 400, /name must be lower-case letters/],
    [send('{'), 400, /JSON/],
    [send('name=b', 'application/x-www-form-urlencoded'), 400, /JSON/],
    [send(`{"name":"${'x'.repeat(9_000_000)}"}`), 400, /larger than 8 MiB/],
    [ask('GET', `${apiPrefix}/alarms?limit=0`, { ...bearer(), host: host() }), 400, /limit/],
    [ask('GET', `${apiPrefix}/alarms/none`, { ...bearer(), host: host() }), 404, /no alarm none/],
  ];
  for (const [asked, status, message] of table) {
    const reply = await asked;
    const { kind, message: said } = JSON.parse(reply.body) as { kind: string; message: string };
    assert.equal(reply.status, status, reply.body);
    assert.match(said, message);
    assert.ok(kind !== '' && !/\bat \w+ \(/.test(reply.body));
  }
});

test('names of VMs may hold anything a URL can', async () => {
  const client = connect(trial.manager);
  const answer = await client.getVm({ vm: '../a b%2f?#ü/' });
  assert.ok(!answer.ok);
  assert.match(answer.error.message, /No VM is called \.\.\/a b%2f\?#ü\//);
});

test('a client finds the manager by its state directory, and hears what changes', async () => {
  const found = must(await readConnection(trial.stateDir));
  assert.deepEqual(found, { address: trial.manager.address, token: trial.manager.token });
  const client = connect(found);
  const stop = new AbortController();
  const heard: string[] = [];
  const listening = (async () => {
    for await (const event of client.events(stop.signal)) heard.push(event.ok ? event.value.kind : event.error.message);
  })();
  await until('an event is heard', async () => {
    must(await client.changeScope({ scope: 'a', description: `${heard.length}` }));
    return heard.includes('intent');
  });
  stop.abort();
  await listening;
});

test('a manager that is away, or is none, is a Problem', async () => {
  const nobody = await connect({ address: 'http://127.0.0.1:1', token: 'x' }).status();
  assert.ok(!nobody.ok && /No manager answers/.test(nobody.error.message));
  const none = await readConnection('/nonexistent');
  assert.ok(!none.ok && none.error.kind === 'not-found');
});

test('listeners are few, and one that does not read is let go', async () => {
  const losses = noLosses();
  const announcements = makeAnnouncements(silentLog);
  const stream = makeEventStream(announcements, losses);
  const fake = () => {
    const state = { length: 0, destroyed: false };
    const response = {
      get writableLength() {
        return state.length;
      },
      writeHead: () => response,
      write: (text: string) => void (state.length += text.length),
      on: () => response,
      destroy: () => void (state.destroyed = true),
      end: () => undefined,
    };
    return { state, response: response as never };
  };
  const slow = fake();
  must(stream.admit(slow.response));
  for (let n = 0; n < 31; n += 1) must(stream.admit(fake().response));
  assert.ok(!stream.admit(fake().response).ok);
  assert.equal(losses.eventClientsRefused, 1);
  for (let n = 0; n < 100 && !slow.state.destroyed; n += 1)
    announcements.publish({ kind: 'intent', subject: 'x'.repeat(50_000) });
  assert.ok(slow.state.destroyed && losses.eventsDropped >= 1);
  stream.close();
});

test('no field of an endpoint stands in two of path, query and body', () => {
  for (const [name, endpoint] of Object.entries(endpoints) as [string, Endpoint][]) {
    const keys = [endpoint.params, endpoint.query, endpoint.body].flatMap((part) =>
      Object.keys(part?.properties ?? {}),
    );
    assert.equal(new Set(keys).size, keys.length, name);
    const inPath = [...endpoint.path.matchAll(/:(\w+)/g)].map((match) => match[1]);
    assert.deepEqual(inPath, Object.keys(endpoint.params?.properties ?? {}), name);
  }
});

test('api/openapi.json says what is served (UPDATE=1 rewrites it)', async () => {
  const file = new URL('../../../api/openapi.json', import.meta.url);
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const losses = noLosses();
  const server = await makeServer({
    handlers: {} as Handlers,
    events: makeEventStream(makeAnnouncements(silentLog), losses),
    openBundle: async () => await Promise.reject(new Error('not asked for')),
    credentials: credentialsOf('x'),
    log: silentLog,
    version,
  });
  const document = JSON.parse(JSON.stringify(server.app.swagger())) as Json;
  const text = `${JSON.stringify(shortenDocument(document), null, 2)}\n`;
  await server.close();
  if (process.env['UPDATE'] === '1') writeFileSync(file, text);
  assert.equal(readFileSync(file, 'utf8'), text, 'run with UPDATE=1 and look at the difference');
});
