// Opens the connection to a gdb stub that a tracer will speak on.
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { causeOf, problem } from '../../../kit/problem.ts';
import { fail, ok } from '../../../kit/result.ts';
import type { Result } from '../../../kit/result.ts';
import { encodePacket } from '../../../protocols/gdb/packet.ts';

export interface OpenedStub {
  readonly connection: Socket;
  /** QEMU up to 8.0 tells of the stop that connecting causes; a later one does not, and this is false. */
  readonly ranBefore: boolean;
}

const acceptMs = 3_000;

/**
 * Connects to the stub and shows that QEMU serves us and nobody else; not a byte beyond that answer is read. When it serves somebody
 * else, `onLeftInQueue` tells of a connection that has to outlive them: this process may not end before.
 */
export function openStub(
  socketPath: string,
  onLeftInQueue: (served: Promise<void>) => void,
): Promise<Result<OpenedStub>> {
  return new Promise((resolve) => {
    let heard = '';
    let accepted = false;
    const settle = (result: Result<OpenedStub>): void => {
      clearTimeout(timer);
      resolve(result);
    };
    const onread = {
      buffer: Buffer.alloc(4096),
      // False stops the reading at once: what follows belongs to the tracer.
      callback: (size: number, buffer: Uint8Array): boolean => {
        if (accepted) return true;
        heard = (heard + Buffer.from(buffer.subarray(0, size)).toString('latin1')).slice(-4096);
        if (!/\$T05[^#]*#[0-9a-f]{2}/.test(heard)) return true;
        accepted = true;
        settle(ok({ connection: socket, ranBefore: /\$T02/.test(heard) }));
        return false;
      },
    };
    const socket = connect({ path: socketPath, onread });
    const timer = setTimeout(() => {
      // QEMU will stop the guest when it accepts this connection one day: that it is let run again lies in it already, and is
      // read if the connection is still there.
      accepted = true;
      onLeftInQueue(new Promise((served) => socket.once('close', () => served())));
      socket.write(`\x03#00${encodePacket('D')}`, 'latin1');
      socket.end();
      const message = `The gdb stub at ${socketPath} is in use by someone else, or QEMU is too busy: it did not answer.`;
      settle(fail(problem('refused', message, 'Let the other debugger leave, then try again.')));
    }, acceptMs);
    socket.on('error', (error) => {
      settle(fail(problem('failed', `Could not connect to the gdb stub at ${socketPath}: ${causeOf(error)}.`)));
    });
    socket.once('close', () => settle(fail(problem('failed', `QEMU closed the gdb stub at ${socketPath}.`))));
    socket.once('connect', () => socket.write(encodePacket('?')));
  });
}
