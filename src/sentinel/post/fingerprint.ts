// When two activities are the same one again: what is learned and judged is equal, whatever pid, time and client port they had.
import type { Activity } from '../../model/observation.ts';

export function fingerprintOf(activity: Activity): string {
  const { kind, vm } = activity;
  if (activity.kind === 'process') {
    const { image, parent, ancestors, ppid } = activity;
    // Being adopted by init changes what the parent says.
    return JSON.stringify([kind, vm, image, parent, ancestors, ppid === 1]);
  }
  if (activity.kind === 'listen') {
    const { image, proto, localAddr, localPort } = activity;
    return JSON.stringify([kind, vm, image, proto, localAddr, localPort]);
  }
  const { image, proto, remoteAddr, remotePort, localPort } = activity;
  return JSON.stringify([kind, vm, image, proto, remoteAddr, kind === 'outbound' ? remotePort : localPort]);
}
