// The watchdog as a process, beside stubs that only speak: it guards many, outlives its tracer, tolerates nonsense, and ends the tracer
// when nothing else gets a guest out of its hands.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { becomes, processLives, type GuestStanding } from '../../../../lab/fragile-trace.ts';
import { encodePacket, PacketReader } from '../../../protocols/gdb/packet.ts';
import type { Watch } from '../guardian.ts';
import { WatchdogGuardian } from './watchdog-guardian.ts';

/** Speaks as QEMU's stub does, to one client at a time. */
class SpeakingStub {
  readonly path: string;
  /** Packets of each client served, in order. */
  readonly clients: string[][] = [];
  readonly #server: Server;
  readonly #queue: Socket[] = [];
  readonly #holdsOn: boolean;
  #serves = false;

  /** `holdsOn`: half a close means nothing to it; a client is served until its last descriptor is closed. */
  constructor(path: string, holdsOn = false) {
    this.path = path;
    this.#holdsOn = holdsOn;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      this.#queue.push(socket);
      this.#serveNext();
    });
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.path, resolve));
  }

  close(): void {
    this.#server.close();
  }

  #serveNext(): void {
    const socket = this.#serves ? undefined : this.#queue.shift();
    if (socket === undefined) return;
    this.#serves = true;
    const heard: string[] = [];
    const reader = new PacketReader();
    this.clients.push(heard);
    socket.on('data', (bytes: Buffer) => {
      for (const packet of reader.feed(bytes)) {
        heard.push(packet);
        socket.write(answerTo(packet));
      }
    });
    const leave = (): void => {
      clearInterval(probe);
      socket.destroy();
      this.#serves = false;
      this.#serveNext();
    };
    // Only a write tells whether anybody still has the other end.
    const probe = setInterval(() => socket.writable && socket.write('+'), 50);
    socket.on('error', () => {});
    socket.once('close', leave);
    socket.on('end', () => {
      if (!this.#holdsOn) leave();
    });
    socket.resume();
  }
}

function answerTo(packet: string): string {
  if (packet === '?') return encodePacket('T05thread:01;');
  if (packet.startsWith('vCont')) return '';
  if (!packet.startsWith('qRcmd,')) return encodePacket('OK');
  const line = Buffer.from(packet.slice(6), 'hex').toString();
  const said = line === 'info status' ? 'VM status: paused (debug)\r\n' : '* CPU #0: thread_id=1\r\n';
  return encodePacket(`O${Buffer.from(said).toString('hex')}`) + encodePacket('OK');
}

describe('a watchdog', { timeout: 60_000 }, () => {
  let directory: string;
  const stubs: SpeakingStub[] = [];
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'plumbline-watchdog-'));
  });
  after(() => {
    for (const stub of stubs) stub.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function openStub(holdsOn = false): Promise<SpeakingStub> {
    const stub = new SpeakingStub(join(directory, `${stubs.length}.sock`), holdsOn);
    stubs.push(stub);
    await stub.listen();
    return stub;
  }

  async function watch(guardian: WatchdogGuardian, stub: SpeakingStub): Promise<Watch> {
    const watched = await guardian.watch({ socketPath: stub.path, qemuPid: process.pid });
    if (!watched.ok) assert.fail(watched.error.message);
    return watched.value;
  }

  test('guards many traces, takes those that are silent and leaves the others', async () => {
    const guardian = new WatchdogGuardian({ lateMs: 1_000 });
    const [silent, lively] = [await openStub(), await openStub()];
    const [first, second] = [await watch(guardian, silent), await watch(guardian, lively)];
    const pid = await guardian.pid();
    const beats = setInterval(() => second.beat(), 100);
    const why = await first.lost;
    assert.match(why?.message ?? '', /not heard for/);
    assert.deepEqual(silent.clients.at(-1)?.at(-1), 'D');
    assert.equal(lively.clients.length, 1);
    await second.close();
    clearInterval(beats);
    assert.equal(await second.lost, null);
    assert.ok(
      await becomes(() => pid !== undefined && !processLives(pid), 3_000),
      'it guards nothing and is still there',
    );
    const again = await watch(guardian, lively);
    await again.close();
  });

  test('cuts a tracer off whose connection was lost, before it is late', async () => {
    const guardian = new WatchdogGuardian({ lateMs: 20_000 });
    const stub = await openStub();
    const lost = await watch(guardian, stub);
    lost.connection.destroy();
    assert.match((await lost.lost)?.message ?? '', /connection to QEMU was lost/);
    assert.deepEqual(stub.clients.at(-1)?.at(-1), 'D');
  });

  test('tolerates nonsense, does not end when told to while it guards, and ends after its tracer', async () => {
    const stub = await openStub();
    const main = join(import.meta.dirname, 'watchdog-main.ts');
    const child = fork(main, ['60000'], { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    const said: unknown[] = [];
    child.on('message', (message) => said.push(message));
    const watchWords = { do: 'watch', id: 1, socketPath: stub.path, qemuPid: process.pid };
    const nonsense = [
      'x',
      null,
      7,
      { do: 'beat' },
      { do: 'beat', id: 1e300 },
      { do: 'beat', id: 99 },
      { ...watchWords, socketPath: 'relative' },
      { ...watchWords, socketPath: `/${'x'.repeat(300)}` },
      { ...watchWords, qemuPid: 'one' },
      { do: 'hold', id: 1, forMs: 'long' },
      { do: 'paused-by-other', id: 1, paused: 'yes' },
      { do: 'bark', id: 1 },
    ];
    for (const words of nonsense) child.send(words as string);
    child.send(watchWords);
    assert.ok(await becomes(() => said.length === 2, 5_000));
    assert.deepEqual(said, [{ say: 'ready' }, { say: 'watching', id: 1, ranBefore: false }]);
    const { pid = 0 } = child;
    child.kill('SIGTERM');
    child.kill('SIGINT');
    await wait(200);
    assert.ok(processLives(pid));
    child.disconnect();
    assert.ok(await becomes(() => stub.clients.at(-1)?.at(-1) === 'D', 3_000));
    assert.ok(await becomes(() => !processLives(pid), 3_000));
  });

  test('ends a tracer that hangs when nothing else gets the guest out of its hands', async () => {
    const stub = await openStub(true);
    const tracer = fork(
      join(import.meta.dirname, '../../../../lab/fragile-tracer.ts'),
      [stub.path, String(process.pid), 'ffffffff82000000', '500'],
      { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
    );
    const heard: GuestStanding[] = [];
    tracer.on('message', (standing: GuestStanding) => heard.push(standing));
    assert.ok(await becomes(() => heard.some(({ watching }) => watching === true), 10_000));
    tracer.kill('SIGSTOP');
    assert.ok(await becomes(() => stub.clients.at(-1)?.at(-1) === 'D', 15_000), JSON.stringify(stub.clients));
    assert.ok(!processLives(tracer.pid ?? 0));
  });
});
