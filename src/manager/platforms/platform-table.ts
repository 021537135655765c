// The kinds of remote platform the manager can work with: one row for each adapter.
import type { Clock } from '../../kit/clock.ts';
import type { Result } from '../../kit/result.ts';
import type { PlannedAction } from '../../model/remediation.ts';
import type { PlatformKind } from '../../model/platform.ts';
import type { Platform } from '../../connectors/enforcement/platform.ts';
import type { CaptureKeeping } from '../../connectors/enforcement/port-capture.ts';
import { nsxPlatform } from '../../connectors/enforcement/nsx/nsx-platform.ts';
import { proxmoxPlatform } from '../../connectors/enforcement/proxmox/proxmox-platform.ts';
import { vspherePlatform } from '../../connectors/enforcement/vsphere/vsphere-platform.ts';

/** What an adapter is opened with; the secret has been read from its file. */
export interface PlatformAccess {
  readonly url: string;
  readonly user: string;
  readonly secret: { readonly kind: SecretKind; readonly text: string };
  /** SHA-256 of the server's certificate. */
  readonly fingerprint: string;
  /** Where a reroute may lead, by the name of the inspection point; in the platform's own words. */
  readonly inspection: Readonly<Record<string, string>>;
  /** Where what it captures is kept; null = nowhere. */
  readonly keeping: CaptureKeeping | null;
  /** Where VMs in quarantine are moved to; null where their links are taken down. */
  readonly isolationNetwork: string | null;
  readonly clock: Clock;
  readonly sleep: (ms: number) => Promise<void>;
}

export type SecretKind = 'password' | 'token';

export interface PlatformRow {
  /** Which kinds of secret its server takes. */
  readonly secrets: readonly SecretKind[];
  /** What an inspection point may be here; absent = nothing is led anywhere. */
  readonly inspectionPoint?: { readonly form: RegExp; readonly words: string };
  /** Opens without asking the server anything. */
  readonly open: (access: PlatformAccess) => Result<Platform>;
  /** What an action costs here that it does not cost elsewhere, for the one who chooses it. */
  readonly prices: Partial<Readonly<Record<PlannedAction, string>>>;
  /** The same where an isolation network is configured; absent = this kind takes none. */
  readonly isolationPrices?: Partial<Readonly<Record<PlannedAction, string>>>;
  /** How the owner of a server reads its certificate's fingerprint there, not over the network. */
  readonly readFingerprint: string;
}

export type PlatformTable = Partial<Readonly<Record<PlatformKind, PlatformRow>>>;

export const platformTable = {
  vsphere: {
    secrets: ['password'],
    open: ({ secret, ...rest }) => vspherePlatform({ ...rest, password: secret.text }),
    prices: { quarantine: 'its network cards are disconnected, so that management cannot reach it either' },
    isolationPrices: {
      quarantine: 'its network cards are moved to the isolation network, where it reaches whoever that network lets it',
    },
    readFingerprint:
      'on the vCenter appliance: openssl x509 -noout -fingerprint -sha256 -in /etc/vmware-vpx/ssl/rui.crt',
  },
  proxmox: {
    secrets: ['token', 'password'],
    open: ({ user, secret: { kind, text }, ...rest }) =>
      proxmoxPlatform({
        ...rest,
        credentials: kind === 'token' ? { kind, id: user, secret: text } : { kind, user, password: text },
      }),
    prices: { quarantine: 'the links of its network cards are taken down, so that management cannot reach it either' },
    readFingerprint: 'on a node: openssl x509 -noout -fingerprint -sha256 -in /etc/pve/local/pve-ssl.pem',
  },
  nsx: {
    secrets: ['password'],
    inspectionPoint: {
      form: /^\/infra\/service-chains\/[A-Za-z0-9][A-Za-z0-9._-]{0,254}$/,
      words: 'the path of a service chain: /infra/service-chains/NAME',
    },
    open: ({ secret, ...rest }) => nsxPlatform({ ...rest, password: secret.text }),
    prices: {},
    readFingerprint: 'on the console of the NSX manager: get certificate api thumbprint',
  },
} as const satisfies PlatformTable;
