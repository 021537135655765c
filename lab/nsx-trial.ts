// An NSX manager for a test, simulated, with a VM of two cards and another beside it, and the platform that works it.
import { setTimeout as sleep } from 'node:timers/promises';
import { nsxPlatform, type NsxPlatformSettings } from '../src/connectors/enforcement/nsx/nsx-platform.ts';
import { type Platform, type PlatformVm, portOf } from '../src/connectors/enforcement/platform.ts';
import type { Result } from '../src/kit/result.ts';
import type { BlockFlow, Quarantine, VmPort } from '../src/model/network-measure.ts';
import { filteredCard } from '../src/sim/nsx/nsx-packets.ts';
import { type SimulatedNsx, type SimulatedNsxOptions, startSimulatedNsx } from '../src/sim/nsx/simulated-nsx.ts';
import { selfSignedCertificate } from './self-signed-certificate.ts';

export const nsxUser = 'plumbline';
/** Whatever is not encoded in a form comes out as something else. */
export const nsxPassword = 'a+b &=%c"ü';
export const webId = '500e0c08-2ecc-2609-d9ba-ed489e48c787';
export const otherId = '500e0c08-2ecc-2609-d9ba-ed489e48c788';
export const foreignTag = { scope: 'tier', tag: 'web' };

export const clock = { now: () => Date.now(), monotonic: () => performance.now() };
export const nsxCertificate = selfSignedCertificate();

export interface NsxTrial {
  readonly nsx: SimulatedNsx;
  readonly platform: Platform;
  /** Another manager's, which remembers nothing. */
  anotherPlatform(changed?: Partial<NsxPlatformSettings>): Platform;
  web(): Promise<PlatformVm>;
  stop(): Promise<void>;
}

export async function startNsxTrial(
  role: NonNullable<SimulatedNsxOptions['role']> = 'security_engineer',
  changed: Partial<NsxPlatformSettings> = {},
): Promise<NsxTrial> {
  const nsx = await startSimulatedNsx({ ...nsxCertificate, user: nsxUser, password: nsxPassword, role });
  nsx.world.addVm({
    externalId: webId,
    name: 'web "1" <&>',
    biosUuid: '420e72c9-55e7-a4f7-81bf-673a2af1a6cf',
    tags: [foreignTag],
    cards: [
      filteredCard('4000', '00:50:56:8e:00:01', '10.9.0.11'),
      filteredCard('4001', '00:50:56:8e:00:02', '10.9.1.11'),
    ],
  });
  nsx.world.addVm({
    externalId: otherId,
    name: 'other',
    biosUuid: '420e72c9-55e7-a4f7-81bf-673a2af1a6d0',
    cards: [filteredCard('4000', '00:50:56:8e:00:03', '10.9.0.12')],
  });
  const platforms: Platform[] = [];
  const anotherPlatform = (more: Partial<NsxPlatformSettings> = {}): Platform => {
    const made = must(
      nsxPlatform({
        url: nsx.url,
        user: nsxUser,
        password: nsxPassword,
        fingerprint: nsxCertificate.fingerprint,
        clock,
        sleep: async (ms) => await sleep(ms),
        timeoutMs: 20_000,
        pace: { deadlineMs: 20_000, readEveryMs: 10 },
        ...changed,
        ...more,
      }),
    );
    platforms.push(made);
    return made;
  };
  const platform = anotherPlatform();
  return {
    nsx,
    platform,
    anotherPlatform,
    async web() {
      const vm = must(await platform.listVms()).vms.find(({ id }) => id === webId);
      if (vm === undefined) throw new Error('the VM is not listed');
      return vm;
    },
    async stop() {
      for (const each of platforms) await each.close();
      await nsx.stop();
    },
  };
}

export function cardPort(vm: PlatformVm, index = 0): VmPort {
  const card = vm.cards[index];
  if (card === undefined) throw new Error(`the VM has no card ${index}`);
  return portOf(vm, card);
}

export const quarantine: Quarantine = { kind: 'quarantine', management: ['10.0.0.0/24', '10.0.1.5'] };

export function blockOf(changed: Partial<BlockFlow> = {}): BlockFlow {
  const expiresAt = '2099-01-01T00:00:00.000Z';
  return {
    kind: 'block-flow',
    peer: '10.9.0.12',
    proto: 'tcp',
    port: 443,
    direction: 'outbound',
    expiresAt,
    ...changed,
  };
}

export function must<T, E>(result: Result<T, E>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}
