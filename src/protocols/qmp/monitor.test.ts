// One contract for both ways to a monitor: QEMU's own socket, and libvirt passing words on. Each is held against a small server
// that speaks its wire protocol for real; behind both stands the same pretended QEMU.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, describe, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Result } from '../../kit/result.ts';
import { openLibvirtMonitor } from '../libvirt/libvirt-monitor.ts';
import { XdrReader, XdrWriter } from '../xdr/xdr.ts';
import type { Monitor, MonitorEvent, MonitorProblem } from './monitor.ts';
import { openQmp } from './qmp-client.ts';

const directory = mkdtempSync(join(tmpdir(), 'plumbline-monitor-'));
after(() => rmSync(directory, { recursive: true, force: true }));
let sockets = 0;

interface Stage {
  readonly open: () => Promise<Result<Monitor, MonitorProblem>>;
  /** Makes QEMU report an event. */
  readonly emit: (name: string, data: object) => void;
  /** Makes QEMU end. */
  readonly end: () => void;
  readonly stop: () => void;
}

/** What QEMU answers, as the JSON of a reply without its id; null = never. */
function pretendedQemu(command: string, args: { readonly 'command-line'?: string }): object | null {
  switch (command) {
    case 'qmp_capabilities':
      return { return: {} };
    case 'query-status':
      return { return: { status: 'running', running: true } };
    case 'human-monitor-command':
      return { return: `you said ${args['command-line']}\r\n` };
    case 'query-hang':
      return null;
    case 'query-large':
      return { return: 'x'.repeat(3_000_000) };
    default:
      return { error: { class: 'CommandNotFound', desc: `The command ${command} has not been found` } };
  }
}

async function listen(
  onConnection: (socket: Socket) => void,
): Promise<{ readonly path: string; readonly server: Server }> {
  sockets += 1;
  const path = join(directory, `${sockets}.sock`);
  const server = createServer(onConnection);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { path, server };
}

async function qmpStage(): Promise<Stage> {
  const clients = new Set<Socket>();
  const { path, server } = await listen((socket) => {
    clients.add(socket);
    let received = '';
    socket.write('{"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": []}}\r\n');
    socket.on('data', (chunk) => {
      received += chunk.toString();
      const lines = received.split('\n');
      received = lines.pop() ?? '';
      for (const line of lines) {
        const { execute, arguments: args, id } = JSON.parse(line) as { execute: string; arguments: object; id: number };
        const reply = pretendedQemu(execute, args);
        // In two pieces, as sockets do.
        const text = `${JSON.stringify({ ...reply, id })}\r\n`;
        if (reply !== null) {
          socket.write(text.slice(0, 10));
          socket.write(text.slice(10));
        }
      }
    });
  });
  return {
    open: () => openQmp(path),
    emit: (event, data) => {
      const line = JSON.stringify({ event, data, timestamp: { seconds: 1_700_000_000, microseconds: 250_000 } });
      for (const client of clients) client.write(`${line}\r\n`);
    },
    end: () => clients.forEach((client) => client.destroy()),
    stop: () => {
      clients.forEach((client) => client.destroy());
      server.close();
    },
  };
}

const uuid = '00112233-4455-6677-8899-aabbccddeeff';
const remote = 0x2000_8086;
const qemuProgram = 0x2000_8087;

