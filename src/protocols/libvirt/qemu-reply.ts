// What QEMU answered, as libvirt hands it on: the JSON text of one whole QMP reply.
import type { Json } from '../../kit/canonical-json.ts';
import { asObject, asText } from '../../kit/json-object.ts';
import type { JsonObject } from '../../kit/json-object.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok } from '../../kit/result.ts';
import type { Result } from '../../kit/result.ts';
import { monitorProblem } from '../qmp/monitor.ts';
import type { MonitorProblem } from '../qmp/monitor.ts';

export function readReply(text: string, command: string): Result<Json, MonitorProblem> {
  const reply = parseJson(text);
  const error = asObject(reply?.['error']);
  if (error !== null) {
    const refused = problem('failed', `QEMU refused: ${asText(error['desc']) ?? 'no reason given'}`);
    return fail(monitorProblem(refused, asText(error['class'])));
  }
  if (reply?.['return'] !== undefined) return ok(reply['return']);
  return fail(monitorProblem(problem('unreadable', `libvirt passed on an answer to ${command} that is not QMP.`)));
}

/** Null for anything but an object. */
export function parseJson(text: string): JsonObject | null {
  try {
    return asObject(JSON.parse(text) as Json);
  } catch {
    return null;
  }
}
