// The stream of changes where the vCenter simulator never goes: in pieces, without objects, refused, silent, or answering at once.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ScriptedAnswer,
  scriptedFault,
  scriptedVcenter,
  type ScriptedVcenter,
} from '../../../lab/scripted-vcenter.ts';
import { xml, type XmlText } from '../xml/xml-text.ts';
import { followProperties, type ObjectUpdate, type Updates } from './property-updates.ts';

let vcenter: ScriptedVcenter | null = null;
afterEach(() => vcenter?.stop());

interface Streaming {
  readonly waitSeconds?: number;
  readonly timeoutMs?: number;
  readonly sleep?: (ms: number) => Promise<void>;
}

async function stream(answer: (method: string, body: string) => ScriptedAnswer | undefined, given: Streaming = {}) {
  vcenter = await scriptedVcenter(answer);
  const stop = new AbortController();
  const client = vcenter.open(given.timeoutMs);
  const updates = followProperties(client, {
    type: 'VirtualMachine',
    paths: ['name'],
    waitSeconds: given.waitSeconds ?? 1,
    restMs: 10,
    sleep: given.sleep ?? (async (ms) => await sleep(ms)),
    signal: stop.signal,
  });
  const next = async (): Promise<Updates> => {
    const step = await updates.next();
    return step.done === true ? assert.fail('it ended') : step.value;
  };
  const end = async (): Promise<void> => {
    stop.abort();
    assert.equal((await updates.next()).done, true);
    await client.close();
  };
  return { next, end, asked: vcenter.asked };
}

/** An answer to WaitForUpdatesEx. */
function updateSet(version: string, names: readonly string[], isTruncated = false): readonly XmlText[] {
  const objects = names.map((name) =>
    xml('objectSet', [
      xml('kind', 'enter'),
      xml('obj', `vm-${name}`, { type: 'VirtualMachine' }),
      xml('changeSet', [xml('name', 'name'), xml('op', 'assign'), xml('val', name)]),
    ]),
  );
  const truncated = isTruncated ? [xml('truncated', 'true')] : [];
  return [xml('returnval', [xml('version', version), xml('filterSet', objects), ...truncated])];
}

function said({ isWhole, hasMore, updates }: Updates) {
  const all: readonly ObjectUpdate[] = updates;
  return { isWhole, hasMore, names: all.map(({ values }) => values.get('name')?.text) };
}

test('what there is comes in pieces, each asked for from where the last one ended, and then what changed', async () => {
  const answers: Readonly<Record<string, readonly XmlText[]>> = {
    '': updateSet('1', ['a', 'b'], true),
    '1': updateSet('2', ['c']),
    '2': updateSet('3', ['d'], true),
    '3': updateSet('4', ['e']),
  };
  const bodies: string[] = [];
  const { next, end } = await stream((method, body) => {
    if (method !== 'WaitForUpdatesEx') return undefined;
    bodies.push(body);
    return answers[/<version>(.*)<\/version>/.exec(body)?.[1] ?? ''] ?? null;
  });
  assert.deepEqual(
    [said(await next()), said(await next()), said(await next()), said(await next())],
    [
      { isWhole: true, hasMore: true, names: ['a', 'b'] },
      { isWhole: true, hasMore: false, names: ['c'] },
      { isWhole: false, hasMore: true, names: ['d'] },
      { isWhole: false, hasMore: false, names: ['e'] },
    ],
  );
  assert.ok(bodies.every((body) => body.includes('<maxObjectUpdates>100</maxObjectUpdates>')));
  await end();
});

test('a vCenter without VMs has told the whole of it when it first answers', async () => {
  const { next, end } = await stream((method) => (method === 'WaitForUpdatesEx' ? [] : undefined));
  assert.deepEqual(said(await next()), { isWhole: true, hasMore: false, names: [] });
  await end();
});

test('one that answers at once, though nothing changed, is not asked without end', async () => {
  const { next, end, asked } = await stream((method, body) => {
    if (method !== 'WaitForUpdatesEx') return undefined;
    return body.includes('<version></version>') ? updateSet('1', ['a']) : [];
  });
  await next();
  const waiting = next().catch(() => null);
  await sleep(500);
  const questions = asked.filter((method) => method === 'WaitForUpdatesEx').length;
  assert.ok(questions >= 2 && questions <= 11, `asked ${questions} times`);
  vcenter?.stop();
  const trouble = await waiting;
  assert.ok(trouble !== null && 'trouble' in trouble, JSON.stringify(trouble));
  await end();
});

test('one that falls silent is trouble after its time, what was made there is given back, and all is told anew', async () => {
  let isSilent = false;
  const { next, end, asked } = await stream(
    (method) => {
      if (method !== 'WaitForUpdatesEx') return undefined;
      if (isSilent) return null;
      isSilent = true;
      return updateSet('1', ['a']);
    },
    { waitSeconds: 0, timeoutMs: 300 },
  );
  await next();
  const trouble = await next();
  assert.ok('trouble' in trouble && trouble.trouble.kind === 'interrupted', JSON.stringify(trouble));
  assert.deepEqual(asked.slice(-2), ['DestroyPropertyCollector', 'DestroyView']);
  isSilent = false;
  assert.deepEqual(said(await next()), { isWhole: true, hasMore: false, names: ['a'] });
  await end();
});

test('one that refuses again and again is asked ever more rarely, and nothing of ours is left there', async () => {
  const rests: number[] = [];
  const { next, end, asked } = await stream(
    (method) => (method === 'CreateFilter' ? scriptedFault('NoPermission') : undefined),
    { sleep: async (ms) => await Promise.resolve(void rests.push(ms)) },
  );
  const tries = 16;
  for (let tried = 0; tried < tries; tried += 1) {
    const trouble = await next();
    assert.ok('trouble' in trouble && trouble.trouble.fault === 'NoPermission', JSON.stringify(trouble));
  }
  assert.deepEqual(rests.slice(0, 4), [10, 20, 40, 80]);
  assert.equal(rests.at(-1), 60_000);
  const count = (name: string): number => asked.filter((method) => method === name).length;
  assert.deepEqual(
    ['CreateContainerView', 'DestroyView', 'CreatePropertyCollector', 'DestroyPropertyCollector'].map(count),
    [tries, tries, tries, tries],
  );
  await end();
});

test('it ends at once, in the middle of a long wait', async () => {
  const { next, end } = await stream(
    (method, body) => {
      if (method !== 'WaitForUpdatesEx') return undefined;
      return body.includes('<version></version>') ? updateSet('1', ['a']) : null;
    },
    { waitSeconds: 60, timeoutMs: 20_000 },
  );
  await next();
  const beganMs = performance.now();
  const waiting = next().catch(() => null);
  await sleep(100);
  const ended = end();
  await waiting;
  await ended;
  assert.ok(performance.now() - beganMs < 1000);
});
