// Lets a guest go from its gdb stub over a connection of its own: connects, speaks, tries again while QEMU lives.
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { problem } from '../../../kit/problem.ts';
import type { Problem } from '../../../kit/problem.ts';
import { fail, ok } from '../../../kit/result.ts';
import type { Result } from '../../../kit/result.ts';
import { DetachConversation } from './detach-conversation.ts';
import type { Freed } from './detach-conversation.ts';

export interface LetGoOptions {
  /** The tracer knew that somebody else had paused the guest. */
  readonly staysPaused: boolean;
  readonly patienceMs: number;
  /** False once there is no guest to free any more. */
  readonly qemuLives: () => boolean;
}

const reconnectMs = 30;
const againFirstMs = 150;
const againMaxMs = 2_000;
/** QEMU has shown that it answers; what was decided is not said twice on one connection. */
const decidedMs = 1_000;
const closeMs = 500;

/**
 * Frees the guest whose stub listens at `socketPath`; nobody else may be connected to it, or it waits for them to leave.
 * A connection is not given up for a new one while there is time: QEMU stops the guest when it accepts one, also one left long ago.
 * Problems: `not-found` = nothing listens there though QEMU lives; `failed` = QEMU does not answer, or serves somebody else.
 */
export async function letGo(socketPath: string, options: LetGoOptions): Promise<Result<Freed | 'qemu-gone'>> {
  const deadline = performance.now() + options.patienceMs;
  for (;;) {
    const end = await speak(socketPath, options.staysPaused, deadline);
    if (end === 'running' || end === 'left-paused') return ok(end);
    if (!options.qemuLives()) return ok('qemu-gone');
    if (performance.now() >= deadline) return fail(end === 'unreached' ? noStub(socketPath) : silent(socketPath));
    await wait(reconnectMs);
  }
}

function noStub(socketPath: string): Problem {
  const message = `Nothing listens at ${socketPath} any more, and stop points may be left in QEMU.`;
  return problem(
    'not-found',
    message,
    'Open a stub by the monitor and detach from it, or `cont` the VM when it stands.',
  );
}

function silent(socketPath: string): Problem {
  const message = `The gdb stub at ${socketPath} did not let its guest go: QEMU does not answer, or serves somebody else.`;
  return problem(
    'failed',
    message,
    'Let the other debugger leave; `cont` on the monitor lets the VM run to its next stop.',
  );
}

/** One connection, from its opening to its end. */
function speak(
  socketPath: string,
  staysPaused: boolean,
  deadline: number,
): Promise<Freed | 'unreached' | 'unanswered'> {
  return new Promise((resolve) => {
    const conversation = new DetachConversation(staysPaused);
    const socket = connect(socketPath);
    let end: 'unreached' | 'unanswered' = 'unreached';
    let pauseMs = againFirstMs;
    let timer: NodeJS.Timeout | undefined;
    const settle = (how: Freed | 'unreached' | 'unanswered'): void => {
      clearTimeout(timer);
      leave(socket);
      resolve(how);
    };
    const say = (text: string | null): void => {
      if (text === null) {
        settle(end);
        return;
      }
      socket.write(text, 'latin1');
      clearTimeout(timer);
      const leftMs = Math.max(deadline - performance.now(), 0);
      timer = setTimeout(() => (leftMs <= pauseMs ? settle(end) : again()), Math.min(pauseMs, leftMs));
    };
    const again = (): void => {
      pauseMs = Math.min(pauseMs * 2, againMaxMs);
      say(conversation.attempt());
    };
    socket.once('connect', () => {
      end = 'unanswered';
      say(conversation.attempt());
    });
    socket.on('data', (bytes: Buffer) => {
      const turn = conversation.take(bytes);
      if (typeof turn === 'object') {
        pauseMs = Math.max(pauseMs, decidedMs);
        say(turn.write);
      } else if (turn !== 'waiting') settle(turn);
    });
    socket.on('error', () => {});
    socket.once('close', () => settle(end));
  });
}

/** Half a close: QEMU reads all that was written before it sees the end, and only then forgets us. */
export function leave(socket: Socket): void {
  socket.removeAllListeners('data');
  socket.resume();
  socket.end();
  const timer = setTimeout(() => socket.destroy(), closeMs);
  socket.once('close', () => clearTimeout(timer));
}
