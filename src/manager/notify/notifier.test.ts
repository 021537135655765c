// Notifications against real receivers: an HTTP server, a UDP socket, a TCP socket; slow, broken and away.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { createServer, type Server } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { signatureHeader, signatureOf } from '../../connectors/siem/webhook/webhook.ts';
import { connect } from '../../client/connect.ts';
import { silentLog } from '../../kit/log.ts';
import { ok, type Result } from '../../kit/result.ts';
import { alarmNumber, at, findingOf, runningVm, started, vmId } from '../../sim/simulated-activity.ts';
import { makeSimulatedSentinel } from '../../sim/simulated-sentinel.ts';
import { makeAnnouncements } from '../announcements.ts';
import type { Configuration } from '../configuration.ts';
import { noLosses } from '../losses.ts';
import { must, startTrial, until } from '../trial.ts';
import { startNotifier } from './notifier.ts';

interface Heard {
  readonly signature: string | undefined;
  readonly body: string;
}

async function httpReceiver(statuses: readonly number[]): Promise<{ url: string; heard: Heard[]; server: Server }> {
  const heard: Heard[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      heard.push({ signature: request.headers[signatureHeader]?.toString(), body });
      response.writeHead(statuses[heard.length - 1] ?? 200).end('ignored');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, heard, server };
}

/** One alarm through a whole manager with this configuration; `heard` says when to stop. */
async function raiseOne(configuration: Configuration, heard: () => boolean, exe = '/tmp/evil'): Promise<void> {
  const trial = await startTrial(configuration);
  const sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
  must(
    await trial.manager.end.deliver(
      sentinel.batch({ vms: [runningVm(1, 'web1')], findings: [findingOf(started(vmId(1), exe, [exe]), 'g')] }),
    ),
  );
  await until('the receiver has heard', heard);
  await trial.end();
}

test('a webhook gets the alarm, signed, and once more after an error', async () => {
  const { url, heard, server } = await httpReceiver([503, 200]);
  const secret = 'sixteen-characters';
  await raiseOne({ notify: { webhooks: [{ url, secret }] } }, () => heard.length === 2);
  for (const { body, signature } of heard) {
    const told = JSON.parse(body) as { kind: string; alarm: { vmName: string } };
    assert.deepEqual([told.kind, told.alarm.vmName], ['alarm', 'web1']);
    assert.equal(signature, signatureOf(body, secret));
  }
  server.close();
});

test('a refusal is final: it is not tried again, and counted', async () => {
  const { url, heard, server } = await httpReceiver([404, 404]);
  const trial = await startTrial({ notify: { webhooks: [{ url, attempts: 5 }] } });
  const sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
  const findings = [findingOf(started(vmId(1), '/tmp/evil', ['x']), 'g')];
  must(await trial.manager.end.deliver(sentinel.batch({ findings })));
  await until(
    'it is counted',
    async () => must(await connect(trial.manager).status()).losses.notificationsFailed === 1,
  );
  assert.equal(heard.length, 1);
  await trial.end();
  server.close();
});

test('syslog over UDP is one datagram for each alarm', async () => {
  const socket = createSocket('udp4');
  const heard: string[] = [];
  socket.on('message', (message) => heard.push(message.toString()));
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await raiseOne(
    { notify: { syslog: [{ host: '127.0.0.1', port }] } },
    () => heard.length === 1,
    '/tmp/e"v]il\n<0>1 forged',
  );
  // facility 4, severity 2
  assert.match(
    heard[0] ?? '',
    /^<34>1 2026-11-21T21:00:01\.000Z \S+ plumbline - alarm \[alarm@32473 id="[0-9a-f]{12}" kind="deviation" /,
  );
  assert.ok(!heard[0]?.includes('\n'));
  socket.close();
});

test('syslog over TCP counts octets, and connects again after the receiver went away', async () => {
  let received = '';
  const lines: Socket[] = [];
  const server = createTcpServer((socket) => {
    lines.push(socket);
    socket.on('data', (chunk) => (received += chunk.toString()));
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const trial = await startTrial({ notify: { syslog: [{ host: '127.0.0.1', port, transport: 'tcp' }] } });
  const sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
  const raise = async (group: string) =>
    must(
      await trial.manager.end.deliver(
        sentinel.batch({ findings: [findingOf(started(vmId(1), '/tmp/ä', ['x']), group)] }),
      ),
    );
  await raise('one');
  await until('the first is heard', () => received !== '');
  const [, count = '', message = ''] = /^(\d+) ([^]*)$/.exec(received) ?? [];
  assert.equal(Buffer.byteLength(message), Number(count));
  for (const line of lines) line.destroy();
  received = '';
  // What was written into the dying connection is lost, as plain syslog is; the next ones arrive.
  let sent = 0;
  await until('another is heard', async () => {
    sent += 1;
    await raise(`more-${sent}`);
    return received !== '';
  });
  await trial.end();
  server.close();
});

test('a receiver that is away never delays what sentinels deliver', async () => {
  const silent = createTcpServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  const trial = await startTrial({
    notify: { webhooks: [{ url: `http://127.0.0.1:${port}/`, timeoutMs: 100, attempts: 1 }] },
  });
  const sentinel = makeSimulatedSentinel('host1', trial.manager.trust, () => at(0));
  const findings = Array.from({ length: 50 }, (_, n) => findingOf(started(vmId(1), `/tmp/${n}`, ['x']), `g${n}`));
  const before = performance.now();
  must(await trial.manager.end.deliver(sentinel.batch({ vms: [runningVm(1, 'web1')], findings })));
  assert.ok(performance.now() - before < 2500);
  await until(
    'the failure is counted',
    async () => must(await connect(trial.manager).status()).losses.notificationsFailed > 0,
  );
  await trial.end();
  silent.close();
});

test('a queue that is full drops and counts; what is below the threshold is not told', async () => {
  const announcements = makeAnnouncements(silentLog);
  const losses = noLosses();
  const waiting: (() => void)[] = [];
  const told: string[] = [];
  const stop = startNotifier(
    [
      {
        minSeverity: 'serious',
        attempts: 3,
        connector: {
          place: 'test',
          close: () => undefined,
          send: async (notice) => {
            told.push(notice.kind === 'alarm' ? notice.alarm.id : notice.kind);
            return await new Promise<Result<null>>((resolve) => waiting.push(() => resolve(ok(null))));
          },
        },
      },
    ],
    announcements,
    losses,
    silentLog,
    { queueMax: 3, retryMsFirst: 1 },
  );
  for (let n = 0; n < 10; n += 1)
    announcements.publish({
      kind: 'alarm',
      isNew: true,
      alarm: alarmNumber(n, { severity: n < 2 ? 'minor' : 'critical' }),
    });
  await until('the first is under way', () => told.length === 1);
  // One is being sent, three wait, four of the eight serious ones found no place.
  assert.deepEqual([told[0], losses.notificationsDropped], [alarmNumber(2).id, 4]);
  while (told.length < 4) {
    waiting.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  stop();
  assert.equal(losses.notificationsFailed, 0);
});
