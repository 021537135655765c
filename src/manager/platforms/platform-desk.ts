// All remote platforms of this manager: each is read at its pace, its VMs are kept in the store, and what is in force through it is
// held. Opening one asks nothing of its server; the first reading does, behind the manager's back.
import { causeOf, sayProblem } from '../../kit/problem.ts';
import { ok, type Result } from '../../kit/result.ts';
import type { PlatformHealth, PlatformKind } from '../../model/platform.ts';
import type { PlatformInventory } from '../../connectors/enforcement/platform.ts';
import type { Desk } from '../desk.ts';
import { raiseGuard } from '../ingest/guard-events.ts';
import { change } from '../audit/change.ts';
import { platformMeasures } from '../store/platform-measures.ts';
import { askPlatform } from './ask-platform.ts';
import { followPlatform } from './follow-platform.ts';
import type { OpenPlatform } from './open-platforms.ts';
import { pacedWork } from './paced-work.ts';
import { PlatformMeasures } from './platform-measures.ts';
import { type PlatformPace, watchPlatform } from './platform-watch.ts';
import { forgetPlatforms, takePlatformVms } from './take-platform-vms.ts';

/** One platform, to be acted through. */
export interface PlatformHand extends OpenPlatform {
  readonly measures: PlatformMeasures;
  health(): PlatformHealth;
  /** Something was done there. */
  readSoon(): void;
}

export interface PlatformDesk {
  /** In the order of the configuration. */
  hands(): readonly PlatformHand[];
  find(name: string): PlatformHand | null;
}

export const noPlatforms: PlatformDesk = { hands: () => [], find: () => null };

export interface RunningPlatforms extends PlatformDesk {
  close(): Promise<void>;
}

type PlatformsDesk = Omit<Desk, 'platforms'>;

const closingMsMax = 2000;

export async function startPlatforms(
  desk: PlatformsDesk,
  opened: readonly OpenPlatform[],
  pace: PlatformPace,
  changed: () => void,
): Promise<Result<RunningPlatforms>> {
  const kinds = new Map(opened.map(({ name, platform }) => [name, platform.kind]));
  const forgotten = await forgetPlatforms(desk, kinds);
  if (!forgotten.ok) return forgotten;
  await tellUnheld(desk, kinds);
  const running = opened.map((one) => startOne(desk, one, kinds, pace, changed));
  const hands = running.map(({ hand }) => hand);
  return ok({
    hands: () => hands,
    find: (name) => hands.find((hand) => hand.name === name) ?? null,
    close: async () => void (await Promise.all(running.map(async (one) => await one.close()))),
  });
}

interface RunningOne {
  readonly hand: PlatformHand;
  close(): Promise<void>;
}

function startOne(
  desk: PlatformsDesk,
  opened: OpenPlatform,
  kinds: ReadonlyMap<string, PlatformKind>,
  pace: PlatformPace,
  changed: () => void,
): RunningOne {
  const { name, platform } = opened;
  const { clock, log } = desk;
  const measures = new PlatformMeasures(opened, desk);
  const watch = watchPlatform(opened, {
    clock,
    log,
    pace,
    take: async (inventory) => {
      const taken = await takePlatformVms(desk, name, kinds, inventory);
      // There may be a card that was not there before.
      holding.nudge();
      return taken;
    },
    sample: async (inventory) => await sampleOf(opened, inventory),
    changed: () => {
      changed();
      const isReachable = watch.health().state === 'reachable';
      following.turn(isReachable);
      if (isReachable) holding.soon(0);
    },
  });
  const hold = async (): Promise<number> => {
    try {
      if (watch.health().state === 'reachable') await measures.hold();
    } catch (thrown) {
      log.error('measures could not be read back', { why: causeOf(thrown) });
    }
    return pace.holdMs;
  };
  const holding = pacedWork(hold, clock, pace.holdMs);
  const following = followPlatform(opened, {
    clock,
    log,
    changed: () => {
      watch.readChanged();
      // A link that was put up by hand does not wait until thousands of VMs are read.
      holding.nudge();
    },
  });
  const hand: PlatformHand = {
    ...opened,
    measures,
    health: () => ({ ...watch.health(), changes: following.health(), measures: measures.counts() }),
    readSoon: () => watch.readSoon(),
  };
  return {
    hand,
    async close() {
      const ended = [holding.close(), following.close()];
      await watch.close();
      // A server that hangs is left to its own time limits.
      await Promise.race([Promise.all([...ended, platform.close()]), patience()]);
    },
  };
}

async function patience(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, closingMsMax).unref());
}

/** A VM that has a card, so that the network is asked about as well. */
async function sampleOf({ platform }: OpenPlatform, { vms }: PlatformInventory) {
  const vm = vms.find(({ state, cards }) => state === 'running' && cards.length > 0) ?? vms[0];
  if (vm === undefined) return null;
  const abilities = await askPlatform(platform, vm);
  return abilities === null ? null : { of: vm.name.slice(0, 4096), abilities };
}

/** What is to be in force through a platform that was taken out of the configuration is held by nobody. */
async function tellUnheld(desk: PlatformsDesk, kinds: ReadonlyMap<string, PlatformKind>): Promise<void> {
  const wanted = await desk.store.read(async (db) => await platformMeasures(db));
  for (const { vm, key, platform, measure } of wanted.ok ? wanted.value : []) {
    if (kinds.has(platform)) continue;
    const told = await change(
      desk,
      { by: 'manager', verb: 'measure.hold', subject: key, silent: true },
      async (turn) => {
        const detail = `${measure.kind} ${key} is to be in force through platform ${platform}, which is not configured any more`;
        const subject = `${measure.kind} ${key}`.slice(0, 256);
        await raiseGuard(desk, turn, { vm, at: turn.at, what: 'refusal-failed', subject, detail });
        return ok(null);
      },
    );
    if (!told.ok) desk.log.error('an alarm could not be raised', { why: sayProblem(told.error) });
  }
}
