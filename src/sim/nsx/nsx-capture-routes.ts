// Packet capture sessions of a simulated NSX manager, by the paths of versions up to 4 or of 9, whichever it says that it is: begun at a
// port of a known host, ended by time or by word, kept with their file until they are deleted.
// Source: NSX-T Data Center REST API, PacketCaptureRequest, PacketCaptureSession, "terminate any running capture session" before deleting.
import { randomUUID } from 'node:crypto';
import { asText, type JsonObject } from '../../kit/json-object.ts';
import { badRequest, NsxError, notFound, type NsxReply } from './nsx-error.ts';
import type { NsxRequest } from './nsx-routes.ts';
import type { SimulatedSession } from './nsx-session.ts';
import type { NsxWorld } from './nsx-world.ts';

const requestFields = ['node', 'capsource', 'cappoint', 'capvalue', 'direction', 'capmode', 'capduration', 'capamount'];

/** Null = it is no path of these. */
export function answerCaptures(world: NsxWorld, request: NsxRequest): NsxReply | null {
  const { api, parts, method } = request;
  if (api === 'inventory' && parts.join('/') === 'node/version' && method === 'GET')
    return { status: 200, body: { node_version: world.version, product_version: world.version } };
  if (api === 'inventory' && parts.join('/') === 'logical-ports' && method === 'GET')
    return answerPorts(world, request);
  const isPolicy = Number(world.version.split('.')[0]) >= 9;
  const own = isPolicy ? parts.slice(1) : parts;
  if (api !== (isPolicy ? 'policy' : 'inventory') || own[0] !== 'pktcap') return null;
  if (isPolicy && parts[0] !== 'infra') return null;
  const [, what, id, file] = own;
  if (what === 'sessions' && id === undefined && method === 'GET')
    return { status: 200, body: { results: [...world.sessions.values()].map((session) => shown(world, session)) } };
  if (what !== 'session') return null;
  if (id === undefined) return begin(world, request);
  const session = world.sessions.get(id);
  if (session === undefined) throw notFound(`packet capture session ${id}`);
  if (file !== undefined)
    return answerFile(world, session, request, file === (isPolicy ? 'CapturedFile' : 'capturefile'));
  return answerSession(world, session, request, isPolicy);
}

function begin(world: NsxWorld, { method, body }: NsxRequest): NsxReply {
  if (method !== 'POST' || body === null) throw new NsxError(405, 405, 'Method not allowed');
  const unknown = Object.keys(body).find((field) => !requestFields.includes(field));
  if (unknown !== undefined) throw badRequest(`Unrecognized field ${unknown.slice(0, 40)} in PacketCaptureRequest`);
  const point = Number(world.version.split('.')[0]) >= 9 ? 'SEGMENTPORT' : 'LOGICALPORT';
  const seconds = body['capduration'];
  if (body['cappoint'] !== point || !['CLI', 'UI'].includes(asText(body['capsource']) ?? ''))
    throw badRequest('Invalid capture point or source');
  if (!['INPUT', 'OUTPUT', 'DUAL'].includes(asText(body['direction']) ?? '')) throw badRequest('Invalid direction');
  if (body['capmode'] !== 'STANDALONE' || typeof seconds !== 'number' || seconds < 1)
    throw badRequest('Invalid capture');
  if (!world.nodes.has(asText(body['node']) ?? ''))
    throw badRequest(`Transport node ${asText(body['node'])} not found`);
  if (!portIds(world).includes(asText(body['capvalue']) ?? '')) throw badRequest('The port is not on the node');
  if (world.sessions.size >= world.sessionsMax) throw badRequest('The maximum number of capture sessions is reached');
  const session: SimulatedSession = {
    id: randomUUID(),
    request: body,
    startedMs: Date.now(),
    durationMs: seconds * 1000,
    endedMs: null,
    error: null,
  };
  world.sessions.set(session.id, session);
  return { status: 200, body: shown(world, session) };
}

function answerSession(world: NsxWorld, session: SimulatedSession, request: NsxRequest, isPolicy: boolean): NsxReply {
  const { method, query } = request;
  const action = query.get('action');
  if (method === 'GET') return { status: 200, body: shown(world, session) };
  const isRunning = stateOf(session) === 'STARTED';
  if (method === 'POST' && action === 'terminate') {
    if (!isRunning) throw badRequest('The session is not running');
    session.endedMs = Date.now();
    return { status: 200, body: shown(world, session) };
  }
  const isDelete = isPolicy ? method === 'DELETE' : method === 'POST' && action === 'delete';
  if (!isDelete) throw new NsxError(405, 405, 'Method not allowed');
  if (isRunning) throw badRequest('The session is running. Terminate it before it is deleted.');
  world.sessions.delete(session.id);
  return { status: 200, body: { ...shown(world, session), sessionstatus: 'DELETED' } };
}

function answerFile(
  world: NsxWorld,
  session: SimulatedSession,
  { method, accept }: NsxRequest,
  isPath: boolean,
): NsxReply {
  if (method !== 'GET' || !isPath) throw notFound('the path');
  if (accept !== 'application/octet-stream') throw new NsxError(406, 406, 'Not acceptable');
  if (stateOf(session) === 'STARTED') throw badRequest('The session is running');
  return { status: 200, body: null, file: world.captured };
}

function answerPorts(world: NsxWorld, { query }: NsxRequest): NsxReply {
  const wanted = query.get('attachment_id');
  const results = [...world.segments.keys()]
    .filter((attachment) => wanted === null || attachment === wanted)
    .map((id) => ({ resource_type: 'LogicalPort', id: portIdOf(id), attachment: { id, attachment_type: 'VIF' } }));
  return { status: 200, body: { results, result_count: results.length } };
}

export function portIdOf(attachment: string): string {
  return `lp-${attachment}`;
}

function portIds(world: NsxWorld): readonly string[] {
  return [...world.segments.keys()].map(portIdOf);
}

function stateOf({ error, endedMs, startedMs, durationMs }: SimulatedSession): 'ERROR' | 'FINISHED' | 'STARTED' {
  if (error !== null) return 'ERROR';
  return endedMs !== null || Date.now() >= startedMs + durationMs ? 'FINISHED' : 'STARTED';
}

function shown(world: NsxWorld, session: SimulatedSession): JsonObject {
  const { id, request, startedMs, error } = session;
  const state = stateOf(session);
  return {
    sessionid: id,
    sessionname: id,
    sessionstatus: state,
    request,
    starttime: startedMs,
    filesize: world.captured.length,
    ...(error === null ? {} : { errormsg: error }),
    ...(state === 'STARTED' ? {} : { endtime: session.endedMs ?? startedMs + session.durationMs }),
  };
}
