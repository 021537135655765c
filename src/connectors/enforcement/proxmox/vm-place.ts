// One VM of a Proxmox VE cluster, wherever it runs: its number stays the same when it moves to another node, the way to it does
// not. Nothing is changed before the VM's own identity was read, since the number of a VM that is gone is given out again.
import type { Json } from '../../../kit/canonical-json.ts';
import { asList, asObject, asText, type JsonObject } from '../../../kit/json-object.ts';
import { fail, ok } from '../../../kit/result.ts';
import { faulty, plainText, type ProxmoxResult } from '../../../protocols/proxmox/proxmox-answer.ts';
import type { ApiPath, Fields, ProxmoxClient } from '../../../protocols/proxmox/proxmox-client.ts';
import { parsePropertyString, valueOf } from '../../../protocols/proxmox/property-string.ts';
import { type EndedTask, runTask, type TaskPatience } from '../../../protocols/proxmox/run-task.ts';
import { uuidOf } from '../platform.ts';

export interface VmPlace {
  readonly name: string;
  /** Below the VM. */
  get(path: ApiPath, query?: Fields): Promise<ProxmoxResult<Json>>;
  change(method: 'POST' | 'PUT' | 'DELETE', path: ApiPath, fields: Fields): Promise<ProxmoxResult<Json>>;
  /** Begins work and waits for its end. */
  run(path: ApiPath, fields?: Fields): Promise<ProxmoxResult<EndedTask>>;
  /** Its configuration as it is in force, not as it will be after a restart. */
  config(): Promise<ProxmoxResult<JsonObject>>;
}

export interface VmIdentity {
  readonly number: string;
  /** UUID by which it was listed; null = it had none, and nothing tells it from another of that number. */
  readonly uuid: string | null;
}

export const resourcesMax = 20_000;
const nodeForm = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const numberForm = /^[1-9][0-9]{2,8}$/;

/** `qemu/100`, as the platform names it in its own lists. */
export function vmNumber(id: string): string | null {
  const number = id.startsWith('qemu/') ? id.slice(5) : '';
  return numberForm.test(number) ? number : null;
}

export function isNodeName(text: string | null): text is string {
  return text !== null && nodeForm.test(text);
}

/** The UUID that the guest's firmware shows. */
export function uuidIn(config: JsonObject): string | null {
  const identity = parsePropertyString(asText(config['smbios1']) ?? '');
  return identity === null ? null : uuidOf(valueOf(identity, 'uuid'));
}

export function vmPlace(client: ProxmoxClient, { number, uuid }: VmIdentity, patience: TaskPatience): VmPlace {
  const name = `VM ${number}`;
  let node: string | null = null;

  const find = async (): Promise<ProxmoxResult<string>> => {
    const listed = await client.get(['cluster', 'resources'], { type: 'vm' });
    if (!listed.ok) return listed;
    const entry = asList(listed.value, resourcesMax)
      .map(asObject)
      .find((each) => each?.['type'] === 'qemu' && plainText(each['vmid']) === number);
    const found = asText(entry?.['node']);
    if (!isNodeName(found))
      return fail(
        faulty(
          'absent',
          'not-found',
          `${client.place} shows no ${name}.`,
          'List it again; the account needs VM.Audit.',
        ),
      );
    return ok(found);
  };

  /** Asked where it was last; a VM that has moved is not there, so that nothing was done, and is asked where it is now. */
  const at = async <T>(ask: (place: ApiPath) => Promise<ProxmoxResult<T>>): Promise<ProxmoxResult<T>> => {
    const before = node;
    if (before !== null) {
      const answer = await ask(['nodes', before, 'qemu', number]);
      if (answer.ok || answer.error.fault !== 'absent') return answer;
      const now = await find();
      if (!now.ok) return now;
      if (now.value === before) return answer;
      node = now.value;
    } else {
      const now = await find();
      if (!now.ok) return now;
      node = now.value;
    }
    return await ask(['nodes', node, 'qemu', number]);
  };

  const config = async (): Promise<ProxmoxResult<JsonObject>> => {
    const read = await at((place) => client.get([...place, 'config'], { current: '1' }));
    if (!read.ok) return read;
    const said = asObject(read.value);
    if (said === null) return fail(faulty(null, 'unreadable', `${client.place} showed no configuration of ${name}.`));
    const seen = uuidIn(said);
    if (uuid !== null && seen !== uuid)
      return fail(
        faulty(
          null,
          'refused',
          `${name} of ${client.place} is another VM by now: its UUID is ${seen ?? 'not known'}.`,
          'List the platform again.',
        ),
      );
    return ok(said);
  };

  return {
    name,
    config,
    get: (path, query) => at((place) => client.get([...place, ...path], query)),
    async change(method, path, fields) {
      const same = await config();
      return same.ok ? await at((place) => client.change(method, [...place, ...path], fields)) : same;
    },
    async run(path, fields = {}) {
      const same = await config();
      return same.ok ? await at((place) => runTask(client, [...place, ...path], fields, patience)) : same;
    },
  };
}
