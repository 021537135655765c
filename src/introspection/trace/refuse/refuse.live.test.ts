// Real guests of every supported kernel try what is allowed and what is forbidden, side by side on two processors: what is refused fails and
// leaves nothing behind, what is allowed is not disturbed, and the guest is as sound afterwards as before.
import assert from 'node:assert/strict';
import { after, before, describe, suite, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { Guest } from '../../../../lab/guest.ts';
import { kernelReleases } from '../../../../lab/kernels.ts';
import { counted, sampled } from '../../../../lab/scale.ts';
import { sharedGuest } from '../../../../lab/shared-guests.ts';
import { traceGuest } from '../../../../lab/traced-guest.ts';
import type { TracedGuest } from '../../../../lab/traced-guest.ts';
import type { Attempt, TracedEvent, Verdict } from '../trace-event.ts';
import { attemptHooks } from '../hooks/attempts/attempt-hooks.ts';

const limitMs = counted(420_000, 3_600_000);
const workers = 4;
/** Of each kind and way, allowed and forbidden together. */
const turns = Math.ceil(counted(40, 400) / workers);
const mixedTurns = Math.ceil(counted(300, 10_000) / workers);
const ports = { allowed: 7101, forbidden: 7201, listenAllowed: 7102, listenForbidden: 7202 } as const;
const eperm = '1';
const enoent = '2';
const eacces = '13';

interface Outcome {
  readonly tried: number;
  readonly succeeded: number;
  readonly killed: number;
  readonly other: number;
  readonly effects: number;
  readonly failed: Readonly<Record<string, number>>;
}
type Outcomes = Readonly<Record<'allowed' | 'forbidden', Outcome>>;

function isForbidden({ kind, argv, localPort, remotePort }: Attempt): boolean {
  if (kind === 'exec') return argv?.[1] === 'forbidden' || argv?.[2] === 'forbidden';
  return kind === 'connect' ? remotePort === ports.forbidden : localPort === ports.listenForbidden;
}

async function attempt(guest: Guest, words: string): Promise<Outcomes> {
  const { out, code } = await guest.run(`attempts ${words}`, limitMs);
  assert.equal(code, 0, out);
  return JSON.parse(out) as Outcomes;
}

interface Health {
  /** Figures that stay as they are while the guest is well. */
  readonly kernel: string;
  /** Processes that nobody has taken notice of yet. */
  readonly zombies: number;
}

async function healthOf(guest: Guest): Promise<Health> {
  const words =
    'cat /proc/sys/kernel/tainted; dmesg | grep -ciE "warn|bug:|oops|rcu:|leak|segf|traps:"; ps | grep -c "^ *[0-9]* .* Z "';
  const [tainted, said, zombies] = (await guest.run(words)).out.trim().split('\n');
  return { kernel: `${tainted} ${said}`, zombies: Number(zombies) };
}

/** Linux adds them up per processor and tells them in rough: thousands of calls that each left one behind would show. */
async function openFiles(guest: Guest): Promise<number> {
  return Number.parseInt((await guest.run('cat /proc/sys/fs/file-nr')).out, 10);
}

/** Connections begun and datagrams sent, as the guest's kernel counts them. */
async function trafficOf(guest: Guest): Promise<{ readonly tcp: number; readonly udp: number }> {
  const { out } = await guest.run(`awk '/^Tcp:/{t=$6} /^Udp:/{u=$5} END{print t, u}' /proc/net/snmp`);
  const [tcp = 0, udp = 0] = out.trim().split(' ').map(Number);
  return { tcp, udp };
}

function assertRefused({ allowed, forbidden }: Outcomes, errno: string, effectsOfAllowed: number): void {
  assert.ok(forbidden.tried > 0 && allowed.tried > 0);
  assert.deepEqual(
    { ...forbidden, tried: 0 },
    { tried: 0, succeeded: 0, killed: 0, other: 0, effects: 0, failed: { [errno]: forbidden.tried } },
    'every forbidden attempt failed and left nothing behind',
  );
  assert.deepEqual(
    { ...allowed, tried: 0 },
    { tried: 0, succeeded: allowed.tried, killed: 0, other: 0, effects: effectsOfAllowed * allowed.tried, failed: {} },
    'every allowed attempt succeeded',
  );
}

/** Way of starting a program: the program, and how the refusal reads. */
const starts = {
  fork: ['/bin/first-write', eacces],
  vfork: ['/bin/first-write', eacces],
  threads: ['/bin/first-write', eacces],
  user: ['/tmp/setuid-program', eacces],
  // The handle is closed by the exec itself: the script loader says that the script would not be there for its interpreter.
  handle: ['/bin/first-write', enoent],
} as const;

suite('attempts that are refused', { timeout: limitMs }, () => {
  for (const kernel of sampled(kernelReleases, 1, 'refuse')) {
    describe(`on Linux ${kernel}`, () => {
      let guest: Guest;
      let traced: TracedGuest;
      let health: Health;
      let files: number;
      let refusing: Verdict = 'block';
      // Debian's 5.10 has no MPTCP.
      const streams = kernel === '5.10' ? ['tcp'] : ['tcp', 'mptcp'];
      const doubts: string[] = [];
      const asked: Attempt[] = [];

      before(async () => {
        guest = await sharedGuest(kernel, { hardware: { vcpus: 2 } });
        await guest.run(
          [
            `for port in ${ports.allowed} ${ports.forbidden}; do attempts serve $port </dev/null >/dev/null 2>&1 & done`,
            'cp /bin/first-write /tmp/setuid-program; chmod 4755 /tmp/setuid-program',
            'printf "#!/bin/first-write\\n" >/tmp/script; chmod 755 /tmp/script',
            'sysctl -w net.ipv4.tcp_fastopen=1 kernel.io_uring_disabled=0 >/dev/null 2>&1; sleep 0.3',
          ].join('\n'),
        );
        health = await healthOf(guest);
        files = await openFiles(guest);
        traced = await traceGuest(guest, {
          // Every call is to be met: neither a budget nor, on a busy machine, a guardian's patience ends the trace.
          budget: { stopsPerSecondMax: Infinity, stolenMsPerSecondMax: Infinity },
          guardian: null,
          decide(attempted) {
            asked.push(attempted);
            return isForbidden(attempted) ? refusing : 'allow';
          },
          attempts: (context) =>
            attemptHooks(context, {
              kinds: new Set(['exec', 'connect', 'listen', 'bind']),
              datagrams: true,
              onDoubt: (what) => doubts.push(what),
              onSlip: () => doubts.push('a refused program ran'),
            }).hooks,
        });
      });
      after(async () => {
        await traced?.close();
        await guest?.run('pkill attempts; rm -f /tmp/setuid-program /tmp/script; true');
      });

      /** Each was told once: the refused ones as refused, the allowed ones as such, and nothing else of the kind. */
      async function assertTold(
        from: number,
        kind: TracedEvent['kind'],
        { allowed, forbidden }: Outcomes,
      ): Promise<void> {
        await wait(200);
        const told = traced.lines
          .slice(from)
          .filter((line): line is TracedEvent => line.kind === kind && line.comm === 'attempts');
        const of = (verdict: Verdict): number => told.filter((line) => line.verdict === verdict).length;
        assert.equal(of(refusing), forbidden.tried);
        if (kind === 'exec') return;
        assert.equal(of('allow'), allowed.tried);
        assert.equal(told.length, allowed.tried + forbidden.tried);
      }

      for (const [how, [program, errno]] of Object.entries(starts)) {
        test(`programs started by ${how} do not run one instruction`, async () => {
          const from = traced.lines.length;
          const outcomes = await attempt(guest, `exec ${how} ${turns} ${workers} ${program}`);
          assertRefused(outcomes, errno, 1);
          await assertTold(from, 'exec', outcomes);
        });
      }

      test('scripts are refused before their interpreter, and interpreters with them', async () => {
        const from = asked.length;
        assertRefused(await attempt(guest, `exec fork ${turns} ${workers} /tmp/script`), eacces, 1);
        const allowed = asked.slice(from).filter((one) => !isForbidden(one) && one.argv?.at(-1) === 'allowed');
        assert.ok(allowed.some(({ exe }) => exe === '/tmp/script'));
        const interpreter = allowed.find(({ exe }) => exe === '/bin/first-write');
        assert.deepEqual(interpreter?.argv, ['/bin/first-write', '/tmp/script', 'allowed']);
      });

      for (const how of [...streams, 'fastopen', 'ring', 'ring-worker', 'udp', 'sendto']) {
        test(`connections opened by ${how} send nothing`, async () => {
          const addresses = how === 'sendto' ? ['127.0.0.1', '::1'] : ['127.0.0.1', '::ffff:127.0.0.1'];
          for (const address of addresses) {
            const from = traced.lines.length;
            const before = await trafficOf(guest);
            const words = `connect ${how} ${turns} ${workers} ${address} ${ports.allowed} ${ports.forbidden}`;
            const outcomes = await attempt(guest, words);
            assertRefused(outcomes, eperm, 0);
            const now = await trafficOf(guest);
            const isUdp = how === 'udp' || how === 'sendto';
            assert.equal(now.tcp - before.tcp, isUdp ? 0 : outcomes.allowed.tried);
            if (isUdp && address !== '::1') assert.equal(now.udp - before.udp, outcomes.allowed.tried);
            await assertTold(from, 'connect', outcomes);
          }
        });
      }

      for (const how of ['listen', 'listen6', 'bind', ...streams.slice(1)]) {
        test(`sockets that would ${how} do not`, async () => {
          const from = traced.lines.length;
          const words = `listen ${how} ${turns} ${workers} ${ports.listenAllowed} ${ports.listenForbidden}`;
          const outcomes = await attempt(guest, words);
          assertRefused(outcomes, eperm, 1);
          await assertTold(from, how === 'bind' ? 'bind' : 'listen', outcomes);
        });
      }

      test(`${mixedTurns * workers} calls of all kinds at once: no wrong decision`, async () => {
        const words = `mixed all ${mixedTurns} ${workers} /bin/first-write 127.0.0.1 ${ports.allowed} ${ports.forbidden}`;
        const { allowed, forbidden } = await attempt(guest, words);
        assert.equal(forbidden.succeeded + forbidden.effects + forbidden.killed + forbidden.other, 0);
        assert.equal((forbidden.failed[eperm] ?? 0) + (forbidden.failed[eacces] ?? 0), forbidden.tried);
        assert.equal(allowed.succeeded, allowed.tried);
        assert.equal(allowed.tried + forbidden.tried, mixedTurns * workers);
      });

      test('a process that is to be killed ends without having run the program', async () => {
        refusing = 'kill';
        const { allowed, forbidden } = await attempt(guest, `exec threads ${turns} ${workers} /bin/first-write`);
        assert.deepEqual([forbidden.killed, forbidden.effects], [forbidden.tried, 0]);
        assert.deepEqual([allowed.succeeded, allowed.effects], [allowed.tried, allowed.tried]);
        const { out, code } = await guest.run(
          `attempts connect tcp 40 1 127.0.0.1 ${ports.allowed} ${ports.forbidden}`,
        );
        assert.equal(code, 0);
        assert.ok(
          (JSON.parse(out) as Outcomes).forbidden.tried === 0,
          'the first refused connection ended its process',
        );
      });

      test('the first process of a container is refused but not killed', async () => {
        refusing = 'kill';
        const { out } = await guest.run(
          "unshare -p -f sh -c '/bin/true; exec /bin/first-write forbidden'; echo code $?",
        );
        assert.match(out, /code 126\b/, 'a shell that may not run a program says so: it was not killed');
        assert.match(out, /ermission denied/);
      });

      test('the guest is as well as before', async () => {
        assert.deepEqual(doubts, []);
        assert.deepEqual(traced.losses(), []);
        assert.equal(traced.trace.summary().notRefused, 0);
        const { kernel, zombies } = await healthOf(guest);
        assert.equal(kernel, health.kernel);
        // Thousands were ended: each that stayed would show.
        assert.ok(zombies <= health.zombies + 20, `${zombies} zombies, ${health.zombies} before`);
        assert.ok((await openFiles(guest)) <= files + 200);
        assert.equal((await guest.run('/bin/echo well')).out, 'well\n');
      });
    });
  }
});
