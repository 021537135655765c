// Ports as patterns: one port, a range, Linux's ephemeral range, or any.
import { problem } from '../kit/problem.ts';
import { type Result, fail, ok } from '../kit/result.ts';

export interface PortPattern {
  readonly low: number;
  readonly high: number;
}

/** Default of net.ipv4.ip_local_port_range (Documentation/networking/ip-sysctl.rst). */
export const ephemeralPorts: PortPattern = { low: 32_768, high: 60_999 };
const allPorts: PortPattern = { low: 0, high: 65_535 };

/** From IANA's dynamic ports (RFC 6335), which Windows and BSD hand out, and Linux's, up to the last. */
export const dynamicPorts: PortPattern = { low: 32_768, high: 65_535 };
/** What any user may take: programs that draw a port themselves draw from these. */
export const unprivilegedPorts: PortPattern = { low: 1024, high: 65_535 };

export function isEphemeral(port: number): boolean {
  return matchesPort(ephemeralPorts, port);
}

export function parsePort(text: string): Result<PortPattern> {
  if (text === 'any') return ok(allPorts);
  if (text === 'ephemeral') return ok(ephemeralPorts);
  const digits = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(text);
  const low = Number(digits?.[1]);
  const high = Number(digits?.[2] ?? digits?.[1]);
  if (!(low <= high && high <= 65_535))
    return fail(
      problem('usage', `${text} is not a port pattern.`, 'Write a port, a range such as 8000-8010, ephemeral or any.'),
    );
  return ok({ low, high });
}

export function printPort(pattern: PortPattern): string {
  if (same(pattern, allPorts)) return 'any';
  if (same(pattern, ephemeralPorts)) return 'ephemeral';
  return pattern.low === pattern.high ? String(pattern.low) : `${pattern.low}-${pattern.high}`;
}

export function matchesPort(pattern: PortPattern, port: number): boolean {
  return port >= pattern.low && port <= pattern.high;
}

export function subsumesPort(wide: PortPattern, narrow: PortPattern): boolean {
  return wide.low <= narrow.low && narrow.high <= wide.high;
}

function same(a: PortPattern, b: PortPattern): boolean {
  return a.low === b.low && a.high === b.high;
}
