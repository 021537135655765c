// Work that a Proxmox VE server does behind a task: begun, followed by its id until it has ended, and how it ended.
import { asObject, asText } from '../../kit/json-object.ts';
import { fail, ok } from '../../kit/result.ts';
import { faulty, oneLine, type ProxmoxResult, sentenceProblem } from './proxmox-answer.ts';
import type { ApiPath, Fields, ProxmoxClient } from './proxmox-client.ts';

export interface TaskPatience {
  readonly deadlineMs: number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly monotonic: () => number;
}

export interface EndedTask {
  /** The platform's word for the work: `qmpause`, `qmstop`, `hastop` ... */
  readonly work: string;
}

/** `UPID:NODE:PID:PSTART:STARTTIME:WORK:ID:USER:` (pve-common's UPID.pm). */
const upidForm =
  /^UPID:([A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?):[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:([^:\s/]{1,40}):([^:\s/]{0,40}):([^:\s/]{1,120}):$/i;
const missesMax = 3;

/** Posts, and waits for the end of the task that it began. A task that ends with warnings has ended well. */
export async function runTask(
  client: ProxmoxClient,
  path: ApiPath,
  fields: Fields,
  patience: TaskPatience,
): Promise<ProxmoxResult<EndedTask>> {
  const what = path.slice(-2).join('/');
  const begun = await client.change('POST', path, fields);
  if (!begun.ok) return begun;
  const upid = asText(begun.value) ?? '';
  const [, node, work] = upidForm.exec(upid) ?? [];
  if (node === undefined || work === undefined)
    return fail(faulty(null, 'unreadable', `${client.place} answered ${what} without the task that does it.`));
  const deadline = patience.monotonic() + patience.deadlineMs;
  let misses = 0;
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 2, 1000)) {
    const read = await client.get(['nodes', node, 'tasks', upid, 'status']);
    misses = read.ok ? 0 : misses + 1;
    if (!read.ok && (read.error.kind !== 'interrupted' || misses >= missesMax))
      return unknownEnd(client, work, read.error.message);
    const task = read.ok ? asObject(read.value) : null;
    if (task?.['status'] === 'stopped') return ending(client, work, asText(task['exitstatus']) ?? 'no exit status');
    if (patience.monotonic() >= deadline)
      return unknownEnd(client, work, `it had not ended within ${patience.deadlineMs} ms.`);
    await patience.sleep(waitMs);
  }
}

function ending(client: ProxmoxClient, work: string, exit: string): ProxmoxResult<EndedTask> {
  if (exit === 'OK' || /^WARNINGS: \d+$/.test(exit)) return ok({ work });
  const said = oneLine(exit);
  return fail(sentenceProblem(`${client.place} began ${work} and could not end it: ${said}`, said, 'failed'));
}

/** It was begun: whatever the reason, it may have happened. */
function unknownEnd(client: ProxmoxClient, work: string, why: string): ProxmoxResult<never> {
  return fail(
    faulty(null, 'interrupted', `${client.place} began ${work}; how it ended is not known: ${why}`, 'Look at the VM.'),
  );
}
