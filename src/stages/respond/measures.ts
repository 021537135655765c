// What a switch would be given for an action, or why there is nothing to give it.
import type { BlockFlow, NetworkMeasure } from '../../model/network-measure.ts';
import type { Activity } from '../../model/observation.ts';
import type { NetworkAction } from '../../model/remediation.ts';
import type { ResponsePolicy } from '../../model/response-policy.ts';
import { containsPrefix, parseAddress, parsePrefix, type Prefix } from '../../pattern/address.ts';

export type MeasureFound =
  | { readonly measure: NetworkMeasure }
  | { readonly measure: null; readonly why: string; readonly isProtected?: true };

const captureLimits = { seconds: 300, bytes: 64 * 1024 * 1024 };

/** `activity` null = the cause is nothing that has a peer. `expiresAtMs` is used by a blocked flow only. */
export function measureFor(
  action: NetworkAction,
  activity: Activity | null,
  policy: ResponsePolicy,
  expiresAtMs: number,
): MeasureFound {
  switch (action) {
    case 'quarantine': {
      const spared = [...(policy.management ?? []), ...(policy.protectedPeers ?? [])].slice(0, 64);
      return {
        measure: {
          kind: 'quarantine',
          management: spared,
          ...(policy.routers === undefined ? {} : { routers: policy.routers }),
        },
      };
    }
    case 'capture':
      return { measure: { kind: 'capture', ...captureLimits } };
    case 'reroute':
      return policy.inspection === undefined
        ? { measure: null, why: 'the service has no inspection point (policy: inspection)' }
        : { measure: { kind: 'reroute', through: policy.inspection } };
    case 'block-flow':
      return flowOf(activity, policy, expiresAtMs);
  }
}

function flowOf(activity: Activity | null, policy: ResponsePolicy, expiresAtMs: number): MeasureFound {
  if (activity === null || (activity.kind !== 'outbound' && activity.kind !== 'inbound'))
    return { measure: null, why: 'what was found is no connection, so that there is no flow to block' };
  const peer = prefixFrom(activity.remoteAddr);
  if (peer === null) return { measure: null, why: 'the peer has no address that could be blocked' };
  const spared = [...(policy.management ?? []), ...(policy.protectedPeers ?? [])];
  const protecting = spared.find((block) => {
    const outer = prefixFrom(block);
    return outer !== null && containsPrefix(outer, peer);
  });
  if (protecting !== undefined)
    return {
      measure: null,
      why: `${activity.remoteAddr} is protected by the policy (${protecting})`,
      isProtected: true,
    };
  const port = activity.kind === 'outbound' ? activity.remotePort : activity.localPort;
  const flow: BlockFlow = {
    kind: 'block-flow',
    peer: activity.remoteAddr.split('%')[0] ?? activity.remoteAddr,
    proto: activity.proto,
    port: port === 0 ? null : port,
    direction: activity.kind,
    expiresAt: new Date(expiresAtMs).toISOString(),
  };
  return { measure: flow };
}

function prefixFrom(text: string): Prefix | null {
  if (text.includes('/')) return parsePrefix(text);
  const address = parseAddress(text);
  return address === null ? null : { ...address, length: address.bits };
}
