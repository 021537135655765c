// Changes of objects in a vCenter as they happen: one filter, waited on. When the session has expired or the filter is gone, it
// begins anew and tells the whole state again, so that nothing in between is missed.
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

/** isWhole = everything there is, with which the stream begins and begins anew; then only what changed. */
export type Updates =
  | { readonly isWhole: boolean; readonly updates: readonly ObjectUpdate[] }
  | { readonly isWhole: false; readonly updates: readonly []; readonly trouble: VimProblem };

export interface UpdateOptions {
  readonly type: string;
  readonly paths: readonly string[];
  /** How long one question may wait on the other side. */
  readonly waitSeconds: number;
  /** Before beginning anew after trouble. */
  readonly restMs: number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly signal: AbortSignal;
}

/** Ends when `signal` does. Trouble is told and the stream goes on: it begins anew after a rest. */
export async function* followProperties(client: VimClient, options: UpdateOptions): AsyncGenerator<Updates> {
  while (!options.signal.aborted) {
    const filter = await openFilter(client, options);
    const trouble = filter.ok ? yield* followFilter(client, filter.value, options) : filter.error;
    if (options.signal.aborted) return;
    yield { isWhole: false, updates: [], trouble };
    await options.sleep(options.restMs);
  }
}

interface Filter {
  readonly collector: ManagedObject;
  readonly login: number;
}

async function openFilter(client: VimClient, { type, paths }: UpdateOptions): Promise<VimResult<Filter>> {
  const content = await client.content();
  if (!content.ok) return content;
  // A collector of its own: another's wait on the same one would be cancelled by ours.
  const made = await client.call('CreatePropertyCollector', content.value.propertyCollector, []);
  if (!made.ok) return made;
  const collector = needed(client, readReference(childOf(made.value, 'returnval')), 'CreatePropertyCollector');
  if (!collector.ok) return collector;
  const view = await openView(client, type);
  if (!view.ok) return view;
  const login = client.logins();
  const filter = await client.call('CreateFilter', collector.value, [
    viewSpec('spec', view.value, type, paths),
    xml('partialUpdates', 'false'),
  ]);
  return filter.ok ? ok({ collector: collector.value, login }) : filter;
}

async function* followFilter(
  client: VimClient,
  { collector, login }: Filter,
  { waitSeconds, signal }: UpdateOptions,
): AsyncGenerator<Updates, VimProblem> {
  let version = '';
  for (;;) {
    const answer = await client.call(
      'WaitForUpdatesEx',
      collector,
      [xml('version', version), xml('options', [xml('maxWaitSeconds', String(waitSeconds))])],
      { extraMs: waitSeconds * 1000, signal },
    );
    if (!answer.ok) return answer.error;
    const set = childOf(answer.value, 'returnval');
    // No change within the time.
    if (set === null) continue;
    const isWhole = version === '';
    version = textAt(set, 'version') ?? '';
    yield { isWhole, updates: childrenOf(set, 'filterSet').flatMap(readFilterUpdate) };
    if (client.logins() !== login) return sessionGone(client);
  }
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
