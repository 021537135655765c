// What every verb of the manager has at hand. Made once by main and handed in; nothing here is global.
import type { Clock } from '../kit/clock.ts';
import type { Log } from '../kit/log.ts';
import type { AbilityBook } from './broker/ability-book.ts';
import type { CallBook } from './broker/call-book.ts';
import type { Announcements } from './announcements.ts';
import type { Losses } from './losses.ts';
import type { PlatformDesk } from './platforms/platform-desk.ts';
import type { AttachedSentinels } from './sentinels.ts';
import type { Seals } from './signing/seals.ts';
import type { Store } from './store/store.ts';

export interface Desk {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly seals: Seals;
  readonly announcements: Announcements;
  readonly sentinels: AttachedSentinels;
  readonly losses: Losses;
  readonly abilities: AbilityBook;
  readonly calls: CallBook;
  readonly platforms: PlatformDesk;
  /** Directory of what platforms captured and handed over, one for each below it. */
  readonly platformFiles: string;
  /** Aborts when the manager is being closed: what waits for somebody else gives up. */
  readonly closing: AbortSignal;
  /** A name for something new that nobody can guess and nothing else has. */
  newId(): string;
}
