// The paths of NSX's two APIs that a simulated NSX manager knows, and what it does at each.
import type { Json } from '../../kit/canonical-json.ts';
import { asObject, asText, type JsonObject } from '../../kit/json-object.ts';
import { answerCaptures, portIdOf } from './nsx-capture-routes.ts';
import { checkGroup, checkId, checkPolicy, checkRedirection, checkTags, checkVmTags } from './nsx-checks.ts';
import { badRequest, NsxError, notFound, type NsxReply } from './nsx-error.ts';
import {
  hostId,
  type Intent,
  type IntentKind,
  intentPath,
  type NsxWorld,
  type SimulatedTag,
  type SimulatedVm,
} from './nsx-world.ts';

export interface NsxRequest {
  readonly method: string;
  /** Decoded, without the root of the API. */
  readonly parts: readonly string[];
  readonly api: 'policy' | 'inventory';
  readonly query: URLSearchParams;
  readonly body: JsonObject | null;
  readonly accept: string;
}

export function answerNsx(world: NsxWorld, request: NsxRequest): NsxReply {
  world.settle();
  const { api, parts, method } = request;
  const path = parts.join('/');
  const captured = answerCaptures(world, request);
  if (captured !== null) return captured;
  if (api === 'inventory' && path === 'fabric/virtual-machines') return answerVms(world, request);
  if (api === 'inventory' && path === 'fabric/vifs' && method === 'GET')
    return list(request, interfacesOf(world, request));
  if (api !== 'policy') throw notFound(`/${path}`);
  if (path === 'search/query' && method === 'GET') return list(request, portsOf(world, request));
  if (path === 'infra/settings/firewall/security') return only(request, { enable_firewall: world.isFirewallOn });
  if (path === 'infra/settings/firewall/security/exclude-list') return only(request, { members: [...world.excluded] });
  if (path === 'infra/settings/service-insertion/security/exclude-list')
    return only(request, { members: [...world.unredirected] });
  if (path.startsWith('infra/service-chains/')) return answerChain(world, request, `/${path}`);
  if (path === 'infra/virtual-machine-group-associations') return list(request, associations(world, request));
  if (path === 'infra/realized-state/status')
    return only(request, statusOf(world, request.query.get('intent_path') ?? ''));
  const [infra, domains, domain, kind, id, ...rest] = parts;
  if (infra !== 'infra' || domains !== 'domains' || domain !== 'default') throw notFound(`/${path}`);
  if (kind === 'groups' && id !== undefined) {
    if (rest.length === 0) return answerIntent(world, 'groups', id, request);
    if (rest.join('/') === 'members/virtual-machines') return list(request, membersOf(world, id));
  }
  if (kind === 'security-policies' && rest.length === 0) return answerPolicies(world, 'policies', id, request);
  if (kind === 'redirection-policies' && rest.length === 0) return answerPolicies(world, 'redirections', id, request);
  throw notFound(`/${path}`);
}

function answerPolicies(
  world: NsxWorld,
  kind: 'policies' | 'redirections',
  id: string | undefined,
  request: NsxRequest,
): NsxReply {
  if (id !== undefined) return answerIntent(world, kind, id, request);
  const isShown = ({ isGoing }: Intent): boolean =>
    !isGoing || request.query.get('include_mark_for_delete_objects') === 'true';
  // Rules are shown with the policy itself only.
  const all = [...world[kind].values()].filter(isShown);
  return list(
    request,
    all.map((intent) => ({ ...shown(intent), rules: undefined })),
  );
}

function answerChain(world: NsxWorld, request: NsxRequest, path: string): NsxReply {
  const chain = world.chains.get(path);
  if (chain === undefined) throw notFound(path);
  return only(request, { ...chain, resource_type: 'PolicyServiceChain', path });
}

function answerVms(world: NsxWorld, request: NsxRequest): NsxReply {
  const { method, query, body } = request;
  const wanted = query.get('external_id');
  if (method === 'GET') {
    const vms = [...world.vms.values()].filter(({ externalId }) => wanted === null || externalId === wanted);
    return list(request, vms.map(shownVm));
  }
  const action = query.get('action');
  if (method !== 'POST' || !['add_tags', 'remove_tags', 'update_tags'].includes(action ?? ''))
    throw badRequest('Invalid action');
  const tags = checkTags(body?.['tags']);
  const vm = world.vms.get(asText(body?.['external_id']) ?? '');
  if (vm === undefined) throw notFound('the virtual machine');
  const isNamed = (own: SimulatedTag): boolean => tags.some(({ scope, tag }) => scope === own.scope && tag === own.tag);
  const others = vm.tags.filter((own) => !isNamed(own));
  const next = action === 'update_tags' ? tags : action === 'add_tags' ? [...others, ...tags] : others;
  checkVmTags(next);
  world.setTags(vm, next);
  return { status: 204, body: null };
}

