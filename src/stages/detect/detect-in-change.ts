// Detection while the machine is being changed: what a declared or observed change brings is no deviation, everything else is.
import type { Deviation } from '../../model/deviation.ts';
import type { Activity } from '../../model/observation.ts';
import { type ChangeWindow, installation, isPartOfChange, observedChange, withWindow } from './change-window.ts';
import { type CompiledManifest, detect, isKnownStart } from './detect.ts';

export interface DetectedInChange {
  readonly deviation: Deviation | null;
  /** To be given with the next activity of the same VM. */
  readonly windows: readonly ChangeWindow[];
  /** The activity began a change; whoever watches the VM should be told. */
  readonly opened: ChangeWindow | null;
}

/**
 * An installation opens a window when the package manager is started as it was while learning: by the same parent, as the same
 * user. Started by anybody else it is a deviation like any other, and so is what it does.
 */
export function detectInChange(
  manifest: CompiledManifest,
  windows: readonly ChangeWindow[],
  activity: Activity,
): DetectedInChange {
  const opened = openedBy(manifest, activity);
  const open = opened === null ? windows : withWindow(windows, opened);
  const deviation = opened === null ? detect(manifest, activity) : null;
  const isExpected = deviation !== null && isPartOfChange(open, activity);
  return { deviation: isExpected ? null : deviation, windows: open, opened };
}

function openedBy(manifest: CompiledManifest, activity: Activity): ChangeWindow | null {
  // Without a clock there is no window that could close.
  if (activity.kind !== 'process' || Date.parse(activity.at) === 0) return null;
  const packages = installation(activity);
  return packages !== null && isKnownStart(manifest, activity) ? observedChange(activity, packages) : null;
}
