// The least a trace can cost a guest: the same stop points, and at each stop the order to go on and nothing else. What is left is QEMU's own
// cost of stopping and the wire's. Nobody guards it: for the lab's guests only.
import { observingHooks } from '../src/introspection/trace/hooks/observing-hooks.ts';
import { chooseHooks, insertion } from '../src/introspection/trace/point-set.ts';
import { ProcessReader } from '../src/introspection/trace/process-facts.ts';
import type { TracedKind } from '../src/introspection/trace/trace-event.ts';
import { openTarget } from '../src/introspection/trace/trace-target.ts';
import type { TraceTarget } from '../src/introspection/trace/trace-target.ts';
import { problem } from '../src/kit/problem.ts';
import { fail, ok } from '../src/kit/result.ts';
import type { Result } from '../src/kit/result.ts';
import { openGdb } from '../src/protocols/gdb/gdb-client.ts';
import type { GdbClient } from '../src/protocols/gdb/gdb-client.ts';

export class BareStops {
  readonly #client: GdbClient;
  #stops = 0;

  constructor(client: GdbClient) {
    this.#client = client;
    client.onStop(() => {
      this.#stops += 1;
      client.resume();
    });
    client.resume();
  }

  get stops(): number {
    return this.#stops;
  }

  async close(): Promise<Result<void>> {
    const stopped = this.#client.nextStop(1_000);
    this.#client.interrupt();
    await stopped;
    const left = await this.#client.ask(['D']);
    this.#client.destroy();
    return left.ok ? ok(undefined) : left;
  }
}

/** Stops where a trace of these kinds would stop. */
export async function openBareStops(target: TraceTarget, kinds: ReadonlySet<TracedKind>): Promise<Result<BareStops>> {
  const opened = openTarget(target, false);
  if (!opened.ok) return opened;
  const { space } = opened.value;
  const context = { space, processes: new ProcessReader(space), technique: 'data', kinds } as const;
  const { points } = chooseHooks(observingHooks(context, kinds).map(({ hook }) => hook));
  const gdb = await openGdb(target.socketPath);
  opened.value.close();
  if (!gdb.ok) return gdb;
  const { client } = gdb.value;
  const set = await client.ask(points.map((point) => insertion(point)));
  if (set.ok && set.value.every((answer) => answer === 'OK')) return ok(new BareStops(client));
  await client.ask(['D']);
  client.destroy();
  return set.ok ? fail(problem('failed', 'QEMU did not set the stop points.')) : set;
}
