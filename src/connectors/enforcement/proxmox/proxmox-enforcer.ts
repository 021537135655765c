// What can be done to a whole Proxmox VE VM: paused in memory (never to disk), resumed, ended, kept as a snapshot with its
// memory and taken back to one; each read back from the VM's own state, never from the task that did it.
import type { Json } from '../../../kit/canonical-json.ts';
import { asList, asObject, asText, type JsonObject } from '../../../kit/json-object.ts';
import { type Problem, problem, sayProblem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import type { TaskPatience } from '../../../protocols/proxmox/run-task.ts';
import type { ActOutcome, Enforcer, RunState, VmReading } from '../enforcer.ts';
import { type Patience, verifiedEnforcer, type VmControl } from '../verified-action.ts';
import { type NetworkCard, readCards, withLink } from './network-cards.ts';
import { readNotes } from './quarantine-note.ts';
import type { VmPlace } from './vm-place.ts';

const snapshotsMax = 1000;
/** `pve-snapshot-name` of pve-common's JSONSchema.pm; two names stand for something else. */
const snapshotForm = /^(?!(?:current|pending)$)[a-z][a-z0-9_-]{1,39}$/i;
/** A VM that high availability looks after is ended by it, some rounds after the task. */
const highAvailabilityMs = 60_000;

export function proxmoxEnforcer(vm: VmPlace, patience: Patience & TaskPatience): Enforcer {
  return verifiedEnforcer(proxmoxControl(vm, patience), patience);
}

function proxmoxControl(vm: VmPlace, patience: TaskPatience): VmControl {
  const run = async (way: readonly string[], fields: Record<string, string> = {}): Promise<Result<void>> => {
    const done = await vm.run(way, fields);
    return done.ok ? ok(undefined) : done;
  };
  return {
    // Without `todisk`: to disk would be called paused, and would end the process whose memory is evidence.
    suspend: () => run(['status', 'suspend']),
    resume: () => run(['status', 'resume']),
    powerOff: () => powerOff(vm, patience),
    snapshot: async (name) =>
      snapshotForm.test(name)
        ? await run(['snapshot'], { snapname: name, vmstate: '1', description: 'made by Plumbline' })
        : fail(unusableName()),
    readState: () => readState(vm),
    snapshotObstacle: () => snapshotObstacle(vm),
    revert: {
      obstacle: async () => null,
      async to(name) {
        const outcome = await revertTo(vm, name);
        if (outcome.state === 'done') return ok(outcome.evidence);
        return fail(outcome.state === 'failed' ? outcome.problem : problem('interrupted', outcome.evidence));
      },
    },
  };
}

function unusableName(): Problem {
  return problem(
    'refused',
    'A snapshot of Proxmox VE begins with a letter and goes on with letters, digits, dashes and underscores, 40 at most.',
    'Give it another name.',
  );
}

async function powerOff(vm: VmPlace, { monotonic, sleep }: TaskPatience): Promise<Result<void>> {
  const before = await readStatus(vm);
  if (!before.ok) return before;
  if (before.value['status'] === 'stopped')
    return fail(
      problem('refused', `${vm.name} was suspended to disk: nothing of it runs.`, 'Resume it before it is ended.'),
    );
  const done = await vm.run(['status', 'stop']);
  if (!done.ok || done.value.work !== 'hastop') return done.ok ? ok(undefined) : done;
  const deadline = monotonic() + highAvailabilityMs;
  while (monotonic() < deadline) {
    const status = await readStatus(vm);
    if (status.ok && status.value['status'] === 'stopped') break;
    await sleep(500);
  }
  return ok(undefined);
}

async function readStatus(vm: VmPlace): Promise<Result<JsonObject>> {
  const read = await vm.get(['status', 'current']);
  if (!read.ok) return read;
  const status = asObject(read.value);
  return status === null ? fail(problem('unreadable', `The state of ${vm.name} was not told.`)) : ok(status);
}

async function readState(vm: VmPlace): Promise<Result<VmReading>> {
  const read = await readStatus(vm);
  if (!read.ok) return read;
  const said = ['status', 'qmpstatus', 'lock'].map((key) => asText(read.value[key]) ?? '');
  const [status = '', qmp = '', lock = ''] = said;
  const run = runOf(status, qmp, lock);
  const words = `status: ${status}${qmp === '' ? '' : `, QEMU: ${qmp}`}${lock === '' ? '' : `, locked: ${lock}`}`.slice(
    0,
    200,
  );
  if (run === null)
    return fail(problem('unreadable', `${vm.name} is between two states (${words}).`, 'Look again soon.'));
  const snapshots = await readSnapshots(vm);
  if (!snapshots.ok) return snapshots;
  // One that keeps no memory is not what a step asks for.
  const whole = snapshots.value.filter(({ isComplete, hasMemory }) => isComplete && hasMemory);
  return ok({ run, words, snapshots: whole.map(({ name }) => name) });
}

/** Null while QEMU's own word says nothing about what the VM will be in a moment. */
export function runOf(status: string, qmp: string, lock: string): RunState | null {
  if (status === 'stopped') return lock === 'suspended' ? 'paused' : 'gone';
  if (status !== 'running') return null;
  switch (qmp) {
    case 'running':
    // At a stop point of a trace it runs on by itself.
    case 'debug':
      return 'running';
    case 'paused':
    case 'suspended':
    case 'prelaunch':
    case 'io-error':
    case 'internal-error':
    case 'guest-panicked':
    case 'watchdog':
    case 'shutdown':
    case 'postmigrate':
      return 'paused';
    default:
      return null;
  }
}

interface Snapshot {
  readonly name: string;
  readonly hasMemory: boolean;
  /** Not still being made or deleted. */
  readonly isComplete: boolean;
}

async function readSnapshots(vm: VmPlace): Promise<Result<readonly Snapshot[]>> {
  const read = await vm.get(['snapshot']);
  if (!read.ok) return read;
  return ok(snapshotsIn(read.value));
}

function snapshotsIn(listed: Json): readonly Snapshot[] {
  return asList(listed, snapshotsMax).flatMap((each) => {
    const said = asObject(each);
    const name = asText(said?.['name']);
    if (said === null || name === null || !snapshotForm.test(name)) return [];
    return { name, hasMemory: Number(said['vmstate'] ?? 0) > 0, isComplete: said['snapstate'] === undefined };
  });
}

async function snapshotObstacle(vm: VmPlace): Promise<Problem | null> {
  const read = await vm.get(['feature'], { feature: 'snapshot' });
  if (!read.ok) return read.error;
  if (Number(asObject(read.value)?.['hasFeature'] ?? 0) > 0) return null;
  return problem(
    'refused',
    `${vm.name} has a disk on a storage that keeps no snapshots.`,
    'Move it to one that does (qcow2, LVM-thin, ZFS, Ceph), or suspend the VM instead.',
  );
}

async function revertTo(vm: VmPlace, name: string): Promise<ActOutcome> {
  const [before, listed] = [await readStatus(vm), await readSnapshots(vm)];
  if (!before.ok) return failed(before.error);
  if (!listed.ok) return failed(listed.error);
  const snapshot = listed.value.find((each) => each.name === name);
  if (snapshot === undefined) return failed(problem('not-found', `${vm.name} has no snapshot of that name.`));
  if (!snapshot.isComplete) return failed(problem('refused', `Snapshot ${name} of ${vm.name} is not complete.`));
  const done = await vm.run(['snapshot', name, 'rollback']);
  if (!done.ok && done.error.kind !== 'interrupted') return failed(done.error);
  const closed = await closeAgain(vm);
  const [after, tree] = [await readStatus(vm), await vm.get(['snapshot'])];
  if (!after.ok || !tree.ok) return { state: 'unconfirmed', evidence: 'the VM could not be read afterwards' };
  const current = asList(tree.value, snapshotsMax + 1)
    .map(asObject)
    .find((each) => each?.['name'] === 'current');
  const parent = asText(current?.['parent']) ?? 'none';
  // Going back ends the process, and begins another where the memory was kept.
  const isSameProcess = after.value['pid'] !== undefined && after.value['pid'] === before.value['pid'];
  const words = `it stands on ${parent} (${asText(after.value['status']) ?? 'unknown'})${closed}`.slice(0, 2000);
  if (done.ok && parent === name && !isSameProcess) return { state: 'done', evidence: words };
  const why = done.ok ? (isSameProcess ? 'its process was not ended; ' : '') : `${sayProblem(done.error)} `;
  return { state: 'unconfirmed', evidence: `${why}${words}` };
}

/**
 * Going back puts the cards as they were at the snapshot and leaves the notes (AbstractConfig's __snapshot_apply_config): a
 * card in quarantine has its link up, and its note still says so.
 */
async function closeAgain(vm: VmPlace): Promise<string> {
  const config = await vm.config();
  if (!config.ok) return `; its network cards could not be read: ${sayProblem(config.error)}`;
  const noted = readNotes(asText(config.value['description']) ?? '');
  const isOpen = ({ id, isLinkDown }: NetworkCard): boolean => noted.has(id) && !isLinkDown;
  const open = readCards(config.value).filter(isOpen);
  if (open.length === 0) return '';
  const names = open.map(({ id }) => id).join(', ');
  const links = Object.fromEntries(open.map((card) => [card.id, withLink(card, true)]));
  const changed = await vm.change('PUT', ['config'], { ...links, digest: asText(config.value['digest']) ?? '' });
  const again = changed.ok ? await vm.config() : changed;
  if (again.ok && readCards(again.value).some(isOpen))
    return `; ${names} has its link up by the snapshot though in quarantine, and it did not go down`;
  return again.ok
    ? `; ${names} had its link up by the snapshot and was taken down again, as its quarantine stands`
    : `; ${names} has its link up by the snapshot though in quarantine: ${sayProblem(again.error)}`;
}

function failed(why: Problem): ActOutcome {
  return { state: 'failed', evidence: sayProblem(why).slice(0, 4000), problem: why };
}
