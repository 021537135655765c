// The gateway process: holds the lab's network namespace with its bridge, and is everything in it that is no guest.
// The namespace, the bridge and the taps vanish with this process; it ends when the lab that started it does.
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { createConnection, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { causeOf } from '../../src/kit/problem.ts';
import { startIntruder } from './intruder.ts';
import { serveNames } from './name-server.ts';
import { addOvsBridge, addOvsPort, startOpenVswitch } from './open-vswitch.ts';
import { serveOperations } from './operations-server.ts';
import {
  labNetwork,
  type GatewayCall,
  type GatewayCalls,
  type HttpAnswer,
  type HttpAsk,
  type Reply,
  type Request,
} from './protocol.ts';
import { planShoppers } from './shoppers.ts';
import { serveTime } from './time-server.ts';

const { bridge, gateway, machines } = labNetwork;
/** Where an Open vSwitch is to live; none = the kernel's own bridge. */
const ovsDirectory = process.argv[2];
const jobs: Record<string, number> = {};
const failures: Record<string, number> = {};
let nameLookups = 0;
let timeRequests = 0;

function ip(...args: readonly string[]): void {
  const done = spawnSync('ip', args, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`ip ${args.join(' ')}: ${done.stderr.trim() || String(done.error)}`);
}

async function raiseBridge(): Promise<void> {
  ip('link', 'set', 'lo', 'up');
  if (ovsDirectory === undefined) ip('link', 'add', bridge, 'type', 'bridge');
  else {
    await startOpenVswitch(ovsDirectory);
    addOvsBridge(ovsDirectory, bridge);
  }
  ip('address', 'add', `${gateway}/${labNetwork.prefixLength}`, 'dev', bridge);
  ip('link', 'set', bridge, 'up');
}

function addTap(tap: string): void {
  ip('tuntap', 'add', 'dev', tap, 'mode', 'tap');
  if (ovsDirectory === undefined) ip('link', 'set', tap, 'master', bridge, 'up');
  else {
    ip('link', 'set', tap, 'up');
    addOvsPort(ovsDirectory, bridge, tap);
  }
}

function knownNames(): ReadonlyMap<string, string> {
  const here = ['ntp', 'metrics', 'ops', 'logs', 'backup'].map((name): [string, string] => [`${name}.lab`, gateway]);
  const guests = Object.entries(machines).map(([name, address]): [string, string] => [`${name}.lab`, address]);
  return new Map([...here, ...guests]);
}

function count(table: Record<string, number>, name: string): void {
  table[name] = (table[name] ?? 0) + 1;
}

/** Each on a connection of its own. */
async function http({ url, body, timeoutMs }: HttpAsk): Promise<HttpAnswer> {
  const signal = AbortSignal.timeout(timeoutMs);
  const asked = request(url, { agent: false, method: body === undefined ? 'GET' : 'POST', signal });
  // Told by what is awaited below; after the answer has begun there is nobody else to hear of it.
  asked.on('error', () => undefined);
  asked.end(body);
  const [response] = (await once(asked, 'response', { signal })) as [IncomingMessage];
  return { status: response.statusCode ?? 0, body: await text(response) };
}

/** One unix socket whose every connection is carried to a TCP port of this namespace. */
async function openDoor(path: string, port: number): Promise<void> {
  const server = createServer((outside) => {
    const inside = createConnection(port, '127.0.0.1');
    outside.on('error', () => inside.destroy());
    inside.on('error', () => outside.destroy());
    outside.pipe(inside).pipe(outside);
  });
  server.listen(path);
  await once(server, 'listening');
  chmodSync(path, 0o600);
}

await raiseBridge();
await serveNames(gateway, knownNames(), () => (nameLookups += 1));
await serveTime(gateway, () => (timeRequests += 1));
const operations = await serveOperations(gateway, labNetwork.servicePort, (name) => count(jobs, name));
const intruder = await startIntruder(gateway, labNetwork.intruderWebPort, labNetwork.intruderShellPort);
const shoppers = planShoppers(
  async (path, body, expect) => {
    const url = `http://${machines.web}${path}`;
    const answer = await http({ url, timeoutMs: 10_000, ...(body === undefined ? {} : { body }) }).catch(
      () => undefined,
    );
    return answer?.status === 200 && answer.body.includes(expect);
  },
  (name, good) => count(good ? jobs : failures, name),
);

type Handlers = { readonly [C in GatewayCall]: (ask: GatewayCalls[C]['ask']) => Promise<GatewayCalls[C]['answer']> };

const handlers: Handlers = {
  addTap: async ({ tap }) => addTap(tap),
  http,
  load: async ({ running }) => (running ? shoppers.start() : shoppers.stop()),
  offer: async ({ machine, task }) => ({ serial: operations.offer(machine, task) }),
  publish: async ({ name, path }) => operations.publish(name, path),
  intrude: async ({ implant, shellCommands }) => intruder.arm(implant, shellCommands),
  counts: async () => ({ jobs, failures, nameLookups, timeRequests, callbacks: intruder.callbacks() }),
  door: async ({ socket, port }) => openDoor(socket, port),
};

function reply(message: Reply): void {
  process.send?.(message);
}

process.on('message', (message) => {
  const { id, call, ask } = message as Request;
  const handle = handlers[call] as (ask: unknown) => Promise<unknown>;
  handle(ask).then(
    (answer) => reply({ id, answer }),
    (thrown: unknown) => reply({ id, error: causeOf(thrown) }),
  );
});
process.on('disconnect', () => process.exit(0));
reply({ id: 0, answer: 'ready' });
