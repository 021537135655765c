// The smallest tracer there is, for tests that kill, stop, starve and cut it off: it watches one place of guest memory and lets the
// guest run on at each stop. Arguments: gdb socket, QEMU's process id, the watched address in hex, the watchdog's patience in ms.
// It tells its parent what it meets and does what it is told (`Word`).
import type { GuestStanding, TracerWord } from './fragile-trace.ts';
import { sayProblem } from '../src/kit/problem.ts';
import { interruptBytes } from '../src/protocols/gdb/gdb-client.ts';
import { encodePacket, PacketReader } from '../src/protocols/gdb/packet.ts';
import { beatEveryMs } from '../src/introspection/trace/guardian.ts';
import { WatchdogGuardian } from '../src/introspection/trace/watchdog/watchdog-guardian.ts';

const [socketPath = '', qemuPid = '', address = '', lateMs = ''] = process.argv.slice(2);
const starvedMs = 20_000;
const drainMs = 50;
const guardian = new WatchdogGuardian({ lateMs: Number(lateMs) });
const watched = await guardian.watch({ socketPath, qemuPid: Number(qemuPid) });
if (!watched.ok) {
  tell({ refused: sayProblem(watched.error) });
  process.disconnect();
  process.exit(1);
}
const watch = watched.value;
const { connection } = watch;
const reader = new PacketReader();
let state: 'setting' | 'tracing' | 'silent' | 'held' | 'detaching' = 'setting';

connection.on('error', () => {});
connection.on('close', () => tell({ closed: true }));
connection.on('data', (bytes: Buffer) => {
  for (const text of reader.feed(bytes)) hear(text);
});
void watch.lost.then((why) => {
  tell({ lost: why === null ? null : sayProblem(why) });
  // Its own connection still stands when it is the watchdog that has died.
  if (why !== null && !connection.destroyed) detach();
});
setInterval(() => {
  if (state !== 'silent') watch.beat();
}, beatEveryMs);
process.on('message', obey);
process.on('disconnect', () => process.exit(0));
connection.write(encodePacket(`Z4,${address},4`));

function hear(text: string): void {
  if (text === 'OK' && state === 'setting') {
    state = 'tracing';
    connection.write(encodePacket('vCont;c'));
    void guardian.pid().then((watchdog) => tell({ watching: true, watchdog, ranBefore: watch.ranBefore }));
  } else if (text === 'OK' && state === 'detaching') {
    tell({ detached: true });
    void watch.close().then(() => process.exit(0));
  } else if (text.startsWith('T05') && state === 'tracing') {
    connection.write(encodePacket('vCont;c'));
    watch.beat();
  } else if (text.startsWith('T02') && state === 'tracing') tell({ paused: true });
}

function obey(word: TracerWord): void {
  switch (word.do) {
    case 'starve':
      for (const until = performance.now() + starvedMs; performance.now() < until;);
      break;
    case 'cut':
      connection.destroy();
      break;
    case 'hang':
      state = 'silent';
      break;
    case 'hold':
      // Stops are left unanswered on purpose; it goes on saying that it lives.
      state = 'held';
      watch.hold(word.forMs);
      break;
    case 'release':
      state = 'tracing';
      watch.release();
      connection.write(encodePacket('vCont;c'));
      break;
    case 'paused':
      watch.pausedByOther(true);
      break;
    case 'detach':
      detach();
  }
}

/**
 * In two steps: QEMU keeps a stop point that was met in the moment of the interruption until it comes by again, and if it has been told
 * to let the guest run by then, the guest stands at that point for good.
 */
function detach(): void {
  if (state === 'detaching') return;
  state = 'detaching';
  connection.write(interruptBytes);
  // A guest that stood already says nothing to an interruption.
  setTimeout(() => connection.write(encodePacket('D')), drainMs);
}

function tell(standing: GuestStanding): void {
  if (process.connected) process.send?.(standing);
}