function answerIntent(world: NsxWorld, kind: IntentKind, id: string, request: NsxRequest): NsxReply {
  const { method, query, body } = request;
  checkId(id);
  const found = world[kind].get(id);
  const path = intentPath(kind, id);
  if (method === 'PUT') {
    if (body === null) throw badRequest('There is no body');
    if (found?.isGoing === true) throw badRequest(`${path} is marked for delete`);
    checkRevision(found, body, path);
    if (kind === 'groups') checkGroup(body);
    else if (kind === 'policies') checkPolicy(body, world);
    else checkRedirection(body, world);
    checkRules(found, body);
    return { status: 200, body: shown(world.write(kind, id, bare(body))) };
  }
  if (found === undefined || found.isGoing) throw notFound(path);
  if (method === 'GET') return { status: 200, body: shown(found) };
  if (method === 'DELETE') {
    const users = kind === 'groups' ? world.usersOf(path) : [];
    if (users.length > 0) throw new NsxError(400, 500_030, `The object ${path} is used by ${users.join(', ')}`);
    world.remove(found);
    return { status: 200, body: null };
  }
  if (method === 'POST' && kind === 'policies' && query.get('action') === 'revise') {
    checkRevision(found, body ?? {}, path);
    return { status: 200, body: shown(putFirst(world, found)) };
  }
  throw new NsxError(405, 405, 'Method not allowed');
}

/** Before all others of its category, which move back. */
function putFirst(world: NsxWorld, first: Intent): Intent {
  for (const [id, other] of world.policies) {
    if (other === first || other.wanted['category'] !== first.wanted['category']) continue;
    const number = other.wanted['sequence_number'];
    world.write('policies', id, { ...other.wanted, sequence_number: (typeof number === 'number' ? number : 0) + 1 });
  }
  return world.write('policies', first.path.split('/').at(-1) ?? '', { ...first.wanted, sequence_number: 0 });
}

function checkRevision(found: Intent | undefined, body: JsonObject, path: string): void {
  if (found !== undefined && body['_revision'] !== found.revision)
    throw new NsxError(412, 604, `The object ${path} has been modified by somebody else. Please retry.`);
}

/** A rule that stands already is replaced by one that names its revision, which here is the policy's. */
function checkRules(found: Intent | undefined, body: JsonObject): void {
  const before = new Set(rulesOf(found?.wanted).map((rule) => rule['id']));
  const stale = rulesOf(body).find((rule) => before.has(rule['id']) && rule['_revision'] !== found?.revision);
  if (stale !== undefined) throw new NsxError(412, 604, 'A rule of the policy has been modified by somebody else.');
}

function rulesOf(policy: JsonObject | undefined): readonly JsonObject[] {
  const rules = policy?.['rules'];
  return Array.isArray(rules) ? rules.map((rule: Json) => asObject(rule)).filter((rule) => rule !== null) : [];
}

/** Revisions are the server's. */
function bare(body: JsonObject): JsonObject {
  const { rules } = body;
  const without = { ...body, _revision: undefined };
  return rules === undefined
    ? without
    : { ...without, rules: rulesOf(body).map((rule) => ({ ...rule, _revision: undefined })) };
}

function shown({ path, wanted, revision, isGoing }: Intent): JsonObject {
  const rules =
    wanted['rules'] === undefined ? {} : { rules: rulesOf(wanted).map((rule) => ({ ...rule, _revision: revision })) };
  return {
    ...wanted,
    ...rules,
    id: path.split('/').at(-1) ?? '',
    path,
    _revision: revision,
    marked_for_delete: isGoing,
  };
}

