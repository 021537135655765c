// How a step is carried out, whatever the hypervisor: read, act when it is not true already, read back until it is true
// or the deadline has passed. The hypervisor's commands come in as `VmControl`; the reading is independent of their answers.
import type { Clock } from '../../kit/clock.ts';
import { type Problem, problem, sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import type { Action, Step } from '../../model/remediation.ts';
import type { ActOutcome, Capability, Enforcer, VmAction, VmReading } from './enforcer.ts';
import { changeImage, type ImageControl, noImage } from './verified-image.ts';
import { revert, type RevertControl, revertObstacle } from './verified-revert.ts';
import { changeSave, type SaveControl, saveCapabilities } from './verified-save.ts';
import { changeLinks, type LinkControl, linkObstacle } from './verified-links.ts';
import { dumpMemory, type MemoryDumpControl } from './memory-dump.ts';
import {
  makeExternal,
  type SnapshotControl,
  snapshotCapability,
  snapshotWay,
  withExternal,
} from './verified-snapshot.ts';

/** One hypervisor's commands for one VM. Each may be accepted without having happened yet. */
export interface VmControl extends SnapshotControl {
  suspend(): Promise<Result<void>>;
  resume(): Promise<Result<void>>;
  /** Memory and disks under this name, inside the VM's own disk image. */
  snapshot(name: string): Promise<Result<void>>;
  powerOff(): Promise<Result<void>>;
  readState(): Promise<Result<VmReading>>;
  /** Absent where memory cannot be had in a file. */
  readonly memoryDump?: MemoryDumpControl;
  /** Absent where the links of cards cannot be changed. */
  readonly links?: LinkControl;
  /** Absent where nothing can be gone back to. */
  readonly revert?: RevertControl;
  /** Absent where no fresh disk can be given. */
  readonly image?: ImageControl;
  /** Absent where it cannot be saved and started from there again. */
  readonly save?: SaveControl;
}

export interface Patience {
  readonly clock: Clock;
  readonly sleep: (ms: number) => Promise<void>;
}

/** What is one command, read back from the VM's state. */
type OrderedAction = Exclude<VmAction, SelfReadAction>;
/** What has a reading of its own. */
type SelfReadAction = (typeof selfRead)[number];
const selfRead = [
  'memory-dump',
  'cut-link',
  'restore-link',
  'revert',
  're-image',
  'undo-re-image',
  'save',
  'undo-save',
] as const;

/** How long reading back may take to show what was ordered, before the answer is `unconfirmed`. */
const deadlinesMs: Readonly<Record<OrderedAction, number>> = {
  suspend: 5000,
  resume: 5000,
  snapshot: 60_000,
  'power-off': 10_000,
};
const readEveryMs = 50;
/** Goes into monitor commands and XML. */
const snapshotName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function verifiedEnforcer(control: VmControl, patience: Patience): Enforcer {
  return {
    capabilities: () => capabilitiesOf(control),
    act: (step) => carryOut(step, control, patience),
    readState: async () => await withExternal(null, await control.readState(), control.externalSnapshot),
    readLinks: async () => (await control.links?.read()) ?? { ok: true, value: [] },
  };
}

async function capabilitiesOf(control: VmControl): Promise<readonly Capability[]> {
  const snapshot = snapshotCapability(await snapshotWay(control));
  const noDump = control.memoryDump === undefined ? noMemory : await control.memoryDump.obstacle();
  const noLinks = await linkObstacle(control.links);
  const noRevert = await revertObstacle(control.revert);
  const always = (['suspend', 'resume', 'power-off'] as const).map((action) => ({
    action,
    available: true,
    why: null,
  }));
  return [
    ...always,
    snapshot,
    { action: 'memory-dump', available: noDump === null, why: noDump && sayProblem(noDump) },
    { action: 'revert', available: noRevert === null, why: noRevert && sayProblem(noRevert) },
    ...(await imageCapabilities(control.image)),
    ...(await saveCapabilities(control.save)),
    ...(['cut-link', 'restore-link'] as const).map((action) => ({
      action,
      available: noLinks === null,
      why: noLinks && sayProblem(noLinks),
    })),
  ];
}

async function imageCapabilities(image: ImageControl | undefined): Promise<readonly Capability[]> {
  const obstacles = [
    ['re-image', image === undefined ? noImage : await image.obstacle()],
    ['undo-re-image', image === undefined ? noImage : await image.undoObstacle()],
  ] as const;
  return obstacles.map(([action, why]) => ({ action, available: why === null, why: why && sayProblem(why) }));
}

const noMemory = problem('refused', "The VM's memory cannot be had in a file here.", 'Have a snapshot made instead.');

async function carryOut(step: Step, control: VmControl, patience: Patience): Promise<ActOutcome> {
  const { action } = step;
  if (!isOrdered(action) && !isReadByItself(action))
    return refused(problem('refused', `Step ${step.id} asks to ${action}, which is no action on a VM.`));
  if (action === 'snapshot' && !snapshotName.test(step.snapshot ?? ''))
    return refused(problem('refused', `Step ${step.id} asks for a snapshot with no name that every tool can take.`));

  const before = await withExternal(step, await control.readState(), control.externalSnapshot);
  if (!before.ok) return refused(before.error);
  if (holds(step, before.value)) return { state: 'done', evidence: `already so: ${describe(before.value)}` };
  // One that was begun may have ended the VM already.
  if (action === 're-image' || action === 'undo-re-image') return await changeImage(step, control.image);
  if (action === 'save' || action === 'undo-save') return await changeSave(step, control.save);
  if (before.value.run === 'gone')
    return refused(problem('refused', `VM ${step.vm} is not running, so that ${action} has nothing to act on.`));
  if (action === 'cut-link' || action === 'restore-link') return await changeLinks(step, control.links, patience);

  if (action === 'memory-dump')
    return control.memoryDump === undefined
      ? refused(noMemory)
      : await dumpMemory(step.id, control.memoryDump, before.value, () => control.readState(), patience);

  if (action === 'revert') return await revert(step, control.revert, before.value);
  if (action === 'snapshot') {
    const way = await snapshotWay(control);
    if (way.kind === 'none') return refused(way.obstacle);
    if (way.kind === 'external') return await makeExternal(step.snapshot ?? '', way.control);
  }

  const ordered = await order(action, step, control);
  // A refused command may still have taken effect (an answer lost on the way): what was read decides, not the answer.
  // QEMU says it has stopped a guest that stood at a stop point of a trace, and lets it run on: so the order is given again.
  const again = action === 'suspend' ? () => control.suspend() : null;
  const last = await readUntil(step, control, patience, ordered.ok ? deadlinesMs[action] : 0, again);
  if (last.ok && holds(step, last.value)) return { state: 'done', evidence: describe(last.value) };
  // One that did not answer may have done it, or may do it yet.
  if (!ordered.ok && ordered.error.kind !== 'interrupted') return refused(ordered.error);
  const words = last.ok ? describe(last.value) : sayProblem(last.error);
  return {
    state: 'unconfirmed',
    evidence: `${step.expect} was not seen within ${deadlinesMs[action]} ms; read back: ${words}`,
  };
}

/** Whether an action has a reading of its own, and a control of its own that a hypervisor may lack. */
export function isReadByItself(action: Action): action is SelfReadAction {
  return selfRead.some((one) => one === action);
}

function isOrdered(action: Action): action is OrderedAction {
  return action in deadlinesMs;
}

async function order(action: OrderedAction, step: Step, control: VmControl): Promise<Result<void>> {
  switch (action) {
    case 'suspend':
      return control.suspend();
    case 'resume':
      return control.resume();
    case 'power-off':
      return control.powerOff();
    case 'snapshot':
      return control.snapshot(step.snapshot ?? '');
  }
}

async function readUntil(
  step: Step,
  control: VmControl,
  { clock, sleep }: Patience,
  patienceMs: number,
  again: (() => Promise<Result<void>>) | null,
): Promise<Result<VmReading>> {
  const deadline = clock.monotonic() + patienceMs;
  for (;;) {
    const reading = await control.readState();
    if ((reading.ok && holds(step, reading.value)) || clock.monotonic() >= deadline) return reading;
    await sleep(readEveryMs);
    await again?.();
  }
}

/** Whether what the step wants to be true is true. A paused VM stays paused through a snapshot, so only its name is asked. */
function holds(step: Step, reading: VmReading): boolean {
  switch (step.action) {
    case 'suspend':
      return reading.run === 'paused';
    case 'resume':
      return reading.run === 'running';
    case 'power-off':
      return reading.run === 'gone';
    case 'snapshot':
      return step.snapshot !== undefined && reading.snapshots.includes(step.snapshot);
    case 'alert':
    case 'block':
    case 'kill':
    case 'hold':
    case 'release':
    case 'quarantine':
    case 'block-flow':
    case 'capture':
    case 'reroute':
    case 'lift':
    case 'call':
    case 'end-call':
    case 'memory-dump':
    case 'cut-link':
    case 'restore-link':
    case 'revert':
    case 're-image':
    case 'undo-re-image':
    case 'save':
    case 'undo-save':
      return false;
  }
}

function describe(reading: VmReading): string {
  const snapshots = reading.snapshots.length === 0 ? '' : `; snapshots: ${reading.snapshots.slice(0, 50).join(', ')}`;
  return `${reading.words}${snapshots}`.slice(0, 4000);
}

function refused(why: Problem): ActOutcome {
  return { state: 'failed', evidence: sayProblem(why).slice(0, 4000), problem: why };
}
