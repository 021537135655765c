// Ends this process, whatever its threads do. Node's own exit waits for the threads of its pool, and one that waits in the kernel, for a
// pipe nobody writes to or a name server that is silent, would keep the process for as long, deaf to every signal but SIGKILL.
import { setTimeout as wait } from 'node:timers/promises';

const patienceMs = 1000;
const lookAgainMs = 20;
/** What Node calls its requests that a thread of the pool carries out. */
const poolRequest = /^(?:FSReq|GetAddrInfoReq|GetNameInfoReq)/;

/** The exit code is lost where a thread hangs: the end is then by SIGKILL. */
export async function endProcess(code: number): Promise<never> {
  const deadline = performance.now() + patienceMs;
  while (isBusy() && performance.now() < deadline) await wait(lookAgainMs);
  if (isBusy()) process.kill(process.pid, 'SIGKILL');
  process.exit(code);
}

function isBusy(): boolean {
  return process.getActiveResourcesInfo().some((what) => poolRequest.test(what));
}
