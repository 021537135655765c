// What a tracer and its watchdog say to each other over Node's channel between parent and child. What is not understood is left
// out: a watchdog may not fall over a tracer that has gone mad.
import type { Freed } from './detach-conversation.ts';

/** From the tracer. `id` names one guarded trace, chosen by the tracer; `cut` = its connection is gone and it did not end it. */
export type Order =
  | { readonly do: 'watch'; readonly id: number; readonly socketPath: string; readonly qemuPid: number }
  | { readonly do: 'beat' | 'release' | 'cut' | 'close'; readonly id: number }
  | { readonly do: 'hold'; readonly id: number; readonly forMs: number }
  | { readonly do: 'paused-by-other'; readonly id: number; readonly paused: boolean };

/** From the watchdog; `watching` carries the connection. */
export type Report =
  | { readonly say: 'ready' }
  | { readonly say: 'watching'; readonly id: number; readonly ranBefore: boolean }
  | { readonly say: 'heard' | 'closed'; readonly id: number }
  | { readonly say: 'refused'; readonly id: number; readonly message: string }
  | {
      readonly say: 'taken';
      readonly id: number;
      readonly why: string;
      readonly left: Freed | 'qemu-gone' | 'not-freed';
    };

/** A person is asked for no longer than this while a guest stands. */
export const holdMsMax = 60 * 60 * 1000;
/** sun_path of a unix socket address holds 108 bytes with its end. */
const socketPathBytesMax = 107;

export function readOrder(message: unknown): Order | null {
  if (!isObject(message) || !isCount(message['id'])) return null;
  const { id } = message;
  switch (message['do']) {
    case 'watch': {
      const { socketPath, qemuPid } = message;
      return isSocketPath(socketPath) && isCount(qemuPid) ? { do: 'watch', id, socketPath, qemuPid } : null;
    }
    case 'beat':
    case 'release':
    case 'cut':
    case 'close':
      return { do: message['do'], id };
    case 'hold': {
      const { forMs } = message;
      const understood = typeof forMs === 'number' && forMs >= 0;
      return understood ? { do: 'hold', id, forMs: Math.min(forMs, holdMsMax) } : null;
    }
    case 'paused-by-other': {
      const { paused } = message;
      return typeof paused === 'boolean' ? { do: 'paused-by-other', id, paused } : null;
    }
    default:
      return null;
  }
}

export function readReport(message: unknown): Report | null {
  if (!isObject(message)) return null;
  if (message['say'] === 'ready') return { say: 'ready' };
  if (!isCount(message['id'])) return null;
  const { id } = message;
  switch (message['say']) {
    case 'watching':
      return { say: 'watching', id, ranBefore: message['ranBefore'] === true };
    case 'heard':
    case 'closed':
      return { say: message['say'], id };
    case 'refused':
      return { say: 'refused', id, message: String(message['message']) };
    case 'taken': {
      const left = (['running', 'left-paused', 'qemu-gone'] as const).find((one) => one === message['left']);
      return { say: 'taken', id, why: String(message['why']), left: left ?? 'not-freed' };
    }
    default:
      return null;
  }
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isSocketPath(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith('/') && Buffer.byteLength(value) <= socketPathBytesMax;
}
