// A manager in a directory of its own, on any free port, with a client to it: what tests and benches of the manager begin with.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../kit/log.ts';
import type { Clock } from '../kit/clock.ts';
import type { Result } from '../kit/result.ts';
import type { Configuration } from './configuration.ts';
import { startManager, type Manager, type ManagerSettings } from './main.ts';

export interface Trial {
  readonly stateDir: string;
  readonly manager: Manager;
  /** Closes the manager and starts another on the same state. */
  restart(): Promise<Manager>;
  /** Closes the manager and removes its directory. */
  end(): Promise<void>;
}

/** What a trial may set apart from the configuration. */
type Parts = Partial<Pick<ManagerSettings, 'platformPace' | 'platformTable'>>;

export async function startTrial(configuration: Configuration = {}, parts: Parts = {}): Promise<Trial> {
  const stateDir = mkdtempSync(join(tmpdir(), 'plumbline-trial-'));
  let manager = must(await startOn(stateDir, configuration, parts));
  return {
    stateDir,
    get manager() {
      return manager;
    },
    async restart() {
      await manager.close();
      manager = must(await startOn(stateDir, configuration, parts));
      return manager;
    },
    async end() {
      await manager.close();
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}

export async function startOn(
  stateDir: string,
  configuration: Configuration = {},
  parts: Parts = {},
): Promise<Result<Manager>> {
  return await startManager({
    ...parts,
    stateDir,
    configuration: { ...configuration, api: { port: 0 } },
    version: '0.0.0-trial',
    clock: systemClock,
    log: silentLog,
  });
}

const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

/** The value, where a Problem would be a fault of the trial itself. */
export function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

/** Asks again until it holds; throws after five seconds, saying what did not come true. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 5000; Date.now() < deadline;) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`did not come true: ${what}`);
}
