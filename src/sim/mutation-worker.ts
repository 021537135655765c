// The worker thread of the mutation test: tries one broken guest after another and says in shared memory which one it is at, so that
// whoever started it can tell a hang, which a worker cannot, and end it.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { mutationsOf, tryMutation } from './mutated-guest.ts';
import type { TrialGuest } from './mutated-guest.ts';

export interface TrialOrder {
  readonly guests: readonly TrialGuest[];
  readonly profileDirectory: string;
  readonly seed: number;
  /** Numbers of the first try and of the one past the last. */
  readonly from: number;
  readonly to: number;
  /** One 32-bit number: the try that runs now. */
  readonly progress: SharedArrayBuffer;
}

export interface FailedTrial {
  readonly number: number;
  readonly faults: readonly string[];
  readonly mutations: readonly string[];
}

export interface TrialTally {
  readonly tried: number;
  /** Tries whose broken guest could still be attached to. */
  readonly attached: number;
  readonly failed: readonly FailedTrial[];
  /** Of every answer of every try, in order. */
  readonly digest: string;
  readonly readsMost: number;
  readonly slowestMs: number;
  /** Bytes that stayed in use from the end of the first tenth of the tries to the end of the last. */
  readonly heapGrowthBytes: number;
}

const failuresTold = 20;

// A worker cannot be started with this flag, but a new context is made by it.
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function work(order: TrialOrder): TrialTally {
  const { guests, profileDirectory, seed, from, to } = order;
  const progress = new Int32Array(order.progress);
  const failed: FailedTrial[] = [];
  const digests: string[] = [];
  const warm = from + Math.ceil((to - from) / 10);
  let [attached, readsMost, slowestMs, heapBefore] = [0, 0, 0, 0];
  for (let number = from; number < to; number += 1) {
    Atomics.store(progress, 0, number);
    const startedAt = performance.now();
    try {
      const trial = tryMutation(guests, seed, number, profileDirectory);
      if (trial.attached) attached += 1;
      readsMost = Math.max(readsMost, trial.reads);
      digests.push(trial.digest.slice(0, 16));
      if (trial.faults.length > 0)
        failed.push({ number, faults: trial.faults.slice(0, 10), mutations: said(trial.mutations) });
    } catch (thrown) {
      const stack = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      failed.push({ number, faults: [stack], mutations: said(mutationsOf(guests, seed, number)) });
    }
    slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    if (number === warm) heapBefore = bytesInUse();
    if (failed.length >= failuresTold) break;
  }
  const tried = Atomics.load(progress, 0) - from + 1;
  const heapGrowthBytes = bytesInUse() - heapBefore;
  return { tried, attached, failed, digest: digests.join(), readsMost, slowestMs, heapGrowthBytes };
}

function said(mutations: readonly { readonly kind: string; readonly detail: string }[]): readonly string[] {
  return mutations.map(({ kind, detail }) => `${kind}: ${detail.slice(0, 200)}`);
}

function bytesInUse(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- the port of a worker, not a window's
if (!isMainThread) parentPort?.postMessage(work(workerData as TrialOrder));
