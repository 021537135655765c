// NSX as a platform: an NSX manager whose VMs are listed and, by its distributed firewall, cut off from their networks or from one
// peer, each time read back from what NSX has realised. It has no say over the VMs themselves.
import type { Clock } from '../../../kit/clock.ts';
import { RecentMap } from '../../../kit/recent-map.ts';
import { ok, type Result } from '../../../kit/result.ts';
import { nsxClient } from '../../../protocols/nsx/nsx-client.ts';
import type { NetworkEnforcer } from '../network-enforcer.ts';
import type { Platform } from '../platform.ts';
import { type Pace, verifiedNetworkEnforcer } from '../verified-measure.ts';
import { listNsxVms } from './inventory.ts';
import { nsxFirewall } from './nsx-firewall.ts';
import { objectsOf } from './object-names.ts';

export interface NsxPlatformSettings {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly fingerprint: string | null;
  readonly clock: Clock;
  readonly sleep: (ms: number) => Promise<void>;
  /** `session` unless given: `basic` where the manager's sessions are switched off. */
  readonly auth?: 'session' | 'basic';
  /** For each question; 20 s unless given. */
  readonly timeoutMs?: number;
  /** How long NSX may take to realise what was ordered; 30 s unless given. */
  readonly pace?: Pace;
}

const bodyBytesMax = 32 * 1024 * 1024;
const usualPace: Pace = { deadlineMs: 30_000, readEveryMs: 500 };
const enforcersMax = 20_000;

export function nsxPlatform(settings: NsxPlatformSettings): Result<Platform> {
  const { clock, sleep, auth = 'session', timeoutMs = 20_000, pace = usualPace } = settings;
  const opened = nsxClient({ ...settings, auth, timeoutMs, bodyBytesMax });
  if (!opened.ok) return opened;
  const client = opened.value;
  // One for each VM, whoever asks: orders about one VM wait for each other, since they share its tag and its group.
  const enforcers = new RecentMap<string, NetworkEnforcer>(enforcersMax);
  return ok({
    kind: 'nsx',
    place: client.place,
    listVms: async () => await listNsxVms(client),
    enforcer: () => null,
    network(vm) {
      const known = enforcers.get(vm.id);
      if (known !== undefined) return known;
      const control = nsxFirewall(client, objectsOf(vm.id), { pace, clock, sleep });
      const made = verifiedNetworkEnforcer(control, null, { clock, sleep });
      enforcers.set(vm.id, made);
      return made;
    },
    close: async () => await client.close(),
  });
}
