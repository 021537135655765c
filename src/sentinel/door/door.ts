// The local door: a unix socket only its owner can open, through which the host-local verbs ask the running sentinel, because
// QEMU serves one monitor client and the sentinel is it. Sight only; nothing can be ordered here.
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { causeOf, httpStatuses, type Problem, problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { streamTrace } from '../tracing/stream-trace.ts';
import type { Follower, Following } from '../tracing/tracings.ts';

export interface DoorRooms {
  vms(): Result<unknown>;
  ps(vm: string, options: { readonly threads: boolean }): Promise<Result<unknown>>;
  sockets(vm: string): Promise<Result<unknown>>;
  health(): Result<unknown>;
  /** `vmlinuz` = path of the kernel file to hold the guest's kernel against. */
  integrity(vm: string, vmlinuz: string | null): Promise<Result<unknown>>;
  hash(vm: string, pid: number): Promise<Result<unknown>>;
  trace(vm: string, follower: Follower): Result<Following>;
}

export interface Door {
  close(): Promise<void>;
}

const headersBytesMax = 16 * 1024;
const connectionsMax = 64;
const requestMs = 10_000;

export async function openDoor(path: string, rooms: DoorRooms): Promise<Result<Door>> {
  const server = createServer({ maxHeaderSize: headersBytesMax, requestTimeout: requestMs }, (request, response) => {
    const traced = tracedVm(request);
    if (traced !== null) return streamTrace(response, (follower) => rooms.trace(traced, follower));
    void route(request, rooms).then((result) => answer(response, result));
  });
  server.maxConnections = connectionsMax;
  try {
    // The state directory belongs to one sentinel at a time (its database is locked), so that an old socket is a dead one.
    rmSync(path, { force: true });
    await listen(server, path);
    chmodSync(path, 0o600);
  } catch (error) {
    return fail(
      problem(
        'failed',
        `The local door ${path} could not be opened: ${causeOf(error)}.`,
        'Check the permissions of the state directory.',
      ),
    );
  }
  return ok({ close: () => close(server) });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

async function route(request: IncomingMessage, rooms: DoorRooms): Promise<Result<unknown>> {
  if (request.method !== 'GET') return fail(problem('usage', `The local door answers GET, not ${request.method}.`));
  const url = new URL(request.url ?? '/', 'http://door');
  const [verb, reference, part] = url.pathname.split('/').slice(1);
  if (verb === 'health' && reference === undefined) return rooms.health();
  if (verb === 'vms' && reference === undefined) return rooms.vms();
  const vm = decoded(reference);
  if (verb === 'vms' && vm !== null && part === 'ps')
    return rooms.ps(vm, { threads: url.searchParams.get('threads') === '1' });
  if (verb === 'vms' && vm !== null && part === 'sockets') return rooms.sockets(vm);
  if (verb === 'vms' && vm !== null && part === 'integrity')
    return rooms.integrity(vm, url.searchParams.get('baseline'));
  const pid = Number(url.searchParams.get('pid') ?? Number.NaN);
  if (verb === 'vms' && vm !== null && part === 'hash' && Number.isSafeInteger(pid)) return rooms.hash(vm, pid);
  return fail(problem('not-found', `There is nothing at ${url.pathname} behind the local door.`));
}

function tracedVm({ method, url }: IncomingMessage): string | null {
  const [verb, reference, part, ...rest] = new URL(url ?? '/', 'http://door').pathname.split('/').slice(1);
  return method === 'GET' && verb === 'vms' && part === 'trace' && rest.length === 0 ? decoded(reference) : null;
}

function decoded(reference: string | undefined): string | null {
  try {
    return reference === undefined ? null : decodeURIComponent(reference);
  } catch {
    return null;
  }
}

function answer(response: ServerResponse, result: Result<unknown>): void {
  const body: unknown = result.ok ? result.value : (result.error satisfies Problem);
  response.writeHead(result.ok ? 200 : httpStatuses[result.error.kind], { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
