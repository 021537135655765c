// Keeps an eye on one platform: reads its inventory at a steady pace, one reading at a time, and knows whether it answers.
// What is not answered changes nothing but that: the VMs stay what they were when it last spoke.
import { isoTime, type Clock } from '../../kit/clock.ts';
import type { Log } from '../../kit/log.ts';
import { causeOf, problem, sayProblem } from '../../kit/problem.ts';
import { fail, type Result } from '../../kit/result.ts';
import type { Ability } from '../../model/plan.ts';
import type { PlatformHealth } from '../../model/platform.ts';
import type { PlatformInventory } from '../../connectors/enforcement/platform.ts';
import type { OpenPlatform } from './open-platforms.ts';
import { pacedWork } from './paced-work.ts';
import type { Taken } from './take-platform-vms.ts';

export interface PlatformPace {
  /** From the end of one reading to the beginning of the next. */
  readonly readMs: number;
  /** The same while it does not answer. */
  readonly awayMs: number;
  /** How often measures are read back. */
  readonly holdMs: number;
}

/** A reading of thousands of VMs takes a vCenter seconds; what was acted on is read at once by whoever acted. */
export const paceDefault: PlatformPace = { readMs: 60_000, awayMs: 20_000, holdMs: 15_000 };

export interface WatchParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly pace: PlatformPace;
  readonly take: (inventory: PlatformInventory) => Promise<Result<Taken>>;
  /** What can be done to one of its VMs; null = it has none to ask about. */
  readonly sample: (inventory: PlatformInventory) => Promise<{ of: string; abilities: readonly Ability[] } | null>;
  /** It came, or went away. */
  readonly changed: () => void;
}

export type WatchHealth = Omit<PlatformHealth, 'measures' | 'changes'>;

export interface PlatformWatch {
  health(): WatchHealth;
  /** Something was done there: the next reading is not waited for so long. */
  readSoon(): void;
  /** Something changed there by another hand, or may have: it is read at once, as often as is bearable. */
  readChanged(): void;
  /** Resolves when the reading under way has ended or was given up. */
  close(): Promise<void>;
}

const readingMsMax = 300_000;
/** So long after something was done it is read again; several acts at once are one reading. */
const soonMs = 3000;
const gapsMax = 64;

export function watchPlatform({ name, platform }: OpenPlatform, parts: WatchParts): PlatformWatch {
  const { clock, log, pace } = parts;
  const closing = new AbortController();
  let health: WatchHealth = {
    name,
    kind: platform.kind,
    place: platform.place,
    state: 'unasked',
    since: isoTime(clock.now()),
    why: null,
    lastReadAt: null,
    vms: 0,
    isCut: false,
    gaps: [],
    abilities: [],
    abilitiesOf: null,
  };
  /** One that never answered is not asked again while it may still answer. */
  let asked: Promise<Result<PlatformInventory>> | null = null;

  async function read(): Promise<void> {
    asked ??= platform.listVms().finally(() => (asked = null));
    const listed = await withinTime(asked, closing.signal, name);
    if (closing.signal.aborted) return;
    const taken = listed.ok ? await parts.take(listed.value) : listed;
    if (!listed.ok || !taken.ok) return turn('away', sayProblem(taken.ok ? noTrouble : taken.error));
    const sampled = await parts.sample(listed.value);
    health = {
      ...health,
      lastReadAt: isoTime(clock.now()),
      vms: taken.value.vms,
      isCut: listed.value.isCut,
      gaps: [...taken.value.gaps, ...listed.value.gaps].slice(0, gapsMax).map((gap) => gap.slice(0, 2000)),
      abilities: [...(sampled?.abilities ?? [])],
      abilitiesOf: sampled?.of ?? null,
    };
    turn('reachable', null);
  }

  function turn(state: 'reachable' | 'away', why: string | null): void {
    const isNews = health.state !== state;
    health = {
      ...health,
      why: why?.slice(0, 2000) ?? null,
      state,
      since: isNews ? isoTime(clock.now()) : health.since,
    };
    if (!isNews) return;
    if (state === 'away') log.warn('platform does not answer', { platform: name, why: why ?? '' });
    else log.info('platform answers', { platform: name, vms: health.vms });
    parts.changed();
  }

  /** When it is to be read again. */
  async function readOnce(): Promise<number> {
    try {
      await read();
    } catch (thrown) {
      turn('away', `Its answer could not be taken: ${causeOf(thrown)}`);
    }
    return health.state === 'reachable' ? pace.readMs : pace.awayMs;
  }

  // Not before whoever watches has everything in place.
  const reading = pacedWork(readOnce, clock, 0);
  return {
    health: () => health,
    readSoon: () => reading.soon(soonMs),
    readChanged: () => reading.nudge(),
    async close() {
      closing.abort();
      await reading.close();
    },
  };
}

const noTrouble = problem('failed', 'It answered.');

async function withinTime<T>(asked: Promise<Result<T>>, closing: AbortSignal, name: string): Promise<Result<T>> {
  const late = Promise.withResolvers<Result<T>>();
  const giveUp = () => late.resolve(fail(problem('interrupted', `Platform ${name} did not finish its answer.`)));
  const timer = setTimeout(giveUp, readingMsMax);
  closing.addEventListener('abort', giveUp);
  try {
    return await Promise.race([asked, late.promise]);
  } finally {
    clearTimeout(timer);
    closing.removeEventListener('abort', giveUp);
  }
}
