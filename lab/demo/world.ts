// The shop, Plumbline watching it, and a client of its API: everything the story needs, opened and closed together.
import { sayProblem } from '../../src/kit/problem.ts';
import type { Result } from '../../src/kit/result.ts';
import { connect, type Client } from '../../src/client/connect.ts';
import { readConnection } from '../../src/client/state-directory.ts';
import type { VmView } from '../../src/model/vm-view.ts';
import { makeProduct, type Product, type RunningUp } from '../product.ts';
import { openThreeTierLab, type ThreeTierLab } from '../three-tier.ts';
import { tiers } from '../tier-disk.ts';

export interface DemoWorld {
  readonly lab: ThreeTierLab;
  readonly product: Product;
  readonly up: RunningUp;
  readonly client: Client;
  /** Address of the console with its token. */
  readonly consoleLink: string;
  close(): Promise<void>;
}

/** A story cannot go on over a Problem: it ends with its words. */
export class StoryBroke extends Error {}

export function must<T>(result: Result<T>): T {
  if (!result.ok) throw new StoryBroke(sayProblem(result.error));
  return result.value;
}

const attachPatienceMs = 60_000;

/** Boots the shop, starts `plumbline up` beside it and waits until every VM can be seen into. */
export async function openWorld(say: (line: string) => void, signal: AbortSignal): Promise<DemoWorld> {
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer();
  };
  try {
    say('Booting the shop: three virtual machines of Debian parts (first time: packages are fetched and built).');
    const lab = must(await openThreeTierLab({ prefix: 'shop-', say }));
    closers.push(() => lab.stop());
    signal.throwIfAborted();
    const product = await makeProduct();
    closers.push(() => product.remove());
    const up = await product.up();
    closers.push(() => up.stop());
    const connection = must(await readConnection(product.stateDir));
    const client = connect({ ...connection, by: 'demo' });
    return { lab, product, up, client, consoleLink: `${connection.address}/?token=${connection.token}`, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** Waits until Plumbline sees into every VM of the shop, and says what it sees; after a minute, what it has got so far. */
export async function waitUntilSeen({ client, lab }: DemoWorld, signal: AbortSignal): Promise<readonly VmView[]> {
  const wanted = tiers.map((tier) => lab.guests[tier].uuid);
  const deadline = performance.now() + attachPatienceMs;
  for (;;) {
    const vms = must(await client.listVms({})).filter((vm) => wanted.includes(vm.id));
    const isSeen = vms.length === wanted.length && vms.every((vm) => vm.attachMs !== null && vm.processes !== null);
    if (isSeen || performance.now() > deadline) return vms;
    await pause(200, signal);
  }
}

/** Waits, and ends at once when the story is interrupted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(done, ms);
    const interrupted = (): void => {
      clearTimeout(timer);
      reject(signal.reason instanceof Error ? signal.reason : new StoryBroke('interrupted'));
    };
    function done(): void {
      signal.removeEventListener('abort', interrupted);
      resolve();
    }
    if (signal.aborted) interrupted();
    else signal.addEventListener('abort', interrupted, { once: true });
  });
}
