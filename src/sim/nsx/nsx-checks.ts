// What a simulated NSX manager turns down: bodies that are not of the form that the API reference gives.
// Source: NSX-T Data Center REST API, types Group, Condition, SecurityPolicy, Rule, ServiceEntry, Tag.
import type { Json } from '../../kit/canonical-json.ts';
import { asList, asObject, asText, type JsonObject } from '../../kit/json-object.ts';
import { parseBlock } from '../../connectors/enforcement/address-block.ts';
import { badRequest } from './nsx-error.ts';
import type { NsxWorld, SimulatedTag } from './nsx-world.ts';

const common = ['_revision', 'id', 'path', 'resource_type', 'display_name', 'description', 'tags', 'marked_for_delete'];
const groupFields = [...common, 'expression'];
const policyFields = [...common, 'category', 'sequence_number', 'stateful', 'tcp_strict', 'rules', 'scope', 'locked'];
const redirectionFields = [...common, 'sequence_number', 'stateful', 'redirect_to', 'rules', 'scope'];
const matchFields = ['direction', 'ip_protocol', 'source_groups', 'sources_excluded', 'destination_groups', 'scope'];
const ruleOnlyFields = ['action', 'destinations_excluded', 'services', 'service_entries', 'disabled', 'logged', 'tag'];
const ruleFields = [...common, ...matchFields, ...ruleOnlyFields, 'sequence_number'];
const entryFields: Readonly<Record<string, readonly string[]>> = {
  L4PortSetServiceEntry: ['l4_protocol', 'source_ports', 'destination_ports'],
  IPProtocolServiceEntry: ['protocol_number'],
  ICMPTypeServiceEntry: ['protocol', 'icmp_type'],
};
const tagsPerVmMax = 30;
const groupPath = /^\/infra\/domains\/default\/groups\/[^/]+$/;

