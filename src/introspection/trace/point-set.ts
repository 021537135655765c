// The places where QEMU is to stop the guest, as words of the gdb protocol.
import type { Hook, StopPoint } from './hook.ts';

/** Hardware has four for both kinds together; emulation would take more, and is held to the same where it stands in for it. */
export const codePointsMax = 4;

const types = { any: 4, write: 2 } as const;

function wordOf(point: StopPoint): string {
  const address = `${point.at.high.toString(16)}${point.at.low.toString(16).padStart(8, '0')}`;
  return point.on === 'code' ? `1,${address},1` : `${types[point.access]},${address},${point.sizeBytes}`;
}

export function insertion(point: StopPoint): string {
  return `Z${wordOf(point)}`;
}

export function removal(point: StopPoint): string {
  return `z${wordOf(point)}`;
}

export interface ChosenHooks {
  readonly hooks: readonly Hook[];
  /** Each once, though several hooks ask for it. */
  readonly points: readonly StopPoint[];
  /** Hooks for which no place was left. */
  readonly leftOut: readonly Hook[];
}

/** As many of the hooks as there are code points for, the first ones first; data points are not counted. */
export function chooseHooks(wanted: readonly Hook[], codePoints: number = codePointsMax): ChosenHooks {
  const points = new Map<string, StopPoint>();
  const hooks: Hook[] = [];
  const leftOut: Hook[] = [];
  for (const hook of wanted) {
    const added = new Map(hook.points.map((point) => [insertion(point), point]));
    const codes = [...new Map([...points, ...added]).values()].filter(({ on }) => on === 'code').length;
    if (codes > codePoints) {
      leftOut.push(hook);
      continue;
    }
    hooks.push(hook);
    for (const [word, point] of added) points.set(word, point);
  }
  return { hooks, points: [...points.values()], leftOut };
}
