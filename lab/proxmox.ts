// A made-up Proxmox VE for tests, with a certificate of its own, and the adapter opened on it with a clock that runs ahead of the
// real one, so that nothing waits for a deadline.
import { setTimeout as sleep } from 'node:timers/promises';
import { proxmoxPlatform } from '../src/connectors/enforcement/proxmox/proxmox-platform.ts';
import type { Platform } from '../src/connectors/enforcement/platform.ts';
import type { ProxmoxCredentials } from '../src/protocols/proxmox/proxmox-client.ts';
import { fakeVm, type FakeVm } from '../src/sim/proxmox/cluster.ts';
import {
  type FakeProxmox,
  fakePassword,
  fakeToken,
  fakeUser,
  startFakeProxmox,
} from '../src/sim/proxmox/fake-proxmox.ts';
import type { Clock } from '../src/kit/clock.ts';
import { must, type PlatformSetUp } from './platform-contract.ts';
import { selfSignedCertificate } from './self-signed-certificate.ts';

export interface ProxmoxOnTrial {
  readonly fake: FakeProxmox;
  readonly clock: Clock;
  readonly sleep: (ms: number) => Promise<void>;
  /** Lets time pass. */
  pass(ms: number): void;
  /** With a token unless a password is asked for; whoever opens it closes it. */
  open(changes?: PlatformSetUp & { readonly credentials?: ProxmoxCredentials }): Platform;
  stop(): Promise<void>;
}

export const byToken: ProxmoxCredentials = { kind: 'token', ...fakeToken };
export const byPassword: ProxmoxCredentials = { kind: 'password', user: fakeUser, password: fakePassword };
const certificate = selfSignedCertificate();

export async function startProxmox(vms?: readonly FakeVm[]): Promise<ProxmoxOnTrial> {
  let ahead = 0;
  const clock: Clock = { now: () => Date.now() + ahead, monotonic: () => performance.now() + ahead };
  const standard = ['100', '101', '102'].map((number) => fakeVm(number, number === '102' ? 'pve2' : 'pve1'));
  const fake = await startFakeProxmox({ certificate, vms: vms ?? standard, now: () => clock.now() });
  const opened: Platform[] = [];
  const wait = async (ms: number): Promise<void> => {
    // A deadline of a minute is a hundred looks away, not a thousand.
    ahead += Math.max(ms, 500);
    await sleep(1);
  };
  return {
    fake,
    clock,
    sleep: wait,
    pass(ms) {
      ahead += ms;
    },
    open({ url = fake.url, fingerprint = certificate.fingerprint, password, timeoutMs = 5000, credentials } = {}) {
      const chosen = credentials ?? (password === undefined ? byToken : { ...byPassword, password });
      const platform = must(proxmoxPlatform({ url, fingerprint, credentials: chosen, timeoutMs, clock, sleep: wait }));
      opened.push(platform);
      return platform;
    },
    async stop() {
      for (const platform of opened) await platform.close();
      await fake.stop();
    },
  };
}