async function libvirtStage(): Promise<Stage> {
  const clients = new Set<Socket>();
  const domain = (): Buffer =>
    new XdrWriter()
      .text('shop')
      .fixed(Buffer.from(uuid.replaceAll('-', ''), 'hex'))
      .i32(7)
      .bytes();
  const send = (
    socket: Socket,
    program: number,
    procedure: number,
    kind: number,
    serial: number,
    status: number,
    body: Buffer,
  ): void => {
    const header = new XdrWriter()
      .u32(28 + body.length)
      .u32(program)
      .u32(1)
      .u32(procedure)
      .u32(kind)
      .u32(serial)
      .u32(status);
    const frame = Buffer.concat([header.bytes(), body]);
    socket.write(frame.subarray(0, 7));
    socket.write(frame.subarray(7));
  };
  const reply = (socket: Socket, message: XdrReader): void => {
    const [program, , procedure, , serial] = [
      message.u32(),
      message.u32(),
      message.u32(),
      message.u32(),
      message.u32(),
      message.u32(),
    ];
    const answer = (body: Buffer): void => send(socket, program, procedure, 1, serial, 0, body);
    if (program === remote && procedure === 66) return answer(new XdrWriter().u32(1).u32(0).bytes());
    if (program === remote && procedure === 1) return answer(Buffer.alloc(0));
    if (program === remote && procedure === 273) {
      return answer(Buffer.concat([new XdrWriter().u32(1).bytes(), domain(), new XdrWriter().u32(1).bytes()]));
    }
    if (program === remote && procedure === 316) return answer(new XdrWriter().i32(3).bytes());
    if (program === qemuProgram && procedure === 4) return answer(new XdrWriter().i32(4).bytes());
    message.text();
    message.fixed(16);
    message.i32();
    const { execute, arguments: args } = JSON.parse(message.text()) as { execute: string; arguments: object };
    const said = pretendedQemu(execute, args);
    if (said !== null) answer(new XdrWriter().text(JSON.stringify({ ...said, id: 'libvirt-9' })).bytes());
  };
  const { path, server } = await listen((socket) => {
    clients.add(socket);
    let received = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 4 && received.length >= received.readUInt32BE(0)) {
        const length = received.readUInt32BE(0);
        reply(socket, new XdrReader(received.subarray(4, length)));
        received = received.subarray(length);
      }
    });
  });
  return {
    open: () => openLibvirtMonitor(path, uuid),
    emit: (name, data) => {
      const body = Buffer.concat([
        new XdrWriter().i32(4).bytes(),
        domain(),
        new XdrWriter().text(name).u32(0).u32(1_700_000_000).u32(250_000).optionalText(JSON.stringify(data)).bytes(),
      ]);
      for (const client of clients) send(client, qemuProgram, 6, 2, 0, 0, body);
    },
    end: () => {
      const body = Buffer.concat([new XdrWriter().i32(3).bytes(), domain(), new XdrWriter().i32(5).i32(1).bytes()]);
      for (const client of clients) send(client, remote, 318, 2, 0, 0, body);
    },
    stop: () => {
      clients.forEach((client) => client.destroy());
      server.close();
    },
  };
}

for (const [name, build] of [
  ['QMP', qmpStage],
  ['libvirt', libvirtStage],
] as const) {
  describe(`a monitor over ${name}`, () => {
    let stage: Stage;
    let monitor: Monitor;
    const start = async (): Promise<void> => {
      stage = await build();
      const opened = await stage.open();
      assert.ok(opened.ok, JSON.stringify(opened));
      monitor = opened.value;
    };
    afterEach(() => {
      monitor.close();
      stage.stop();
    });

    test('answers commands, several at once', async () => {
      await start();
      const answers = await Promise.all([
        monitor.execute('query-status'),
        monitor.hmp('info'),
        monitor.execute('query-status'),
      ]);
      assert.deepEqual(answers[0], { ok: true, value: { status: 'running', running: true } });
      assert.deepEqual(answers[1], { ok: true, value: 'you said info\r\n' });
      assert.deepEqual(answers[2], answers[0]);
    });

    test('answers large replies whole', async () => {
      await start();
      const large = await monitor.execute('query-large');
      assert.ok(large.ok && typeof large.value === 'string' && large.value.length === 3_000_000);
    });

    test('says which kind of refusal QEMU gave', async () => {
      await start();
      const refused = await monitor.execute('nonsense');
      assert.ok(!refused.ok);
      assert.equal(refused.error.qemuClass, 'CommandNotFound');
      assert.match(refused.error.message, /nonsense has not been found/);
    });

    test('gives up a command that is not answered, and goes on', async () => {
      await start();
      const late = await monitor.execute('query-hang', {}, { timeoutMs: 50 });
      assert.ok(!late.ok);
      assert.match(late.error.message, /within 50 ms/);
      assert.ok((await monitor.execute('query-status')).ok);
    });

    test('passes events on until told to stop', async () => {
      await start();
      const seen: MonitorEvent[] = [];
      const stop = monitor.subscribe((event) => seen.push(event));
      stage.emit('RESET', { guest: true, reason: 'guest-reset' });
      await monitor.execute('query-status');
      stop();
      stage.emit('STOP', {});
      await monitor.execute('query-status');
      assert.deepEqual(seen, [
        { name: 'RESET', data: { guest: true, reason: 'guest-reset' }, atMs: 1_700_000_000_250 },
      ]);
    });

    test('says why it ended, fails what waits, and refuses what comes after', async () => {
      await start();
      const waiting = monitor.execute('query-hang');
      await wait(20);
      stage.end();
      const reason = await monitor.closed;
      assert.ok(reason !== null);
      assert.ok(!(await waiting).ok);
      assert.ok(!(await monitor.execute('query-status')).ok);
    });

    test('closed by us is no failure', async () => {
      await start();
      monitor.close();
      assert.equal(await monitor.closed, null);
    });
  });
}