function statusOf(world: NsxWorld, path: string): JsonObject {
  const intents = [...world.groups.values(), ...world.policies.values(), ...world.redirections.values()];
  const intent = intents.find((each) => each.path === path);
  if (intent === undefined || intent.isGoing) throw notFound(path);
  const isDone = intent.realised?.revision === intent.revision;
  return {
    intent_path: path,
    publish_status: isDone ? 'REALIZED' : 'UNREALIZED',
    consolidated_status: { consolidated_status: isDone ? 'SUCCESS' : 'IN_PROGRESS' },
    ...(intent.realised === null ? {} : { intent_version: String(intent.realised.revision) }),
  };
}

function membersOf(world: NsxWorld, id: string): readonly JsonObject[] {
  const group = world.groups.get(id);
  if (group === undefined || group.isGoing) throw notFound(`the group ${id}`);
  return world.members(group.path).map(shownVm);
}

function associations(world: NsxWorld, { query }: NsxRequest): readonly JsonObject[] {
  const vm = world.vms.get(query.get('vm_external_id') ?? '');
  return vm === undefined ? [] : world.groupsOf(vm).map((path) => ({ target_type: 'Group', target_id: path, path }));
}

function shownVm(vm: SimulatedVm): JsonObject {
  const ids = [
    ...(vm.instanceUuid === null ? [] : [`instanceUuid:${vm.instanceUuid}`]),
    ...(vm.biosUuid === null ? [] : [`biosUuid:${vm.biosUuid}`]),
    `externalId:${vm.externalId}`,
  ];
  return {
    resource_type: 'VirtualMachine',
    display_name: vm.name,
    external_id: vm.externalId,
    type: vm.type,
    power_state: vm.power,
    host_id: hostId,
    source: { target_display_name: 'esx-1.example', target_type: 'HostNode' },
    compute_ids: ids,
    guest_info: { os_name: 'Debian GNU/Linux 12 (64-bit)' },
    tags: vm.tags.map((tag) => ({ ...tag })),
  };
}

function interfacesOf(world: NsxWorld, { query }: NsxRequest): readonly JsonObject[] {
  const owner = query.get('owner_vm_id');
  const vms = [...world.vms.values()].filter(({ externalId }) => owner === null || externalId === owner);
  return vms.flatMap((vm) =>
    vm.cards.map((card) => ({
      resource_type: 'VirtualNetworkInterface',
      external_id: `${vm.externalId}-${card.deviceKey}`,
      owner_vm_id: vm.externalId,
      device_key: card.deviceKey,
      mac_address: card.mac,
      ip_address_info: [{ source: 'VM_TOOLS', ip_addresses: card.addresses }],
      ...(card.attachment === null ? {} : { lport_attachment_id: card.attachment }),
    })),
  );
}

/** All, or the one that is attached there: more of the search language it does not know. */
function portsOf(world: NsxWorld, { query }: NsxRequest): readonly JsonObject[] {
  const asked = /^resource_type:SegmentPort(?: AND attachment\.id:"((?:[^"\\]|\\.)*)")?$/.exec(
    query.get('query') ?? '',
  );
  if (asked === null) throw badRequest('Invalid query');
  const wanted = asked[1]?.replaceAll(/\\(.)/g, '$1');
  const found = [...world.segments].filter(([attachment]) => wanted === undefined || attachment === wanted);
  return found.map(([attachment, segment]) => ({
    resource_type: 'SegmentPort',
    unique_id: portIdOf(attachment),
    attachment: { id: attachment },
    parent_path: `/infra/segments/${segment}`,
  }));
}

function only({ method }: NsxRequest, body: JsonObject): NsxReply {
  if (method !== 'GET') throw new NsxError(405, 405, 'Method not allowed');
  return { status: 200, body };
}

/** A page of what there is. The cursor is opaque to whoever asks. */
function list({ query }: NsxRequest, all: readonly JsonObject[]): NsxReply {
  const size = Number(query.get('page_size') ?? '1000');
  if (!Number.isInteger(size) || size < 1 || size > 1000) throw badRequest('page_size is out of range');
  const said = query.get('cursor');
  const from = said === null ? 0 : Number(/^at-(\d{1,7})$/.exec(said)?.[1] ?? Number.NaN);
  if (Number.isNaN(from)) throw badRequest('Invalid cursor');
  const next = from + size < all.length ? { cursor: `at-${from + size}` } : {};
  return { status: 200, body: { results: all.slice(from, from + size), result_count: all.length, ...next } };
}
