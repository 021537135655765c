// What it means when a guest's own counters change from one look to the next.
import type { Activity } from '../../introspection/guest/guest-view.ts';

/** Something started in it or used a socket; or its past is another one. */
export function hasStirred(before: Activity, now: Activity): boolean {
  return now.forks !== before.forks || now.traffic !== before.traffic || now.ticks < before.ticks;
}

/** None of these counters falls in one life of a system; a loaded snapshot may leave some of them where they were. */
export function hasGoneBack(before: Activity, now: Activity): boolean {
  return now.forks < before.forks || now.ticks < before.ticks || now.traffic < before.traffic;
}
