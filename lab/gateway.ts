// The lab's side of its gateway process: starts it in a network namespace of its own and asks it for things.
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { problem } from '../src/kit/problem.ts';
import { fail, ok, type Result } from '../src/kit/result.ts';
import type { GatewayCall, GatewayCalls, Reply } from './gateway/protocol.ts';

export interface Gateway {
  /** Its network namespace is the lab's: `/proc/PID/ns/net`. */
  readonly pid: number;
  ask<C extends GatewayCall>(call: C, ask: GatewayCalls[C]['ask']): Promise<Result<GatewayCalls[C]['answer']>>;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  /** Directory for an Open vSwitch of the lab's own, which then is the bridge; the kernel's own bridge otherwise. */
  readonly ovsDirectory?: string;
}

const startPatienceMs = 20_000;

/** Needs root: a namespace with a bridge and taps. Ends with this process, however that ends. */
export async function startGateway(options: GatewayOptions = {}): Promise<Result<Gateway>> {
  if (process.getuid?.() !== 0) {
    return fail(
      problem(
        'refused',
        "The lab's network needs root.",
        'Run it as root, or use plain guests, which need no network.',
      ),
    );
  }
  const program = join(import.meta.dirname, 'gateway/main.ts');
  const own = options.ovsDirectory === undefined ? [] : [options.ovsDirectory];
  const argv = ['--pdeathsig', 'KILL', 'unshare', '--net', process.execPath, program, ...own];
  const child = spawn('setpriv', argv, { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
  let complaint = '';
  child.stderr?.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-1000)));
  const waiting = new Map<number, (reply: Reply) => void>();
  child.on('message', (message) => {
    const reply = message as Reply;
    waiting.get(reply.id)?.(reply);
    waiting.delete(reply.id);
  });
  child.once('exit', () => {
    for (const [id, settle] of waiting) settle({ id, error: complaint.trim() || 'the gateway ended' });
    waiting.clear();
  });
  const ready = await new Promise<Reply>((resolve) => {
    waiting.set(0, resolve);
    child.once('error', (thrown) => resolve({ id: 0, error: thrown.message }));
    setTimeout(() => resolve({ id: 0, error: 'it did not get ready in time' }), startPatienceMs).unref();
  });
  if ('error' in ready || child.pid === undefined) {
    child.kill('SIGKILL');
    return fail(
      problem('failed', `The lab's gateway did not start: ${'error' in ready ? ready.error : 'no process'}.`),
    );
  }
  return ok(gatewayOver(child, child.pid, waiting));
}

function gatewayOver(child: ChildProcess, pid: number, waiting: Map<number, (reply: Reply) => void>): Gateway {
  let lastId = 0;
  const gone = (): boolean => child.exitCode !== null || child.signalCode !== null;
  return {
    pid,
    async ask(call, ask) {
      if (gone()) return fail(problem('failed', 'The gateway of the lab has ended.'));
      const id = (lastId += 1);
      const reply = await new Promise<Reply>((resolve) => {
        waiting.set(id, resolve);
        child.send({ id, call, ask });
      });
      if ('error' in reply) return fail(problem('failed', `The lab's gateway could not do "${call}": ${reply.error}.`));
      return ok(reply.answer as GatewayCalls[typeof call]['answer']);
    },
    async stop() {
      if (gone()) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    },
  };
}