/** Ids are part of a path: no separators, nothing that NSX's search language knows. */
export function checkId(id: string): void {
  if (id === '' || id.length > 255 || /["/;|=,~@\\\s]/.test(id))
    throw badRequest(`Invalid identifier ${id.slice(0, 40)}`);
}

export function checkGroup(body: JsonObject): void {
  checkFields(body, groupFields, 'Group');
  checkTags(body['tags']);
  const expression = asList(body['expression'], 5).map((each) => asObject(each));
  if (expression.length === 0) throw badRequest('A group needs an expression');
  for (const condition of expression) {
    const said = ['resource_type', 'member_type', 'key', 'operator', 'value'].map((field) => condition?.[field]);
    const isGood =
      condition !== null &&
      said.every((value) => typeof value === 'string') &&
      condition['resource_type'] === 'Condition' &&
      (asText(condition['value']) ?? '').split('|').length === 2;
    if (!isGood) throw badRequest('Invalid condition of a group');
  }
}

export function checkPolicy(body: JsonObject, world: NsxWorld): void {
  checkFields(body, policyFields, 'SecurityPolicy');
  checkTags(body['tags']);
  const category = asText(body['category']);
  if (!['Emergency', 'Infrastructure', 'Environment', 'Application'].includes(category ?? 'Application'))
    throw badRequest(`There is no category ${category}`);
  if (numberOf(body['sequence_number'] ?? 0) < 0) throw badRequest('sequence_number is negative');
  const ids = new Set<string>();
  for (const rule of asList(body['rules'], 1000).map((each) => asObject(each))) {
    if (rule === null) throw badRequest('A rule is no object');
    checkRule(rule, world);
    const id = asText(rule['id']) ?? '';
    if (ids.has(id)) throw badRequest(`There are two rules ${id}`);
    ids.add(id);
  }
}

/** Between VMs: a scope is for what is redirected at a gateway. */
export function checkRedirection(body: JsonObject, world: NsxWorld): void {
  checkFields(body, redirectionFields, 'RedirectionPolicy');
  checkTags(body['tags']);
  const to = textsOf(body['redirect_to']);
  const [chain = ''] = to;
  if (to.length !== 1 || !world.chains.has(chain)) throw badRequest(`The path ${chain.slice(0, 200)} is invalid`);
  if (body['scope'] !== undefined) throw badRequest('The scope must not be given for redirection to a service chain');
  for (const rule of asList(body['rules'], 1000).map((each) => asObject(each))) {
    if (rule === null) throw badRequest('A rule is no object');
    checkFields(rule, ruleFields, 'RedirectionRule');
    checkId(asText(rule['id']) ?? '');
    if (!['REDIRECT', 'DO_NOT_REDIRECT'].includes(asText(rule['action']) ?? ''))
      throw badRequest('A rule has no action');
    checkMatch(rule, world);
  }
}

function checkRule(rule: JsonObject, world: NsxWorld): void {
  checkFields(rule, ruleFields, 'Rule');
  checkId(asText(rule['id']) ?? '');
  if (!['ALLOW', 'DROP', 'REJECT'].includes(asText(rule['action']) ?? '')) throw badRequest('A rule has no action');
  checkMatch(rule, world);
  const scope = textsOf(rule['scope'] ?? ['ANY']);
  if (scope.length === 0 || scope.some((path) => path !== 'ANY' && !isGroup(path, world)))
    throw badRequest(`The path ${scope.join(', ').slice(0, 200)} is invalid`);
  const [services, entries] = [textsOf(rule['services'] ?? []), asList(rule['service_entries'], 50)];
  if (services.includes('ANY') ? services.length > 1 : services.length + entries.length === 0)
    throw badRequest('ANY is the only service where it is given, and something has to be');
  for (const entry of entries) checkEntry(asObject(entry));
}

function checkMatch(rule: JsonObject, world: NsxWorld): void {
  if (!['IN', 'OUT', 'IN_OUT'].includes(asText(rule['direction']) ?? 'IN_OUT')) throw badRequest('Invalid direction');
  if (!['IPV4', 'IPV6', 'IPV4_IPV6'].includes(asText(rule['ip_protocol']) ?? 'IPV4'))
    throw badRequest('Invalid protocol');
  if ((asText(rule['tag']) ?? '').length > 32) throw badRequest('The tag of a rule is too long');
  for (const side of ['source', 'destination'] as const) checkPlaces(rule, side, world);
}

function checkPlaces(rule: JsonObject, side: 'source' | 'destination', world: NsxWorld): void {
  const places = textsOf(rule[`${side}_groups`]);
  const isExcluded = rule[`${side}s_excluded`] === true;
  if (places.length === 0 || places.length > 128) throw badRequest(`${side}_groups is empty or too long`);
  if (places.includes('ANY') && (places.length > 1 || isExcluded)) throw badRequest('ANY is used with other values');
  const wrong = places.find((place) => place !== 'ANY' && !isGroup(place, world) && parseBlock(place) === null);
  if (wrong !== undefined) throw badRequest(`${wrong.slice(0, 100)} is neither a path nor an address`);
}

function checkEntry(entry: JsonObject | null): void {
  const type = asText(entry?.['resource_type']) ?? '';
  const fields = entryFields[type];
  if (entry === null || fields === undefined) throw badRequest('Invalid service entry');
  checkFields(entry, [...common, ...fields], type);
  const ports = [...textsOf(entry['source_ports'] ?? []), ...textsOf(entry['destination_ports'] ?? [])];
  if (ports.some((port) => !/^\d{1,5}$/.test(port) || Number(port) > 65_535)) throw badRequest('Invalid port');
  if (type === 'L4PortSetServiceEntry' && !['TCP', 'UDP'].includes(asText(entry['l4_protocol']) ?? ''))
    throw badRequest('Invalid l4_protocol');
}

/** As they may stand on anything. */
export function checkTags(said: Json | undefined): readonly SimulatedTag[] {
  if (said === undefined) return [];
  if (!Array.isArray(said)) throw badRequest('tags is no list');
  return asList(said, 1000).map((each) => {
    const [scope, tag] = [asText(asObject(each)?.['scope'] ?? ''), asText(asObject(each)?.['tag'] ?? '')];
    if (scope === null || tag === null || scope.length > 128 || tag.length > 256) throw badRequest('Invalid tag');
    return { scope, tag };
  });
}

export function checkVmTags(tags: readonly SimulatedTag[]): void {
  if (tags.length > tagsPerVmMax) throw badRequest(`A virtual machine has ${tagsPerVmMax} tags at most`);
}

function checkFields(body: JsonObject, known: readonly string[], type: string): void {
  const unknown = Object.keys(body).find((field) => !known.includes(field));
  if (unknown !== undefined) throw badRequest(`Unrecognized field ${unknown.slice(0, 40)} in ${type}`);
  if ((asText(body['resource_type']) ?? type) !== type) throw badRequest(`This is no ${type}`);
  if ((asText(body['display_name']) ?? '').length > 255) throw badRequest('display_name is too long');
  if ((asText(body['description']) ?? '').length > 1024) throw badRequest('description is too long');
}

function isGroup(path: string, world: NsxWorld): boolean {
  return groupPath.test(path) && [...world.groups.values()].some((group) => group.path === path && !group.isGoing);
}

function textsOf(said: Json | undefined): readonly string[] {
  const list = asList(said, 1000);
  if (!Array.isArray(said) || list.some((text) => typeof text !== 'string'))
    throw badRequest('A list of texts is none');
  return list.flatMap((text) => asText(text) ?? []);
}

function numberOf(said: Json): number {
  if (typeof said !== 'number') throw badRequest('A number is none');
  return said;
}
