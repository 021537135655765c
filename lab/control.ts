// One line of JSON asks a lab that runs in another process for something, one line answers: for `lab/main.ts` used by hand.
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { problem } from '../src/kit/problem.ts';
import { fail, ok, type Result } from '../src/kit/result.ts';
import { attackNames, runAttack, type AttackName } from './attacks.ts';
import { cacheRoot } from './cache.ts';
import type { ThreeTierLab } from './three-tier.ts';
import { tiers, type Tier } from './tier-disk.ts';

export const controlSocket = join(cacheRoot, 'control.sock');

/** Serves orders until the lab is told `down`. One lab at a time is controlled this way; programs use the modules themselves. */
export async function serveControl(lab: ThreeTierLab, onDown: () => void): Promise<Result<Server>> {
  if (await answers()) {
    return fail(problem('refused', 'Another lab is already controlled from here.', 'Run: node lab/main.ts down'));
  }
  rmSync(controlSocket, { force: true });
  const server = createServer((socket) => {
    socket.on('error', () => {});
    void serveOne(lab, socket, onDown);
  });
  server.listen(controlSocket);
  await once(server, 'listening');
  return ok(server);
}

async function answers(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(controlSocket);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function serveOne(lab: ThreeTierLab, socket: Socket, onDown: () => void): Promise<void> {
  for await (const line of createInterface({ input: socket })) {
    const words = JSON.parse(line) as readonly string[];
    socket.end(`${JSON.stringify(await obey(lab, words))}\n`);
    if (words[0] === 'down') onDown();
    return;
  }
}

async function obey(lab: ThreeTierLab, [verb, first, ...rest]: readonly string[]): Promise<Result<unknown>> {
  const tier = tiers.find((one) => one === first);
  switch (verb) {
    case 'attack':
      return attack(lab, first);
    case 'counts':
      return lab.counts();
    case 'update':
      return lab.update(first ?? '2.1');
    case 'maintain':
      return tier === undefined ? noTier(first) : lab.maintain(tier, rest[0] ?? 'compact');
    case 'restore':
      return tier === undefined ? noTier(first) : lab.restore(tier);
    case 'run':
      return tier === undefined ? noTier(first) : runIn(lab, tier, rest.join(' '));
    case 'down':
      return ok('The lab ends.');
    case undefined:
    default:
      return fail(problem('usage', `The lab does not know "${verb ?? ''}".`));
  }
}

async function attack(lab: ThreeTierLab, name: string | undefined): Promise<Result<unknown>> {
  const known = attackNames.find((one): one is AttackName => one === name);
  if (known === undefined) {
    return fail(problem('usage', `There is no attack "${name ?? ''}".`, `Attacks: ${attackNames.join(', ')}.`));
  }
  return runAttack(lab, known);
}

async function runIn(lab: ThreeTierLab, tier: Tier, command: string): Promise<Result<unknown>> {
  return ok(await lab.guests[tier].run(command));
}

function noTier(name: string | undefined): Result<never> {
  return fail(problem('usage', `There is no tier "${name ?? ''}".`, `Tiers: ${tiers.join(', ')}.`));
}

/** Sends one order to the lab that runs in another process. */
export async function orderLab(words: readonly string[]): Promise<Result<unknown>> {
  return new Promise((resolve) => {
    const socket = createConnection(controlSocket);
    let text = '';
    socket.once('error', () => resolve(fail(problem('not-found', 'No lab runs.', 'Start one: node lab/main.ts up'))));
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.once('end', () => {
      if (text === '') return resolve(fail(problem('failed', 'The lab ended before it answered.')));
      resolve(JSON.parse(text) as Result<unknown>);
    });
    socket.write(`${JSON.stringify(words)}\n`);
  });
}
