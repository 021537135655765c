// Changes of objects in a vCenter as they happen: one filter, waited on. When the session has expired or the filter is gone, it
// begins anew and tells the whole state again, so that nothing in between is missed.
// Source: vSphere Web Services SDK, PropertyCollector.WaitForUpdatesEx, WaitOptions, UpdateSet.
import { ok } from '../../kit/result.ts';
import { childOf, childrenOf, textAt, type XmlElement } from '../xml/xml-element.ts';
import { xml } from '../xml/xml-text.ts';
import { needed, openView, viewSpec } from './properties.ts';
import type { VimClient } from './vim-client.ts';
import { type ManagedObject, readReference, type VimProblem, type VimResult } from './vim-message.ts';

export interface ObjectUpdate {
  readonly object: ManagedObject;
  readonly kind: 'enter' | 'modify' | 'leave';
  /** By path; null = it is not set any more. */
  readonly values: ReadonlyMap<string, XmlElement | null>;
}

/**
 * isWhole = of everything there is, with which the stream begins and begins anew, a piece at a time; then only what changed.
 * hasMore = another piece of the same follows at once.
 */
export type Updates =
  | { readonly isWhole: boolean; readonly hasMore: boolean; readonly updates: readonly ObjectUpdate[] }
  | { readonly isWhole: false; readonly hasMore: false; readonly updates: readonly []; readonly trouble: VimProblem };

export interface UpdateOptions {
  readonly type: string;
  readonly paths: readonly string[];
  /** How long one question may wait on the other side. */
  readonly waitSeconds: number;
  /** Before beginning anew after trouble; doubled with each time that trouble follows trouble, up to a minute. */
  readonly restMs: number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Objects in one answer: their devices are some tens of kilobytes each. */
const pieceObjects = 100;
/** From an answer to the next question, so that a server which answers at once is not asked without end. */
const breathMs = 50;
const restMsMax = 60_000;
const doublingsMax = 16;

/** Ends when `signal` does. Trouble is told and the stream goes on: it begins anew after a rest. */
export async function* followProperties(client: VimClient, options: UpdateOptions): AsyncGenerator<Updates> {
  const { signal, restMs } = options;
  let failures = 0;
  while (!signal.aborted) {
    const filter = await openFilter(client, options);
    const trouble = filter.ok
      ? yield* followFilter(client, filter.value, options, () => void (failures = 0))
      : filter.error;
    if (filter.ok) await giveBack(client, filter.value, signal);
    if (signal.aborted) return;
    yield { isWhole: false, hasMore: false, updates: [], trouble };
    await rest(Math.min(restMs * 2 ** failures, restMsMax), options);
    failures = Math.min(failures + 1, doublingsMax);
  }
}

/** What lives on the other side as long as the session does. */
interface Kept {
  readonly collector: ManagedObject | null;
  readonly view: ManagedObject;
  readonly login: number;
}

interface Filter extends Kept {
  readonly collector: ManagedObject;
}

async function openFilter(client: VimClient, { type, paths, signal }: UpdateOptions): Promise<VimResult<Filter>> {
  const content = await client.content();
  if (!content.ok) return content;
  const view = await openView(client, type);
  if (!view.ok) return view;
  const login = client.logins();
  // A collector of its own: another's wait on the same one would be cancelled by ours.
  const made = await client.call('CreatePropertyCollector', content.value.propertyCollector, [], { signal });
  const collector = made.ok
    ? needed(client, readReference(childOf(made.value, 'returnval')), 'CreatePropertyCollector')
    : made;
  if (!collector.ok) {
    await giveBack(client, { collector: null, view: view.value, login }, signal);
    return collector;
  }
  const opened = { collector: collector.value, view: view.value, login };
  const filter = await client.call(
    'CreateFilter',
    collector.value,
    [viewSpec('spec', view.value, type, paths), xml('partialUpdates', 'false')],
    { signal },
  );
  if (filter.ok) return ok(opened);
  await giveBack(client, opened, signal);
  return filter;
}

/** Best effort: what is left ends with the session. */
async function giveBack(client: VimClient, { collector, view, login }: Kept, signal: AbortSignal): Promise<void> {
  // In a session begun anew, or one that is about to be closed, there is nothing to give back.
  if (collector !== null && !signal.aborted && client.logins() === login)
    await client.call('DestroyPropertyCollector', collector, [], { signal });
  if (!signal.aborted && client.logins() === login) await client.call('DestroyView', view, [], { signal });
}

async function* followFilter(
  client: VimClient,
  { collector, login }: Filter,
  options: UpdateOptions,
  answered: () => void,
): AsyncGenerator<Updates, VimProblem> {
  const { waitSeconds, signal } = options;
  const limits = xml('options', [
    xml('maxWaitSeconds', String(waitSeconds)),
    xml('maxObjectUpdates', String(pieceObjects)),
  ]);
  let version = '';
  let isWhole = true;
  for (;;) {
    const answer = await client.call('WaitForUpdatesEx', collector, [xml('version', version), limits], {
      extraMs: waitSeconds * 1000,
      signal,
    });
    if (!answer.ok) return answer.error;
    answered();
    const set = childOf(answer.value, 'returnval');
    // Without an update set there was no change within the time; where that is the first answer, there is nothing at all.
    if (set !== null || isWhole) {
      version = textAt(set, 'version') ?? version;
      const hasMore = textAt(set, 'truncated') === 'true';
      yield { isWhole, hasMore, updates: childrenOf(set, 'filterSet').flatMap(readFilterUpdate) };
      isWhole &&= hasMore;
    }
    if (client.logins() !== login) return sessionGone(client);
    await rest(breathMs, options);
  }
}

/** Ends early when the stream is to end. */
async function rest(ms: number, { sleep, signal }: UpdateOptions): Promise<void> {
  if (signal.aborted) return;
  const ended = Promise.withResolvers<void>();
  const end = (): void => ended.resolve();
  signal.addEventListener('abort', end);
  await Promise.race([sleep(ms), ended.promise]);
  signal.removeEventListener('abort', end);
}

function sessionGone(client: VimClient): VimProblem {
  const message = `${client.place} began a new session; its changes are read anew.`;
  return { kind: 'interrupted', message, fault: null };
}

function readFilterUpdate(filterUpdate: XmlElement): readonly ObjectUpdate[] {
  return childrenOf(filterUpdate, 'objectSet').flatMap((each) => {
    const object = readReference(childOf(each, 'obj'));
    const kind = textAt(each, 'kind');
    if (object === null || (kind !== 'enter' && kind !== 'modify' && kind !== 'leave')) return [];
    const values = new Map<string, XmlElement | null>();
    for (const change of childrenOf(each, 'changeSet')) {
      const name = textAt(change, 'name');
      if (name !== null) values.set(name, childOf(change, 'val'));
    }
    return [{ object, kind, values }];
  });
}
