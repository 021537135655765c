// Lets a guest go from its gdb stub over a connection of its own: connects, speaks, tries again while QEMU lives.
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { problem } from '../../../kit/problem.ts';
import { fail, ok } from '../../../kit/result.ts';
import type { Result } from '../../../kit/result.ts';
import { DetachConversation } from './detach-conversation.ts';
import type { Freed } from './detach-conversation.ts';

export interface LetGoOptions {
  /** Packets that take the stop points out of a guest that is to stay paused; null = let it run. */
  readonly removals: readonly string[] | null;
  readonly patienceMs: number;
  /** False once there is no guest to free any more. */
  readonly qemuLives: () => boolean;
}

const reconnectMs = 30;
const againFirstMs = 150;
const againMaxMs = 2_000;
const closeMs = 500;

/**
 * Frees the guest whose stub listens at `socketPath`; nobody else may be connected to it, or it waits for them to leave.
 * A connection is never given up for a new one: QEMU stops the guest when it accepts one, also one that was left long ago.
 */
export async function letGo(socketPath: string, options: LetGoOptions): Promise<Result<Freed | 'qemu-gone'>> {
  const deadline = performance.now() + options.patienceMs;
  for (;;) {
    const freed = await speak(socketPath, options.removals, deadline);
    if (freed !== null) return ok(freed);
    if (!options.qemuLives()) return ok('qemu-gone');
    if (performance.now() >= deadline) {
      const message = `The gdb stub at ${socketPath} did not let its guest go within ${Math.round(options.patienceMs / 1000)} s.`;
      return fail(
        problem('failed', message, 'Ask for the state of the VM; `cont` on its monitor lets it run to the next stop.'),
      );
    }
    await wait(reconnectMs);
  }
}

/** One connection; null when it could not be had, was closed, or time is up. */
function speak(socketPath: string, removals: readonly string[] | null, deadline: number): Promise<Freed | null> {
  return new Promise((resolve) => {
    const conversation = new DetachConversation(removals);
    const socket = connect(socketPath);
    let pauseMs = againFirstMs;
    let timer: NodeJS.Timeout | undefined;
    const settle = (freed: Freed | null): void => {
      clearTimeout(timer);
      leave(socket);
      resolve(freed);
    };
    const say = (text: string): void => {
      socket.write(text, 'latin1');
      clearTimeout(timer);
      const leftMs = deadline - performance.now();
      timer = setTimeout(
        () => (leftMs <= pauseMs ? settle(null) : say(conversation.attempt())),
        Math.min(pauseMs, Math.max(leftMs, 0)),
      );
      pauseMs = Math.min(pauseMs * 2, againMaxMs);
    };
    socket.once('connect', () => say(conversation.attempt()));
    socket.on('data', (bytes: Buffer) => {
      const turn = conversation.take(bytes);
      if (typeof turn === 'object') say(turn.write);
      else if (turn !== 'waiting') settle(turn);
    });
    socket.on('error', () => {});
    socket.once('close', () => settle(null));
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
