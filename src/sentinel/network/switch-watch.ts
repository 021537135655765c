// Tells at once when Open vSwitch has changed under its measures: a port plugged in anew, or its daemon started anew, which has then
// forgotten every flow. Such a daemon is made to wait until it has been told. Looked for every few seconds while there is none.
import { existsSync, type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { hasBridges, holdSwitch, letSwitchGo } from '../../connectors/enforcement/openvswitch/switch-hold.ts';
import { sayProblem } from '../../kit/problem.ts';
import type { Log } from '../../kit/log.ts';
import { openOvsdb, type OvsdbClient } from '../../protocols/ovsdb/ovsdb-client.ts';
import { attendSwitchDaemon, type SwitchDaemon } from '../../protocols/ovsdb/switch-daemon.ts';

export interface SwitchWatchEvents {
  /** Brings into force what is missing. Called more often than anything has changed. */
  readonly changed: () => Promise<void>;
  /** Whether anything is in force there that a daemon would have forgotten. */
  readonly isNeeded: () => boolean;
  readonly log: Log;
  /** How long a switch whose daemon is gone stays made to wait for it; default 60 000 ms. */
  readonly awaitedMs?: number;
}

const askEveryMs = 50;
const askLateEveryMs = 5000;
/** A switch that is not there again by then is not made to wait: should we end meanwhile, nobody would let it go. */
const usuallyAwaitedMs = 60_000;

export class SwitchWatch {
  readonly #database: string;
  readonly #events: SwitchWatchEvents;
  #client: OvsdbClient | null = null;
  #daemon: SwitchDaemon | null = null;
  #sockets: FSWatcher | null = null;
  #opening = false;
  #closed = false;
  /** Whether the next daemon may find our wish that it wait. */
  #waits = false;

  constructor(database: string, events: SwitchWatchEvents) {
    this.#database = database;
    this.#events = events;
  }

  /** Begins to listen when there is a switch and nobody listens yet. */
  async attend(): Promise<void> {
    if (this.#opening || this.#closed || this.#client !== null || !existsSync(this.#database)) return;
    this.#opening = true;
    const client = await openOvsdb(this.#database);
    this.#opening = false;
    if (!client.ok) return;
    if (this.#closed) return client.value.close();
    this.#client = client.value;
    void client.value.closed.then(() => this.#lost());
    const columns = { Interface: ['name', 'ofport'], Bridge: ['name', 'ports'] };
    const heard = await client.value.monitor(columns, () => void this.#events.changed());
    if (!heard.ok) return client.value.close();
    this.#watchSockets();
    void this.#follow(client.value);
  }

  /** A switch that was made to wait is let go first: nobody would do it afterwards. */
  async close(): Promise<void> {
    this.#closed = true;
    const client = this.#client;
    this.#lost();
    if (client === null) return;
    if (this.#waits) await this.#letGo(client);
    client.close();
  }

  /** From daemon to daemon, for as long as the database is the same. */
  async #follow(client: OvsdbClient): Promise<void> {
    while (this.#client === client) {
      const daemon = await this.#awaited(client);
      if (daemon === null) return;
      await this.#events.changed();
      // Also the one that a sentinel made wait which has ended since.
      await this.#letGo(client);
      this.#daemon = daemon;
      if (this.#client !== client) daemon.leave();
      await daemon.ended;
      if (this.#client === client && this.#events.isNeeded()) await this.#hold(client);
    }
  }

  async #hold(client: OvsdbClient): Promise<void> {
    this.#waits = true;
    const held = await holdSwitch(client);
    const { log } = this.#events;
    if (held.ok) log.warn('Open vSwitch has ended; the next is made to wait until measures are in force again');
    else log.error('Open vSwitch has ended and cannot be made to wait', { why: sayProblem(held.error) });
  }

  async #letGo(client: OvsdbClient): Promise<void> {
    const gone = await letSwitchGo(client);
    const { log } = this.#events;
    if (!gone.ok) log.error('Open vSwitch cannot be let go', { why: sayProblem(gone.error) });
    else if (this.#waits) log.info('Open vSwitch is let go');
    this.#waits = !gone.ok;
  }

  /** The daemon, once it can be told flows; null = the database is another, or gone. */
  async #awaited(client: OvsdbClient): Promise<SwitchDaemon | null> {
    const { awaitedMs = usuallyAwaitedMs } = this.#events;
    let isLate = false;
    for (const sinceMs = performance.now(); this.#client === client;) {
      const daemon = await attendSwitchDaemon(this.#database);
      if (daemon !== null && (await hasBridges(this.#database))) return daemon;
      daemon?.leave();
      if (!isLate && performance.now() - sinceMs > awaitedMs) {
        isLate = true;
        await this.#letGo(client);
      }
      await wait(isLate ? askLateEveryMs : askEveryMs);
    }
    return null;
  }

  /** The daemon makes a socket of each bridge anew when it can be told flows again. */
  #watchSockets(): void {
    try {
      this.#sockets = watch(dirname(this.#database), (_, name) => {
        if (name?.endsWith('.mgmt') === true) void this.#events.changed();
      });
      this.#sockets.on('error', () => this.#sockets?.close());
    } catch {
      // Then the next round finds out, some seconds later.
      this.#sockets = null;
    }
  }

  #lost(): void {
    this.#client = null;
    this.#daemon?.leave();
    this.#daemon = null;
    this.#sockets?.close();
    this.#sockets = null;
  }
}
