// Properties of objects in a vCenter, page by page and bounded, and the end of a task: read with the property collector.
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import { childOf, childrenOf, textAt, type XmlElement } from '../xml/xml-element.ts';
import { xml, type XmlText } from '../xml/xml-text.ts';
import type { VimClient } from './vim-client.ts';
import { faultProblem, type ManagedObject, readReference, reference, typeOf, type VimResult } from './vim-message.ts';

export interface ObjectProperties {
  readonly object: ManagedObject;
  /** By path; what is not set is absent. */
  readonly values: ReadonlyMap<string, XmlElement>;
}

export interface Listed {
  readonly objects: readonly ObjectProperties[];
  /** There were more than were asked for. */
  readonly isCut: boolean;
}

const pageObjects = 200;
const objectsMax = 20_000;
const pagesMax = 1000;

/** Properties of one object. */
export async function readProperties(
  client: VimClient,
  object: ManagedObject,
  paths: readonly string[],
): Promise<VimResult<ObjectProperties>> {
  const spec = xml('specSet', [propertySet(object.type, paths), xml('objectSet', [reference('obj', object)])]);
  const listed = await retrieve(client, spec, 1);
  if (!listed.ok) return listed;
  const [first] = listed.value.objects;
  return first === undefined
    ? fail(faultProblem(client.place, `reading ${object.type}`, 'ManagedObjectNotFound', ''))
    : ok(first);
}

/** Properties of several objects, of whichever types; one that is gone fails them all. */
export async function readEach(
  client: VimClient,
  objects: readonly ManagedObject[],
  paths: readonly string[],
): Promise<VimResult<Listed>> {
  if (objects.length === 0) return ok({ objects: [], isCut: false });
  const types = new Set(objects.map(({ type }) => type));
  const spec = xml('specSet', [
    ...[...types].map((type) => propertySet(type, paths)),
    ...objects.map((object) => xml('objectSet', [reference('obj', object)])),
  ]);
  return await retrieve(client, spec, objects.length);
}

/** Properties of every object of a type below the root, as one view at one moment. */
export async function listProperties(
  client: VimClient,
  type: string,
  paths: readonly string[],
  most: number = objectsMax,
): Promise<VimResult<Listed>> {
  const first = await listOnce(client, type, paths, most);
  // The session may end between making the view and reading it; a second try stands on a session just begun.
  return first.ok || first.error.fault !== 'ManagedObjectNotFound' ? first : await listOnce(client, type, paths, most);
}

async function listOnce(
  client: VimClient,
  type: string,
  paths: readonly string[],
  most: number,
): Promise<VimResult<Listed>> {
  const view = await openView(client, type);
  if (!view.ok) return view;
  const listed = await retrieve(client, viewSpec('specSet', view.value, type, paths), most);
  await client.call('DestroyView', view.value, []);
  return listed;
}

/** A view of all objects of a type below the root; it lives as long as the session. */
export async function openView(client: VimClient, type: string): Promise<VimResult<ManagedObject>> {
  const content = await client.content();
  if (!content.ok) return content;
  const made = await client.call('CreateContainerView', content.value.viewManager, [
    reference('container', content.value.rootFolder),
    xml('type', type),
    xml('recursive', 'true'),
  ]);
  if (!made.ok) return made;
  return needed(client, readReference(childOf(made.value, 'returnval')), 'CreateContainerView');
}

/** What of the objects in a view is meant: a PropertyFilterSpec. */
export function viewSpec(name: string, view: ManagedObject, type: string, paths: readonly string[]): XmlText {
  const along = xml(
    'selectSet',
    [xml('name', 'view'), xml('type', 'ContainerView'), xml('path', 'view'), xml('skip', 'false')],
    { 'xsi:type': 'TraversalSpec' },
  );
  return xml(name, [propertySet(type, paths), xml('objectSet', [reference('obj', view), xml('skip', 'true'), along])]);
}

function propertySet(type: string, paths: readonly string[]): XmlText {
  return xml('propSet', [xml('type', type), ...paths.map((path) => xml('pathSet', path))]);
}

async function retrieve(client: VimClient, spec: XmlText, most: number): Promise<VimResult<Listed>> {
  const content = await client.content();
  if (!content.ok) return content;
  const { propertyCollector } = content.value;
  const options = xml('options', [xml('maxObjects', String(Math.min(pageObjects, most)))]);
  let page = await client.call('RetrievePropertiesEx', propertyCollector, [spec, options]);
  const objects: ObjectProperties[] = [];
  for (let pages = 1; ; pages += 1) {
    if (!page.ok) return page;
    const result = childOf(page.value, 'returnval');
    for (const each of childrenOf(result, 'objects')) {
      const read = readObject(each);
      if (read !== null) objects.push(read);
    }
    const token = textAt(result, 'token') ?? '';
    if (token === '') return ok({ objects: objects.slice(0, most), isCut: objects.length > most });
    if (objects.length >= most || pages >= pagesMax) {
      await client.call('CancelRetrievePropertiesEx', propertyCollector, [xml('token', token)]);
      return ok({ objects: objects.slice(0, most), isCut: true });
    }
    page = await client.call('ContinueRetrievePropertiesEx', propertyCollector, [xml('token', token)]);
  }
}

function readObject(each: XmlElement): ObjectProperties | null {
  const object = readReference(childOf(each, 'obj'));
  if (object === null) return null;
  return { object, values: readValues(childrenOf(each, 'propSet')) };
}

/** Pairs of `name` and `val`. */
export function readValues(pairs: readonly XmlElement[]): ReadonlyMap<string, XmlElement> {
  const values = new Map<string, XmlElement>();
  for (const pair of pairs) {
    const [name, value] = [textAt(pair, 'name'), childOf(pair, 'val')];
    if (name !== null && value !== null) values.set(name, value);
  }
  return values;
}

export interface TaskPatience {
  readonly deadlineMs: number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly monotonic: () => number;
}

/** Calls a method that answers with a task, and waits for its end: its result, or its fault. */
export async function runTask(
  client: VimClient,
  method: string,
  on: ManagedObject,
  args: readonly (XmlText | null)[],
  patience: TaskPatience,
): Promise<VimResult<XmlElement | null>> {
  const begun = await client.call(method, on, args);
  if (!begun.ok) return begun;
  const task = needed(client, readReference(childOf(begun.value, 'returnval')), method);
  if (!task.ok) return task;
  const deadline = patience.monotonic() + patience.deadlineMs;
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 2, 1000)) {
    const read = await readProperties(client, task.value, ['info.state', 'info.result', 'info.error']);
    if (!read.ok) return read;
    const state = read.value.values.get('info.state')?.text;
    if (state === 'success') return ok(read.value.values.get('info.result') ?? null);
    if (state === 'error') {
      const error = read.value.values.get('info.error') ?? null;
      const fault = childOf(error, 'fault');
      return fail(
        faultProblem(
          client.place,
          method,
          fault === null ? 'unknown' : typeOf(fault),
          textAt(error, 'localizedMessage') ?? '',
        ),
      );
    }
    if (patience.monotonic() >= deadline) {
      const late = `${client.place} has not ended ${method} within ${patience.deadlineMs} ms.`;
      return fail({ ...problem('interrupted', late, 'It may still end; look at the VM.'), fault: null });
    }
    await patience.sleep(waitMs);
  }
}

export function needed<T>(client: VimClient, value: T | null, method: string): VimResult<T> {
  if (value !== null) return ok(value);
  return fail({ ...problem('unreadable', `${client.place} answered ${method} without what it is for.`), fault: null });
}
