// Asks a guest for the truth: shell commands through the virtio port that `programs/lab-agent.c` serves, one at a time.
import { createConnection, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { causeOf, problem } from '../src/kit/problem.ts';
import { fail, ok, type Result } from '../src/kit/result.ts';

export interface CommandOutcome {
  /** Standard output and error, in the order they were printed. */
  readonly out: string;
  /** The shell's exit code; 128 + signal when it was killed; 124 when it took longer than its limit. */
  readonly code: number;
}

export interface GuestChannel {
  run(command: string, timeoutMs: number): Promise<Result<CommandOutcome>>;
  close(): void;
}

const magic = 0x504c4c42;
const headerBytes = 16;
const exitKind = 1;
const outputLimitBytes = 64 * 1024 * 1024;
/** Beyond the command's own limit: a guest under emulation on a busy host is slow to notice. */
const graceMs = 15_000;

/** Connects to the port's host side; QEMU listens from its start, the agent answers once the guest has booted. */
export async function openGuestChannel(path: string, patienceMs = 15_000): Promise<Result<GuestChannel>> {
  const deadline = performance.now() + patienceMs;
  let last = 'nothing listens there';
  while (performance.now() < deadline) {
    try {
      return ok(channelOver(await connectTo(path)));
    } catch (thrown) {
      last = causeOf(thrown);
      await wait(20);
    }
  }
  return fail(problem('failed', `The guest's command port ${path} could not be reached: ${last}.`));
}

async function connectTo(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

interface Pending {
  readonly id: number;
  readonly chunks: Buffer[];
  size: number;
  readonly settle: (outcome: Result<CommandOutcome>) => void;
}

function channelOver(socket: Socket): GuestChannel {
  let pending: Pending | undefined;
  let received: Buffer = Buffer.alloc(0);
  let lastId = 0;
  let turn: Promise<unknown> = Promise.resolve();

  const take = (id: number, kind: number, body: Buffer): void => {
    // Answers to a command given up on, or asked before a snapshot was loaded, belong to nobody.
    if (pending === undefined || pending.id !== id) return;
    if (kind === exitKind) {
      pending.settle(ok({ out: Buffer.concat(pending.chunks).toString(), code: body.readUInt32BE(0) }));
    } else {
      pending.size += body.length;
      if (pending.size <= outputLimitBytes) pending.chunks.push(body);
    }
  };
  socket.on('data', (chunk: Buffer) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    for (;;) {
      const start = findMagic(received);
      received = received.subarray(start);
      if (received.length < headerBytes) return;
      const length = received.readUInt32BE(12);
      if (received.length < headerBytes + length) return;
      take(received.readUInt32BE(4), received.readUInt32BE(8), received.subarray(headerBytes, headerBytes + length));
      received = received.subarray(headerBytes + length);
    }
  });
  socket.on('error', () => {});
  socket.on('close', () => pending?.settle(fail(problem('failed', 'The guest went away while a command ran in it.'))));

  const ask = async (command: string, timeoutMs: number): Promise<Result<CommandOutcome>> =>
    new Promise((resolve) => {
      if (socket.destroyed) return resolve(fail(problem('failed', 'The guest is not running.')));
      const id = (lastId += 1);
      const settle = (outcome: Result<CommandOutcome>): void => {
        clearTimeout(timer);
        pending = undefined;
        resolve(outcome);
      };
      const giveUp = (): void =>
        settle(fail(problem('failed', `The guest did not answer within ${timeoutMs} ms: ${command.slice(0, 120)}`)));
      const timer = setTimeout(giveUp, timeoutMs + graceMs);
      pending = { id, chunks: [], size: 0, settle };
      const body = Buffer.from(command);
      const header = Buffer.alloc(headerBytes);
      for (const [index, value] of [magic, id, timeoutMs, body.length].entries())
        header.writeUInt32BE(value, index * 4);
      socket.write(Buffer.concat([header, body]));
    });

  return {
    async run(command, timeoutMs) {
      const mine = turn.then(async () => ask(command, timeoutMs));
      turn = mine.catch(() => undefined);
      return mine;
    },
    close: () => socket.destroy(),
  };
}

/** After a reboot or a loaded snapshot half a frame may be left: the stream is good again from the next magic on. */
function findMagic(bytes: Buffer): number {
  if (bytes.length < 4 || bytes.readUInt32BE(0) === magic) return 0;
  const marker = Buffer.alloc(4);
  marker.writeUInt32BE(magic);
  const found = bytes.indexOf(marker);
  return found < 0 ? Math.max(0, bytes.length - 3) : found;
}
