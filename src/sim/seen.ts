// Observations for tests, each with all that the test does not care about filled in.
import type {
  Activity,
  ConnectionObservation,
  ListenObservation,
  Observed,
  ProcessImage,
  ProcessObservation,
} from '../model/observation.ts';

export const defaultVm = 'name:web1';
export const defaultAt = '2026-11-21T12:00:00.000Z';
const seen = { vm: defaultVm, at: defaultAt, evidence: 'outside' } as const;

export function imageOf(exe: string | null, argv: readonly string[] = [], uid: number | null = 0): ProcessImage {
  return { exe, deleted: false, argv: [...argv], uid, euid: uid };
}

/** A process with its parent's executable; its pid is nobody's. */
export function process(
  exe: string | null,
  argv: readonly string[],
  parent: string | null = '/usr/lib/systemd/systemd',
  rest: Partial<ProcessObservation> = {},
): ProcessObservation {
  return {
    kind: 'process',
    ...seen,
    pid: 4711,
    ppid: 470,
    image: imageOf(exe, argv),
    parent: parent === null ? null : { exe: parent, argv: [] },
    ancestors: parent === null ? [] : [parent],
    ...rest,
  };
}

/** `exe` null = nobody owns the socket. */
export function outbound(
  exe: string | null,
  remoteAddr: string,
  remotePort: number,
  rest: Partial<ConnectionObservation> = {},
): ConnectionObservation {
  const ends = { proto: 'tcp', localAddr: '10.0.0.5', localPort: 45_678, remoteAddr, remotePort } as const;
  return { kind: 'outbound', ...seen, pid: null, image: exe === null ? null : imageOf(exe), ...ends, ...rest };
}

export function inbound(
  exe: string | null,
  remoteAddr: string,
  localPort: number,
  rest: Partial<ConnectionObservation> = {},
): ConnectionObservation {
  const ends = { proto: 'tcp', localAddr: '10.0.0.5', localPort, remoteAddr, remotePort: 51_234 } as const;
  return { kind: 'inbound', ...seen, pid: null, image: exe === null ? null : imageOf(exe), ...ends, ...rest };
}

export function listen(
  exe: string | null,
  localPort: number,
  rest: Partial<ListenObservation> = {},
): ListenObservation {
  const image = exe === null ? null : imageOf(exe);
  return { kind: 'listen', ...seen, pid: null, image, proto: 'tcp', localAddr: '0.0.0.0', localPort, ...rest };
}

export function once(activity: Activity): Observed {
  return { activity, count: 1, firstAt: activity.at, lastAt: activity.at };
}
