// What is one alarm to whoever reads them: the same machine, kind, executable, parent and arguments, or address and port. One
// definition for everything that is scored; numbers and digests in arguments do not tell alarms apart.
import type { Activity } from '../model/observation.ts';

const changing = /[0-9a-f]{8,}|\d+/g;

export function alarmGroup(activity: Activity): string {
  const { vm, kind, image } = activity;
  const exe = image?.exe ?? '?';
  switch (kind) {
    case 'process': {
      const argv = activity.image.argv.map((argument) => argument.replaceAll(changing, '#'));
      return JSON.stringify([vm, kind, exe, activity.parent?.exe ?? '?', ...argv]);
    }
    case 'outbound':
      return JSON.stringify([vm, kind, exe, activity.remoteAddr, activity.remotePort]);
    case 'inbound':
      // The port a caller happens to use is another each time.
      return JSON.stringify([vm, kind, exe, activity.remoteAddr, activity.localPort]);
    case 'listen':
      return JSON.stringify([vm, kind, exe, activity.localPort]);
  }
}
