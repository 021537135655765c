// vSphere as a platform: a vCenter or an ESXi host whose VMs are listed, suspended, resumed, ended, kept as snapshots, taken back
// to one, and cut off from their networks, each time read back from the server's own properties.
import type { Clock } from '../../../kit/clock.ts';
import { type Problem, problem, sayProblem } from '../../../kit/problem.ts';
import { fail, ok, type Result } from '../../../kit/result.ts';
import { readProperties, runTask, type TaskPatience } from '../../../protocols/vsphere/properties.ts';
import { type VimClient, vimClient } from '../../../protocols/vsphere/vim-client.ts';
import { type ManagedObject, readReference } from '../../../protocols/vsphere/vim-message.ts';
import { childOf, childrenOf, textAt, type XmlElement } from '../../../protocols/xml/xml-element.ts';
import { xml, type XmlText } from '../../../protocols/xml/xml-text.ts';
import type { ActOutcome, RunState, VmReading } from '../enforcer.ts';
import type { Platform } from '../platform.ts';
import { verifiedEnforcer, type VmControl } from '../verified-action.ts';
import { verifiedNetworkEnforcer } from '../verified-measure.ts';
import { followInventory } from './follow-inventory.ts';
import { listVsphereVms } from './inventory.ts';
import { vsphereQuarantine } from './vsphere-quarantine.ts';

export interface VsphereSettings {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  readonly fingerprint: string | null;
  /** Name of the port group that cards in quarantine are moved to; null or left out = their links are taken down. */
  readonly isolationNetwork?: string | null;
  readonly clock: Clock;
  readonly sleep: (ms: number) => Promise<void>;
  /** For each question; 20 s unless given. */
  readonly timeoutMs?: number;
}

const bodyBytesMax = 32 * 1024 * 1024;
/** Memory is written or read whole: minutes for a large VM. */
const taskMsMax = 300_000;
const snapshotsMax = 1000;

export function vspherePlatform(settings: VsphereSettings): Result<Platform> {
  const access = { ...settings, timeoutMs: settings.timeoutMs ?? 20_000, bodyBytesMax };
  const opened = vimClient(access);
  if (!opened.ok) return opened;
  const client = opened.value;
  // A session of its own for the stream of changes: its end is nobody else's, and a long wait takes nobody's connection.
  const listening = vimClient(access);
  if (!listening.ok) return listening;
  const { clock, sleep, isolationNetwork = null } = settings;
  const patience: TaskPatience = { deadlineMs: taskMsMax, sleep, monotonic: () => clock.monotonic() };
  const objectOf = (id: string): ManagedObject => ({ type: 'VirtualMachine', id });
  return ok({
    kind: 'vsphere',
    place: client.place,
    listVms: () => listVsphereVms(client),
    enforcer: (vm) => verifiedEnforcer(vsphereControl(client, objectOf(vm.id), patience), { clock, sleep }),
    network: (vm) =>
      verifiedNetworkEnforcer(vsphereQuarantine(client, objectOf(vm.id), isolationNetwork, patience), null, {
        clock,
        sleep,
      }),
    follow: (told) => followInventory(listening.value, sleep, told),
    close: () => client.close(),
  });
}

function vsphereControl(client: VimClient, vm: ManagedObject, task: TaskPatience): VmControl {
  const run = async (method: string, args: readonly XmlText[] = []): Promise<Result<void>> => {
    const done = await runTask(client, method, vm, args, task);
    return done.ok ? ok(undefined) : done;
  };
  return {
    suspend: () => run('SuspendVM_Task'),
    resume: () => run('PowerOnVM_Task'),
    powerOff: () => run('PowerOffVM_Task'),
    snapshot: (name) =>
      run('CreateSnapshot_Task', [
        xml('name', name),
        xml('description', 'made by Plumbline'),
        xml('memory', 'true'),
        xml('quiesce', 'false'),
      ]),
    readState: () => readState(client, vm),
    // A server knows only when it is ordered: of a VM's disks some take none, and what it says of the VM beforehand is not reliable.
    snapshotObstacle: async () => null,
    revert: {
      obstacle: async () => null,
      async to(name) {
        const outcome = await revertTo(client, vm, name, task);
        if (outcome.state === 'done') return ok(outcome.evidence);
        return fail(outcome.state === 'failed' ? outcome.problem : problem('interrupted', outcome.evidence));
      },
    },
  };
}

async function readState(client: VimClient, vm: ManagedObject): Promise<Result<VmReading>> {
  const read = await readProperties(client, vm, ['runtime.powerState', 'runtime.connectionState', 'snapshot']);
  if (!read.ok) return read;
  const { values } = read.value;
  const connection = values.get('runtime.connectionState')?.text ?? 'connected';
  const power = values.get('runtime.powerState')?.text ?? 'unknown';
  const run = runOf(power);
  // What a vCenter says of a VM whose host it has lost is what it last heard.
  if (run === null || connection !== 'connected')
    return fail(problem('unreadable', `${client.place} says of ${vm.id}: ${power}, ${connection}.`));
  const snapshots = snapshotsOf(values.get('snapshot')).map(({ name }) => name);
  return ok({ run, words: `powerState: ${power}`, snapshots });
}

function runOf(power: string): RunState | null {
  switch (power) {
    case 'poweredOn':
      return 'running';
    case 'suspended':
      return 'paused';
    case 'poweredOff':
      return 'gone';
    default:
      return null;
  }
}

interface NamedSnapshot {
  readonly name: string;
  readonly object: ManagedObject;
}

function snapshotsOf(tree: XmlElement | undefined): readonly NamedSnapshot[] {
  const found: NamedSnapshot[] = [];
  const visit = (node: XmlElement): void => {
    const object = readReference(childOf(node, 'snapshot'));
    if (object === null || found.length >= snapshotsMax) return;
    found.push({ name: textAt(node, 'name') ?? '', object });
    childrenOf(node, 'childSnapshotList').forEach(visit);
  };
  childrenOf(tree, 'rootSnapshotList').forEach(visit);
  return found;
}

async function revertTo(client: VimClient, vm: ManagedObject, name: string, task: TaskPatience): Promise<ActOutcome> {
  const before = await readProperties(client, vm, ['snapshot']);
  if (!before.ok) return failed(before.error);
  const named = snapshotsOf(before.value.values.get('snapshot')).filter((each) => each.name === name);
  const [snapshot] = named;
  if (snapshot === undefined) return failed(problem('not-found', `The VM has no snapshot of that name.`));
  if (named.length > 1)
    return failed(problem('refused', `The VM has ${named.length} snapshots of that name.`, 'Rename all but one.'));
  const done = await runTask(client, 'RevertToSnapshot_Task', snapshot.object, [], task);
  if (!done.ok && done.error.kind !== 'interrupted') return failed(done.error);
  const after = await readProperties(client, vm, ['snapshot']);
  const current = after.ok ? readReference(childOf(after.value.values.get('snapshot'), 'currentSnapshot')) : null;
  if (done.ok && current?.id === snapshot.object.id)
    return { state: 'done', evidence: `the current snapshot is ${current.id}, and the task ended well` };
  const words = done.ok ? `the current snapshot is ${current?.id ?? 'unknown'}` : sayProblem(done.error);
  return { state: 'unconfirmed', evidence: words.slice(0, 4000) };
}

function failed(why: Problem): ActOutcome {
  return { state: 'failed', evidence: sayProblem(why).slice(0, 4000), problem: why };
}