describe('opening a QMP socket', () => {
  test('a socket whose queue is full is taken by another client', { timeout: 20_000 }, async () => {
    const path = join(directory, 'full.sock');
    // As QEMU does while it has a client: listens, and accepts nobody.
    const script = `
      require('node:net').createServer().listen({ path: process.argv[1], backlog: 1 }, () => {
        require('node:fs').writeSync(1, 'up');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      });`;
    const listener = spawn(process.execPath, ['-e', script, path]);
    await once(listener.stdout, 'data');
    const waiting = [connect(path), connect(path), connect(path)];
    waiting.forEach((socket) => socket.on('error', () => {}));
    await once(waiting[0] ?? listener, 'connect');
    const opened = await openQmp(path, { greetingMs: 600_000 });
    assert.ok(!opened.ok);
    assert.equal(opened.error.kind, 'refused');
    assert.match(opened.error.message, /in use by someone else/);
    waiting.forEach((socket) => socket.destroy());
    listener.kill('SIGKILL');
  });

  const refusals: readonly (readonly [string, (socket: Socket) => void, RegExp])[] = [
    ['a socket that does not greet is taken by another client', () => {}, /in use by someone else/],
    [
      'a socket that does not speak QMP is said to',
      (socket) => socket.write('SSH-2.0-OpenSSH\n'),
      /does not speak QMP/,
    ],
    ['a socket that closes at once is said to', (socket) => socket.end(), /ended: QEMU closed it/],
  ];
  for (const [title, behave, message] of refusals) {
    test(title, async () => {
      const open = new Set<Socket>();
      const { path, server } = await listen((socket) => {
        open.add(socket);
        socket.on('error', () => {});
        behave(socket);
      });
      const opened = await openQmp(path, { greetingMs: 100 });
      assert.ok(!opened.ok);
      assert.match(opened.error.message, message);
      open.forEach((socket) => socket.destroy());
      server.close();
    });
  }

  test('a socket that is not there is said to', async () => {
    const opened = await openQmp(join(directory, 'none.sock'));
    assert.ok(!opened.ok);
    assert.equal(opened.error.kind, 'not-found');
  });

  test('a message without end is not collected for ever', async () => {
    const { path, server } = await listen((socket) => {
      socket.write('{"QMP": {}}\n');
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        if (chunk.toString().includes('capabilities')) socket.write('{"return": {}, "id": 1}\n');
        else for (let piece = 0; piece < 20; piece += 1) socket.write('x'.repeat(1024 * 1024));
      });
    });
    const opened = await openQmp(path);
    assert.ok(opened.ok);
    void opened.value.execute('query-status');
    assert.match((await opened.value.closed)?.message ?? '', /longer than/);
    server.close();
  });
});

describe('XDR', () => {
  test('reads back what was written', () => {
    const bytes = new XdrWriter()
      .u32(7)
      .i32(-3)
      .text('über')
      .optionalText(null)
      .optionalText('a')
      .fixed(Buffer.from('xyz'))
      .bytes();
    const reader = new XdrReader(bytes);
    assert.deepEqual(
      [
        reader.u32(),
        reader.i32(),
        reader.text(),
        reader.optionalText(),
        reader.optionalText(),
        reader.fixed(3).toString(),
      ],
      [7, -3, 'über', null, 'a', 'xyz'],
    );
    assert.equal(reader.broken, false);
  });

  test('past the end it is broken, never an exception', () => {
    const reader = new XdrReader(Buffer.from([0xff, 0xff, 0xff, 0xff]));
    assert.equal(reader.text(), '');
    assert.equal(reader.u32(), 0);
    assert.equal(reader.broken, true);
  });
});
