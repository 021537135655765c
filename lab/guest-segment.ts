// The segment of `switched-segment.ts` with a real guest of libvirt's beside its machines: frames are made inside the guest and
// counted there by its own kernel. The guest has no address and says nothing by itself. Needs root.
import { spawn, type ChildProcess } from 'node:child_process';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { sayProblem } from '../src/kit/problem.ts';
import type { Result } from '../src/kit/result.ts';
import { guestProgram } from './guest-programs.ts';
import { type LibvirtDomain, startLibvirtDomain } from './libvirt-domain.ts';
import { type LibvirtHost, openLibvirtHost } from './libvirt-host.ts';
import { bridgeName, openSwitchedSegment, type Place, type SwitchedSegment } from './switched-segment.ts';

export const guestPlace: Place = {
  mac: '52:54:00:88:00:07',
  address: '10.88.0.7',
  address6: 'fd88::7',
  port: 'segguest',
};

export interface GuestSegment {
  readonly segment: SwitchedSegment;
  readonly host: LibvirtHost;
  readonly domain: LibvirtDomain;
  /** From the guest's card, each so many times. */
  send(frames: readonly string[], count: number): Promise<void>;
  /** Frames that have arrived at the guest's card since it began to run. */
  arrived(): Promise<number>;
  stop(): Promise<void>;
}

const server = '10.88.0.254';
const counter = '/sys/class/net/eth0/statistics/rx_packets';
const quiet = 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; ip addr flush dev eth0; ip neigh flush dev eth0';
const ready = `chmod 755 /tmp/frames && { ${quiet}; }`;

export async function openGuestSegment(name: string): Promise<GuestSegment> {
  const frames = must(await guestProgram('frames'));
  const segment = await openSwitchedSegment('bridge');
  const host = must(await openLibvirtHost({ namespaceOf: segment.pid }));
  await segment.run('ip', 'addr', 'add', `${server}/24`, 'dev', bridgeName);
  const web = serve(segment.pid, dirname(frames));
  const { mac, address, port } = guestPlace;
  const network = { bridge: bridgeName, tap: port, mac, address: `${address}/24`, gateway: server };
  const domain = must(await startLibvirtDomain(host, { name, network }));
  must(await fetchProgram(domain));
  web.kill('SIGKILL');
  await segment.run('ip', 'addr', 'flush', 'dev', bridgeName);
  const quieted = await domain.run(ready);
  if (quieted.code !== 0) throw new Error(`the guest could not be made ready: ${quieted.out}`);
  return {
    segment,
    host,
    domain,
    async send(frames, count) {
      const said = await domain.run(frames.map((frame) => `/tmp/frames eth0 ${count} ${frame}`).join('; '));
      const sent = said.out.trim().split(/\s+/).map(Number);
      if (sent.length !== frames.length || sent.some((each) => each !== count))
        throw new Error(`the guest sent ${said.out.trim()} of ${count} frames each`);
    },
    arrived: async () => Number((await domain.run(`cat ${counter}`)).out),
    async stop() {
      await domain.remove();
      await host.stop();
      await segment.stop();
    },
  };
}

function serve(pid: number, directory: string): ChildProcess {
  const inside = ['nsenter', `--net=/proc/${pid}/ns/net`];
  const argv = ['--pdeathsig', 'KILL', ...inside, 'busybox', 'httpd', '-f', '-p', `${server}:80`, '-h', directory];
  return spawn('setpriv', argv, { stdio: 'ignore' });
}

/** The server may not listen yet. */
async function fetchProgram(domain: LibvirtDomain): Promise<Result<void>> {
  let said = '';
  for (let tries = 0; tries < 40; tries += 1) {
    const fetched = await domain.run(`wget -q -O /tmp/frames http://${server}/frames`);
    if (fetched.code === 0) return { ok: true, value: undefined };
    said = fetched.out;
    await wait(100);
  }
  return { ok: false, error: { kind: 'failed', message: `The guest could not fetch its program: ${said}` } };
}

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(sayProblem(result.error));
  return result.value;
}
