// Tells at once when Open vSwitch has changed under its measures: a port plugged in anew, or its daemon started anew, which has then
// forgotten every flow. Looked for every few seconds while there is none.
import { existsSync, type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import { openOvsdb, type OvsdbClient } from '../../protocols/ovsdb/ovsdb-client.ts';

export class SwitchWatch {
  readonly #database: string;
  readonly #changed: () => void;
  #client: OvsdbClient | null = null;
  #sockets: FSWatcher | null = null;
  #opening = false;
  #closed = false;

  /** `changed` may be called more often than anything has changed. */
  constructor(database: string, changed: () => void) {
    this.#database = database;
    this.#changed = changed;
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
    const heard = await client.value.monitor(
      { Interface: ['name', 'ofport'], Bridge: ['name', 'ports'] },
      this.#changed,
    );
    if (!heard.ok) return client.value.close();
    this.#watchSockets();
  }

  close(): void {
    this.#closed = true;
    this.#client?.close();
    this.#lost();
  }

  /** The daemon makes a socket of each bridge anew when it can be told flows again. */
  #watchSockets(): void {
    try {
      this.#sockets = watch(dirname(this.#database), (_, name) => {
        if (name?.endsWith('.mgmt') === true) this.#changed();
      });
      this.#sockets.on('error', () => this.#sockets?.close());
    } catch {
      // Then the next round finds out, some seconds later.
      this.#sockets = null;
    }
  }

  #lost(): void {
    this.#client = null;
    this.#sockets?.close();
    this.#sockets = null;
  }
}
