// Tags of a vCenter's objects, which only its REST side knows: one session, one question for all objects, one for each tag.
// Source: vSphere Automation API, cis/session and cis/tagging.
import type { Json } from '../../kit/canonical-json.ts';
import { asList, asObject, asText } from '../../kit/json-object.ts';
import { problem, type Problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { VimClient } from './vim-client.ts';
import type { ManagedObject } from './vim-message.ts';

const tagsMax = 2000;
const objectsMax = 20_000;
const tagPath = '/rest/com/vmware/cis/tagging';

/** Names of the tags on each object, by the object's id. Objects without tags are left out. */
export async function readAttachedTags(
  client: VimClient,
  objects: readonly ManagedObject[],
): Promise<Result<ReadonlyMap<string, readonly string[]>>> {
  if (objects.length === 0) return ok(new Map());
  const { user, password } = client.credentials;
  const basic = Buffer.from(`${user}:${password}`).toString('base64');
  const session = await ask(client, 'POST', '/rest/com/vmware/cis/session', { authorization: `Basic ${basic}` }, null);
  if (!session.ok) return session;
  const headers = { 'vmware-api-session-id': asText(session.value) ?? '' };
  try {
    const body = JSON.stringify({ object_ids: objects.map(({ type, id }) => ({ type, id })) });
    const path = `${tagPath}/tag-association?~action=list-attached-tags-on-objects`;
    const attached = await ask(client, 'POST', path, headers, body);
    if (!attached.ok) return attached;
    return await named(client, headers, attached.value);
  } finally {
    await client.rest({ method: 'DELETE', path: '/rest/com/vmware/cis/session', headers, body: null });
  }
}

async function named(
  client: VimClient,
  headers: Readonly<Record<string, string>>,
  attached: Json,
): Promise<Result<ReadonlyMap<string, readonly string[]>>> {
  const names = new Map<string, string>();
  const tags = new Map<string, readonly string[]>();
  for (const entry of asList(attached, objectsMax)) {
    const id = asText(asObject(asObject(entry)?.['object_id'])?.['id']);
    const tagIds = asList(asObject(entry)?.['tag_ids'], tagsMax).flatMap((tag) => asText(tag) ?? []);
    if (id === null || tagIds.length === 0) continue;
    for (const tagId of tagIds) {
      if (names.has(tagId)) continue;
      if (names.size >= tagsMax)
        return fail(problem('unreadable', `${client.place} has more than ${tagsMax} tags on its VMs.`));
      const tag = await ask(client, 'GET', `${tagPath}/tag/id:${encodeURIComponent(tagId)}`, headers, null);
      if (!tag.ok) return tag;
      names.set(tagId, asText(asObject(tag.value)?.['name']) ?? tagId);
    }
    tags.set(
      id,
      tagIds.map((tagId) => names.get(tagId) ?? tagId),
    );
  }
  return ok(tags);
}

/** The `value` of an answer. */
async function ask(
  client: VimClient,
  method: 'GET' | 'POST',
  path: string,
  headers: Readonly<Record<string, string>>,
  body: string | null,
): Promise<Result<Json>> {
  const type = body === null ? {} : { 'content-type': 'application/json' };
  const answered = await client.rest({ method, path, headers: { ...headers, ...type }, body });
  if (!answered.ok) return answered;
  const { status, body: text } = answered.value;
  if (status !== 200) return fail(refusal(client, status));
  try {
    const value = asObject(JSON.parse(text) as Json)?.['value'];
    return ok(value ?? null);
  } catch {
    return fail(problem('unreadable', `${client.place} answered a question about tags with no JSON.`));
  }
}

function refusal(client: VimClient, status: number): Problem {
  const mend = status === 401 || status === 403 ? 'Let the account read tags.' : 'Tags exist on a vCenter only.';
  return problem(
    status === 404 ? 'not-found' : 'refused',
    `${client.place} answered a question about tags with HTTP ${status}.`,
    mend,
  );
}
