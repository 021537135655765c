// The lab's own line to a QEMU: one command at a time over a QMP socket. The product has another socket and its own client.
import { createConnection, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { causeOf, problem } from '../src/kit/problem.ts';
import { fail, ok, type Result } from '../src/kit/result.ts';

export interface QmpLine {
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<Result<unknown>>;
  /** A human monitor command; its text is its only answer. */
  monitor(command: string): Promise<Result<string>>;
  close(): void;
}

interface Reply {
  readonly QMP?: unknown;
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
  readonly event?: string;
}

/** Loading a snapshot of a large guest is the slowest thing asked here. */
const answerPatienceMs = 60_000;
const lineLimitChars = 16 * 1024 * 1024;

/** Connects as soon as QEMU listens, at most `patienceMs` from now. */
export async function openQmpLine(path: string, patienceMs = 15_000): Promise<Result<QmpLine>> {
  const deadline = performance.now() + patienceMs;
  let last = 'nothing listens there';
  while (performance.now() < deadline) {
    try {
      const socket = await connectTo(path);
      return await greet(socket);
    } catch (thrown) {
      last = causeOf(thrown);
      await wait(20);
    }
  }
  return fail(problem('failed', `The QMP socket ${path} could not be reached within ${patienceMs} ms: ${last}.`));
}

async function connectTo(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

async function greet(socket: Socket): Promise<Result<QmpLine>> {
  const waiting: ((reply: Result<Reply>) => void)[] = [];
  let text = '';
  const settleAll = (why: string): void => {
    for (const settle of waiting.splice(0)) settle(fail(problem('failed', why)));
  };
  socket.on('data', (chunk) => {
    text += chunk.toString();
    if (text.length > lineLimitChars) socket.destroy(new Error('QEMU sent a line without end'));
    let end = text.indexOf('\n');
    while (end >= 0) {
      const reply = JSON.parse(text.slice(0, end)) as Reply;
      text = text.slice(end + 1);
      end = text.indexOf('\n');
      if (reply.event === undefined) waiting.shift()?.(ok(reply));
    }
  });
  socket.on('error', () => {});
  socket.on('close', () => settleAll('QEMU closed its QMP socket.'));
  const answer = async (): Promise<Result<Reply>> =>
    new Promise((resolve) => {
      const timer = setTimeout(() => settleAll(`QEMU did not answer within ${answerPatienceMs} ms.`), answerPatienceMs);
      waiting.push((reply) => {
        clearTimeout(timer);
        resolve(reply);
      });
    });
  const execute: QmpLine['execute'] = async (command, args) => {
    if (socket.destroyed) return fail(problem('failed', 'QEMU has closed its QMP socket.'));
    const answered = answer();
    socket.write(
      `${JSON.stringify(args === undefined ? { execute: command } : { execute: command, arguments: args })}\n`,
    );
    const reply = await answered;
    if (!reply.ok) return reply;
    const refusal = reply.value.error;
    return refusal === undefined
      ? ok(reply.value.return)
      : fail(problem('failed', `QEMU refused ${command}: ${refusal.desc}.`));
  };
  const greeted = await answer();
  if (!greeted.ok) return greeted;
  const ready = await execute('qmp_capabilities');
  if (!ready.ok) return ready;
  return ok({
    execute,
    async monitor(command) {
      const text = await execute('human-monitor-command', { 'command-line': command });
      return text.ok ? ok(String(text.value)) : text;
    },
    close: () => socket.destroy(),
  });
}
