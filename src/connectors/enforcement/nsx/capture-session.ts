// Packet capture sessions of an NSX manager: begun at one port of one host, kept by NSX when they end, handed out as a file, and taken
// away again. Up to NSX 4 they belong to the manager's own API, from NSX 9 on to its policy API.
// Source: NSX-T Data Center REST API, PacketCaptureRequest, PacketCaptureSession, "Get packet capture file" (3.x, 4.x); PktCaptureSession,
// "Delete the packet capture session by session id" (9.1), feature tools_packet_capture.
import { asObject, asText, type JsonObject } from '../../../kit/json-object.ts';
import { problem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { NsxResult } from '../../../protocols/nsx/nsx-answer.ts';
import type { NsxClient } from '../../../protocols/nsx/nsx-client.ts';
import { listNsx } from '../../../protocols/nsx/nsx-list.ts';
import { inventoryPath, type NsxPath, policyPath } from '../../../protocols/nsx/nsx-path.ts';

/** Which of NSX's two APIs has the sessions. */
export type CaptureApi = 'manager' | 'policy';

/** Where packets are captured. */
export interface CapturePoint {
  readonly api: CaptureApi;
  /** Transport node: the host that the VM runs on. */
  readonly node: string;
  /** NSX's id of the port. */
  readonly value: string;
}

export interface CaptureSession {
  readonly id: string;
  readonly state: 'running' | 'ended' | 'failed';
  /** As NSX says; null = it does not. */
  readonly fileBytes: number | null;
  /** What was asked for, as NSX repeats it. */
  readonly request: JsonObject;
  /** Milliseconds since the epoch, by NSX's clock; null = it does not say. */
  readonly startedMs: number | null;
  /** NSX's own words about what went wrong. */
  readonly words: string;
}

const policyFrom = 9;
const sessionsPagesMax = 2;
const clocksApartMs = 10 * 60_000;
/** A record's header and the smallest frame: no more packets than that fit into so many bytes. */
const packetBytesMin = 16 + 60;
const sessionId = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** By the version that the manager says it is. */
export async function captureApi(client: NsxClient): Promise<Result<CaptureApi>> {
  const version = await client.ask('GET', inventoryPath(['node', 'version']));
  if (!version.ok) return version;
  const said = asText(version.value['node_version']) ?? asText(version.value['product_version']) ?? '';
  const major = Number(/^(\d{1,4})\./.exec(said)?.[1] ?? Number.NaN);
  if (Number.isNaN(major)) return fail(problem('unreadable', `${client.place} does not say of what version it is.`));
  return ok(major >= policyFrom ? 'policy' : 'manager');
}

/** What NSX calls the port that a card is attached to; null = it knows none. */
export async function portAt(client: NsxClient, api: CaptureApi, attachment: string): Promise<Result<string | null>> {
  const where =
    api === 'manager'
      ? inventoryPath(['logical-ports'], { attachment_id: attachment })
      : policyPath(['search', 'query'], { query: `resource_type:SegmentPort AND attachment.id:${quoted(attachment)}` });
  const listed = await listNsx(client, where, 1);
  if (!listed.ok) return listed;
  const port = listed.value.items.find((each) => {
    const attached = asObject(each['attachment']);
    return (asText(attached?.['id']) ?? asText(each['attachment_id'])) === attachment;
  });
  return ok(asText(port?.[api === 'manager' ? 'id' : 'unique_id']));
}

/** In NSX's search language a text in quotes is itself; only these two end it. */
function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

export interface CaptureLimits {
  readonly seconds: number;
  readonly bytes: number;
}

export async function beginSession(
  client: NsxClient,
  point: CapturePoint,
  limits: CaptureLimits,
): Promise<NsxResult<CaptureSession>> {
  const begun = await client.ask('POST', sessionsAt(point.api, ['session']), requestFor(point, limits));
  return begun.ok ? readAs(client, begun.value) : begun;
}

function requestFor({ api, node, value }: CapturePoint, { seconds, bytes }: CaptureLimits): JsonObject {
  return {
    node,
    capsource: 'UI',
    cappoint: api === 'manager' ? 'LOGICALPORT' : 'SEGMENTPORT',
    capvalue: value,
    direction: 'DUAL',
    capmode: 'STANDALONE',
    capduration: seconds,
    capamount: Math.max(1, Math.floor(bytes / packetBytesMin)),
  };
}

/** Whether it is what was asked for then: nobody else asks for just so many packets of that port. */
export function isSessionOf(
  { request, startedMs }: CaptureSession,
  point: CapturePoint,
  limits: CaptureLimits,
  beganMs: number,
): boolean {
  const wanted = requestFor(point, limits);
  const fields = ['node', 'capvalue', 'capduration', 'capamount'];
  return fields.every((field) => request[field] === wanted[field]) && (startedMs ?? 0) >= beganMs - clocksApartMs;
}

/** Null = NSX knows no such session. */
export async function readSession(
  client: NsxClient,
  api: CaptureApi,
  id: string,
): Promise<Result<CaptureSession | null>> {
  const read = await client.ask('GET', sessionsAt(api, ['session', id]));
  if (!read.ok) return read.error.status === 404 ? ok(null) : read;
  return readAs(client, read.value);
}

export async function listSessions(client: NsxClient, api: CaptureApi): Promise<Result<readonly CaptureSession[]>> {
  const listed = await listNsx(client, sessionsAt(api, ['sessions']), sessionsPagesMax);
  if (!listed.ok) return listed;
  return ok(listed.value.items.flatMap((item) => sessionOf(item) ?? []));
}

/** What has ended already is left as it is. */
export async function endSession(client: NsxClient, api: CaptureApi, id: string): Promise<Result<void>> {
  const ended = await client.ask('POST', sessionsAt(api, ['session', id], { action: 'terminate' }));
  return ended.ok || ended.error.status === 404 || ended.error.status === 400 ? ok(undefined) : ended;
}

/** With its file; one that runs still is not. */
export async function deleteSession(client: NsxClient, api: CaptureApi, id: string): Promise<Result<void>> {
  const deleted =
    api === 'policy'
      ? await client.ask('DELETE', sessionsAt(api, ['session', id]))
      : await client.ask('POST', sessionsAt(api, ['session', id], { action: 'delete' }));
  return deleted.ok || deleted.error.status === 404 ? ok(undefined) : deleted;
}

/** The file lies on the node of the manager that began the session, and no other has it. */
export function fileAt(api: CaptureApi, id: string): NsxPath {
  return sessionsAt(api, ['session', id, api === 'policy' ? 'CapturedFile' : 'capturefile']);
}

function sessionsAt(api: CaptureApi, parts: readonly string[], query: Readonly<Record<string, string>> = {}): NsxPath {
  return api === 'manager'
    ? inventoryPath(['pktcap', ...parts], query)
    : policyPath(['infra', 'pktcap', ...parts], query);
}

function readAs({ place }: NsxClient, said: JsonObject): NsxResult<CaptureSession> {
  const session = sessionOf(said);
  if (session !== null) return ok(session);
  const why = problem('unreadable', `${place} answered about a packet capture session without naming it.`);
  return fail({ ...why, status: null, code: null });
}

/** Null for what names no session that could be asked about. */
export function sessionOf(said: JsonObject): CaptureSession | null {
  const id = asText(said['sessionid']);
  if (id === null || !sessionId.test(id)) return null;
  return {
    id,
    state: stateOf((asText(said['sessionstatus']) ?? '').toUpperCase()),
    fileBytes: countAt(said, 'filesize'),
    request: asObject(said['request']) ?? {},
    startedMs: countAt(said, 'starttime'),
    words: (asText(said['errormsg']) ?? '').replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, 300),
  };
}

/** What NSX may call a state grows from version to version: what is not known to have ended runs. */
function stateOf(status: string): CaptureSession['state'] {
  if (['FINISHED', 'STOPPED', 'TERMINATED', 'DELETED'].includes(status)) return 'ended';
  return ['ERROR', 'FAILED'].includes(status) ? 'failed' : 'running';
}

function countAt(said: JsonObject, field: string): number | null {
  const value = said[field];
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
