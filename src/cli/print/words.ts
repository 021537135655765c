// The model's nouns as people read them: times, behaviours, activities, counts. Text may hold what a guest wrote and is made
// safe where it is printed.
import type { Behaviour } from '../../model/behaviour.ts';
import type { Provenance } from '../../model/manifest.ts';
import type { Severity } from '../../model/finding.ts';
import type { Activity, ProcessImage } from '../../model/observation.ts';
import type { RemediationState } from '../../model/remediation.ts';
import { isInline, type Rule } from '../../model/rule.ts';
import type { VmState } from '../../model/vm.ts';
import type { Style } from './page.ts';
import { visible, visibleArgv } from './visible.ts';

/** `2026-11-21 21:05:07Z`: one zone for everybody who compares logs. */
export function sayTime(iso: string | null): string | null {
  return iso === null ? null : iso.replace('T', ' ').replace(/\.\d+Z$/, 'Z');
}

/** `11-21 21:05:07`, for tables whose title says UTC. */
export function sayShortTime(iso: string | null): string | null {
  return iso === null ? null : iso.slice(5, 19).replace('T', ' ');
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

export function sayBehaviour(behaviour: Behaviour): string {
  const exe = visible(behaviour.exe);
  switch (behaviour.kind) {
    case 'process':
      return `${exe}: ${visibleArgv(behaviour.argv)} (user ${behaviour.user}, parent ${visible(behaviour.parent)})`;
    case 'outbound':
      return `${exe} -> ${behaviour.proto} ${visible(behaviour.peer)} port ${behaviour.port}`;
    case 'inbound':
      return `${exe} <- ${behaviour.proto} ${visible(behaviour.peer)} on port ${behaviour.port}`;
    case 'listen':
      return `${exe} listens on ${behaviour.proto} port ${behaviour.port}`;
  }
}

export function sayActivity(activity: Activity): string {
  switch (activity.kind) {
    case 'process': {
      const { image, parent } = activity;
      const user = image.euid === null || image.euid === image.uid ? image.uid : `${image.uid} as ${image.euid}`;
      return `${sayImage(image)}: ${visibleArgv(image.argv)} (user ${user ?? '?'}, parent ${visible(parent?.exe ?? '?')})`;
    }
    case 'outbound':
      return `${sayImage(activity.image)} -> ${activity.proto} ${sayEnd(activity.remoteAddr, activity.remotePort)}`;
    case 'inbound':
      return `${sayImage(activity.image)} <- ${activity.proto} ${sayEnd(activity.remoteAddr, activity.remotePort)} on port ${activity.localPort}`;
    case 'listen':
      return `${sayImage(activity.image)} listens on ${activity.proto} ${sayEnd(activity.localAddr, activity.localPort)}`;
  }
}

export function sayProvenance({ kind, by, count: times, members, alarm }: Provenance): string {
  return [
    kind,
    ...(by === undefined ? [] : [`by ${by}`]),
    ...(times === undefined ? [] : [`${times}x`]),
    ...(members === undefined ? [] : [`on ${count(members, 'member')}`]),
    ...(alarm === undefined ? [] : [`from alarm ${alarm.slice(0, 8)}`]),
  ].join(' ');
}

export function sayRule({ on, minSeverity, action, also = [], calls = [], approval, ...rest }: Rule): string {
  const when = isInline(action) ? 'before it happens' : approval === 'automatic' ? 'at once' : 'when a person agrees';
  const more = [
    ...(rest.unanswered === 'approve' ? [`or nobody answers for ${rest.deadlineMinutes ?? 60} minutes`] : []),
    ...(rest.expiresMinutes === undefined ? [] : [`for ${rest.expiresMinutes} minutes`]),
    ...(rest.evidence === 'none' ? ['keeping no evidence'] : []),
    ...(rest.evidence === 'memory' ? ['keeping its memory first'] : []),
    ...(rest.dryRun === true ? ['shown only'] : []),
  ];
  const actions = [action, ...also, ...calls.map((name) => `call ${name}`)].join(' and ');
  return `${on === 'any' ? 'any deviation' : on} from ${minSeverity} up: ${[actions, when, ...more].join(', ')}`;
}

/** `[::1]:22`, as in a URL. */
export function sayEnd(address: string, port: number | null): string {
  const host = visible(address.includes(':') ? `[${address}]` : address);
  return port === null || port === 0 ? `${host}:*` : `${host}:${port}`;
}

function sayImage(image: ProcessImage | null): string {
  if (image === null) return 'nobody any more';
  return `${visible(image.exe ?? '?')}${image.deleted ? ' (deleted)' : ''}`;
}

export function severityStyle(severity: Severity): Style {
  return ({ info: 'quiet', minor: 'warn', serious: 'bad', critical: 'worst' } as const)[severity];
}

export function vmStateStyle(state: VmState): Style | null {
  return ({ running: null, paused: 'warn', unreadable: 'bad', off: 'quiet', gone: 'quiet' } as const)[state];
}

export function remediationStyle(state: RemediationState): Style | null {
  return ({ planned: null, executing: null, done: 'good', unconfirmed: 'warn', failed: 'bad' } as const)[state];
}
