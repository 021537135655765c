// NSX as a platform: an NSX manager whose VMs are listed and, by its distributed firewall, cut off from their networks or from one
// peer, or led through a service chain, each time read back from what NSX has realised. It has no say over the VMs themselves.
import type { Clock } from '../../../kit/clock.ts';
import { RecentMap } from '../../../kit/recent-map.ts';
import { ok, type Result } from '../../../kit/result.ts';
import { nsxClient } from '../../../protocols/nsx/nsx-client.ts';
import type { NetworkEnforcer } from '../network-enforcer.ts';
import type { Platform } from '../platform.ts';
import type { CaptureKeeping } from '../port-capture.ts';
import { type Pace, verifiedNetworkEnforcer } from '../verified-measure.ts';
import { listNsxVms } from './inventory.ts';
import { type NsxCaptureOptions, NsxCaptures } from './nsx-captures.ts';
import { nsxFirewall } from './nsx-firewall.ts';
import { objectsOf } from './object-names.ts';

export interface NsxPlatformSettings {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly fingerprint: string | null;
  readonly clock: Clock;
  readonly sleep: (ms: number) => Promise<void>;
  /** Paths of service chains that a reroute may lead through, by the name of the inspection point. */
  readonly inspection?: Readonly<Record<string, string>>;
  /** `session` unless given: `basic` where the manager's sessions are switched off. */
  readonly auth?: 'session' | 'basic';
  /** For each question; 20 s unless given. */
  readonly timeoutMs?: number;
  /** Where captured packets are kept; null = none are captured. */
  readonly keeping?: CaptureKeeping | null;
  /** How often a capture is looked at, and how late it may be. */
  readonly capturePace?: NsxCaptureOptions['pace'];
  /** How long NSX may take to realise what was ordered; 30 s unless given. */
  readonly pace?: Pace;
}

const bodyBytesMax = 32 * 1024 * 1024;
const usualPace: Pace = { deadlineMs: 30_000, readEveryMs: 500 };
const usualCapturePace = { pollMs: 2000, graceMs: 600_000 };
const enforcersMax = 20_000;

export function nsxPlatform(settings: NsxPlatformSettings): Result<Platform> {
  const { clock, sleep, auth = 'session', timeoutMs = 20_000, pace = usualPace } = settings;
  const opened = nsxClient({ ...settings, auth, timeoutMs, bodyBytesMax });
  if (!opened.ok) return opened;
  const client = opened.value;
  const patience = { pace, clock, sleep };
  const { keeping = null, capturePace = usualCapturePace } = settings;
  const captures = keeping === null ? null : new NsxCaptures({ client, keeping, patience, pace: capturePace });
  const points = new Map(Object.entries(settings.inspection ?? {}));
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
      const control = nsxFirewall({ client, objects: objectsOf(vm.id), points, patience });
      const made = verifiedNetworkEnforcer(control, captures?.of(vm.id) ?? null, { clock, sleep });
      enforcers.set(vm.id, made);
      return made;
    },
    async close() {
      const left = captures?.close();
      await client.close();
      await left;
    },
  });
}
