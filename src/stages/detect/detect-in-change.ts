// Detection while the machine is being changed: what a declared or observed change brings is no deviation, everything else is.
import type { ChangeWindow } from '../../model/change.ts';
import type { Deviation } from '../../model/deviation.ts';
import type { Activity } from '../../model/observation.ts';
import { installation, observedChange, windowAdmitting, withWindow } from './change-window.ts';
import { type CompiledManifest, detect, isKnownStart } from './detect.ts';

export interface DetectedInChange {
  readonly deviation: Deviation | null;
  /** What would have been a deviation, and the window that admits it: nothing is let through without being told. */
  readonly admitted: { readonly deviation: Deviation; readonly window: ChangeWindow } | null;
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
  const deviation = detect(manifest, activity);
  const window = deviation === null ? null : (opened ?? windowAdmitting(open, activity));
  const admitted = deviation === null || window === null ? null : { deviation, window };
  return { deviation: admitted === null ? deviation : null, admitted, windows: open, opened };
}

function openedBy(manifest: CompiledManifest, activity: Activity): ChangeWindow | null {
  // Without a clock there is no window that could close.
  if (activity.kind !== 'process' || Date.parse(activity.at) === 0) return null;
  const packages = installation(activity);
  return packages !== null && isKnownStart(manifest, activity) ? observedChange(activity, packages) : null;
}
