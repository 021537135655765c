// What becomes of what a VM did: learned from while its scope is in capture, held against its manifest otherwise, and while the VM
// is being changed against what the change brings.
import type { ChangeWindow } from '../model/change.ts';
import type { Finding } from '../model/finding.ts';
import type { Manifest } from '../model/manifest.ts';
import type { Activity } from '../model/observation.ts';
import type { RawEvent } from '../model/raw-event.ts';
import { assess } from '../stages/assess/assess.ts';
import { detectInChange } from '../stages/detect/detect-in-change.ts';
import { allowingEntry, type CompiledManifest } from '../stages/detect/detect.ts';
import { normalise } from '../stages/normalise/normalise.ts';
import type { ChangeWindows } from './changes/change-windows.ts';
import type { InForce } from './vault/vault.ts';

export interface JudgeOptions {
  readonly inForce: (vm: string) => InForce<CompiledManifest> | null;
  readonly learn: (vm: string, activity: Activity) => void;
  readonly found: (finding: Finding, manifest: Manifest) => void;
  readonly changes: Pick<ChangeWindows, 'joined' | 'open' | 'wasAdmitted' | 'admit'>;
  readonly changing: (vm: string, window: ChangeWindow) => void;
  /** It stands in a VM, whether that has a manifest or not. */
  readonly shown: (vm: string, activity: Activity) => void;
  /** An entry of the VM's manifest allowed it. */
  readonly used: (vm: string, entry: string, activity: Activity) => void;
  /** The finding it would have been, had no change admitted it. */
  readonly admitted: (change: string, finding: Finding) => void;
}

/** Distinct reasons kept; the reasons of normalise are few and fixed. */
const reasonsMax = 100;

export class Judge {
  readonly #options: JudgeOptions;
  readonly #unusable = new Map<string, number>();

  constructor(options: JudgeOptions) {
    this.#options = options;
  }

  /** Events that could not be made into observations, by reason, since the sentinel started. */
  get unusable(): ReadonlyMap<string, number> {
    return this.#unusable;
  }

  hear(vm: string, events: readonly RawEvent[]): void {
    const inForce = this.#options.inForce(vm);
    if (inForce === null) return;
    for (const activity of this.#activitiesIn(events)) this.#judge(vm, activity, inForce);
  }

  /** What stands in the VM and was judged when it began: it shows what the VM is for, and which entries are still used. */
  standing(vm: string, events: readonly RawEvent[]): void {
    const inForce = this.#options.inForce(vm);
    const isJudged = inForce !== null && inForce.manifest.mode !== 'capture';
    for (const activity of this.#activitiesIn(events)) {
      this.#options.shown(vm, activity);
      if (isJudged) this.#countUse(vm, activity, inForce.compiled);
    }
  }

  *#activitiesIn(events: readonly RawEvent[]): Generator<Activity> {
    for (const event of events) {
      // An exit is neither learned nor judged; a loss was counted where it was noticed.
      if (event.kind === 'process_exit' || event.kind === 'loss') continue;
      const observation = normalise(event);
      if (!observation.ok) this.#countUnusable(observation.error.message);
      else if (observation.value.kind !== 'loss') yield observation.value;
    }
  }

  #judge(vm: string, activity: Activity, { manifest, compiled }: InForce<CompiledManifest>): void {
    if (manifest.mode === 'capture') return this.#options.learn(vm, activity);
    const { changes, changing, admitted: tellAdmitted, found } = this.#options;
    const windows = changes.joined(manifest).changes ?? [];
    const { deviation, admitted, opened } = detectInChange(compiled, windows, activity);
    const open = opened === null ? null : changes.open(vm, opened);
    if (open !== null) changing(vm, open);
    const { scope, service, mode } = manifest;
    if (admitted !== null) {
      changes.admit(activity);
      tellAdmitted((open ?? admitted.window).id, assess(admitted.deviation, { scope, service, mode }));
    } else if (deviation === null) this.#countUse(vm, activity, compiled);
    else if (!changes.wasAdmitted(activity)) found(assess(deviation, { scope, service, mode }), manifest);
  }

  #countUse(vm: string, activity: Activity, compiled: CompiledManifest): void {
    const entry = allowingEntry(compiled, activity);
    if (entry !== null) this.#options.used(vm, entry, activity);
  }

  #countUnusable(reason: string): void {
    if (this.#unusable.has(reason) || this.#unusable.size < reasonsMax)
      this.#unusable.set(reason, (this.#unusable.get(reason) ?? 0) + 1);
  }
}
