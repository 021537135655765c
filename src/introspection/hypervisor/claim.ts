// A name on this host that one living process holds: a unix socket which it listens at. The kernel takes it back when that process
// ends, however it ends, and whoever reaches the file can ask, from any PID, network or mount namespace. A file with a pid in it
// would outlive a crash and name a stranger in another namespace; a lock on a file would have to be opened where others may write.
import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, lstatSync, renameSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { causeOf, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';

export interface Claim {
  readonly state: 'ours';
  release(): void;
}

/** `says`: what the holder says of itself, as it was told to `claim`; empty when it says nothing in time, as one that is stopped. */
export interface Held {
  readonly state: 'held';
  readonly says: string;
}

export type Holder =
  | Held
  | { readonly state: 'free' }
  /** It cannot be asked. Whoever would disturb a holder takes it for held. */
  | { readonly state: 'unknown'; readonly why: string };

/** A holder that learns a kernel, or whose host has too much to do, may be busy for that long. */
const askMs = 2000;
const askedAgainMax = 8;
const askAgainMs = 50;
const saysMax = 4096;
const askersMax = 16;
const triesMax = 8;
/** sun_path of a unix socket takes 107 bytes and a NUL (unix(7)). */
const pathBytesMax = 107;
/** `.` with four characters, and one more for what is put aside. */
const suffixBytes = 6;

/**
 * Takes the name at `path`, in a directory that exists and that only those may write to who may take it; `says` is told to whoever
 * asks. It is held until `release`, or the end of this process. A problem when it cannot be known whether somebody holds it.
 */
export async function claim(path: string, says: string): Promise<Result<Claim | Held>> {
  if (Buffer.byteLength(path) + suffixBytes > pathBytesMax)
    return fail(problem('usage', `${path} is too long a path for a unix socket.`, 'Use a shorter one.'));
  // Made under a name of its own and then linked: of several that try at once, one succeeds.
  const made = `${path}.${randomBytes(3).toString('base64url')}`;
  let server: Server | null = null;
  try {
    server = await listen(made, says);
    chmodSync(made, 0o600);
    const held = await linkOrAsk(made, path);
    if (held === null) return ok(claimOf(server, path));
    server.close();
    return held;
  } catch (thrown) {
    server?.close();
    return fail(problem('failed', `${path} cannot be taken: ${causeOf(thrown)}.`, 'Check the permissions there.'));
  } finally {
    rmSync(made, { force: true });
  }
}

/** Who holds the name at `path`; asking changes nothing. */
export async function holderOf(path: string): Promise<Holder> {
  if (Buffer.byteLength(path) > pathBytesMax) return { state: 'unknown', why: 'its path is too long' };
  for (let tries = 1; ; tries += 1) {
    const holder = await ask(path);
    if (holder !== 'hung up') return holder;
    // One that is just being killed takes calls for as long as the kernel needs to clear it away; a busy one has too many.
    if (tries === askedAgainMax) return { state: 'held', says: '' };
    await wait(askAgainMs);
  }
}

function ask(path: string): Promise<Holder | 'hung up'> {
  return new Promise((resolve) => {
    let says = '';
    let isThere = false;
    const socket = connect(path);
    const timer = setTimeout(() => settle({ state: 'held', says }), askMs);
    const settle = (holder: Holder | 'hung up'): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(holder);
    };
    const settleHeld = (): void => settle(says === '' ? 'hung up' : { state: 'held', says });
    socket.setEncoding('utf8');
    socket.once('connect', () => (isThere = true));
    socket.on('data', (text: string) => (says = (says + text).slice(0, saysMax)));
    socket.once('end', settleHeld);
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // EAGAIN: so many ask that it is a living one who does not get round to answering.
      if (isThere || error.code === 'EAGAIN') settleHeld();
      else if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') settle({ state: 'free' });
      else settle({ state: 'unknown', why: causeOf(error) });
    });
  });
}

async function listen(path: string, says: string): Promise<Server> {
  const server = createServer((asker) => {
    asker.on('error', () => undefined);
    // Neither the claim nor who asks about it keeps a process alive that has nothing left to do.
    asker.unref();
    asker.setTimeout(askMs, () => asker.destroy());
    asker.end(says.slice(0, saysMax));
  });
  server.maxConnections = askersMax;
  server.unref();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  server.removeAllListeners('error');
  // A host without a free descriptor just now: who asks then has connected all the same, and knows.
  server.on('error', () => undefined);
  return server;
}

/** Null = the name is ours. */
async function linkOrAsk(made: string, path: string): Promise<Result<Held> | null> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    if (linked(made, path)) return null;
    const asked = lookOf(path);
    const holder = await holderOf(path);
    if (holder.state === 'held') return ok(holder);
    if (holder.state === 'unknown') return fail(unclear(path, holder.why));
    if (asked !== null) clear(path, `${made}x`, asked);
  }
  return fail(unclear(path, 'it changes hands all the time'));
}

/**
 * Takes a dead holder's socket out of the way, if it is still the one that was asked: somebody quicker may have put a living one there
 * since, which goes back in the same breath.
 */
function clear(path: string, aside: string, asked: string): void {
  if (lookOf(path) !== asked) return;
  try {
    renameSync(path, aside);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw thrown;
  }
  if (inodeOf(lookOf(aside)) !== inodeOf(asked)) linked(aside, path);
  rmSync(aside, { force: true });
}

/** False = something is there already. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw thrown;
  }
}

function claimOf(server: Server, path: string): Claim {
  const own = inodeOf(lookOf(path));
  let isOver = false;
  return {
    state: 'ours',
    release: () => {
      if (isOver) return;
      isOver = true;
      // Somebody may have cleared the place, and somebody else stand there by now.
      if (own !== null && inodeOf(lookOf(path)) === own) rmSync(path, { force: true });
      server.close();
    },
  };
}

/** Tells apart what stands there at two moments, also where a number of an inode is used again; null = nothing is there. */
function lookOf(path: string): string | null {
  const found = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return found === undefined ? null : `${found.dev}.${found.ino} ${found.ctimeNs}`;
}

/** Without its time, which a rename changes. */
function inodeOf(look: string | null): string | null {
  return look?.split(' ')[0] ?? null;
}

function unclear(path: string, why: string) {
  const message = `Whether somebody holds ${path} cannot be known: ${why}.`;
  return problem('refused', message, 'Ask as the user who holds it, or as root.');
}
