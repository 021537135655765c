// A measure as it may go into a switch: every name and address checked against what the switch's own language can carry, so that
// no text from a guest, a person or the network is ever written there. Checked once, here; the adapters trust the types.
import { createHash } from 'node:crypto';
import { canonicalJson } from '../../kit/canonical-json.ts';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { BlockFlow, Capture, NetworkMeasure, Reroute, VmPort } from '../../model/network-measure.ts';
import { type AddressBlock, parseBlock } from './address-block.ts';

export interface CheckedPort {
  readonly interface: string;
  readonly mac: string;
  readonly addresses: readonly AddressBlock[];
  /** The VM's own word. */
  readonly claimed: readonly AddressBlock[];
  readonly bridge: string | null;
  /** `vmMark` of its VM. */
  readonly vm: string;
}

export interface CheckedQuarantine {
  readonly kind: 'quarantine';
  readonly management: readonly AddressBlock[];
  readonly routers: readonly AddressBlock[];
}

export type CheckedBlock = Omit<BlockFlow, 'peer' | 'expiresAt'> & {
  readonly peer: AddressBlock;
  /** Whole seconds from now, one at least. */
  readonly seconds: number;
};

export type CheckedMeasure = CheckedQuarantine | CheckedBlock | Capture | Reroute;

export interface CheckedOrder<M extends CheckedMeasure = CheckedMeasure> {
  readonly id: string;
  readonly port: CheckedPort;
  readonly measure: M;
  /** Of what was ordered and for whom: what is in force under the same id for another order is not this one. */
  readonly digest: string;
}

/** No spaces, quotes, slashes or wildcards; Linux would allow more. IFNAMSIZ. */
const deviceName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/;
const orderId = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const hardwareAddress = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;
const blocksMax = 64;
const secondsMax = 30 * 86_400;

/** What stands in a switch for a VM: its id may hold anything. */
export function vmMark(vm: string): string {
  return createHash('sha256').update(vm).digest('hex').slice(0, 12);
}

export function checkPort(port: VmPort): Result<CheckedPort> {
  if (!isDeviceName(port.interface)) return fail(unusable('interface name', port.interface));
  if (port.bridge !== null && !isDeviceName(port.bridge)) return fail(unusable('bridge name', port.bridge));
  const mac = port.mac.toLowerCase();
  if (!hardwareAddress.test(mac) || Number.parseInt(mac.slice(0, 2), 16) % 2 === 1)
    return fail(unusable('hardware address', port.mac));
  const addresses = blocksOf(port.addresses);
  if (!addresses.ok) return addresses;
  const claimed = blocksOf(port.claimed ?? []);
  if (!claimed.ok) return claimed;
  const { interface: name, bridge } = port;
  const known = { addresses: addresses.value, claimed: claimed.value };
  return ok({ interface: name, mac, ...known, bridge, vm: vmMark(port.vm) });
}

export function checkId(id: string): Result<string> {
  return orderId.test(id) ? ok(id) : fail(unusable('remediation id', id));
}

/** `nowMs`: since the epoch; what has ended already is refused. */
export function checkOrder(port: VmPort, id: string, measure: NetworkMeasure, nowMs: number): Result<CheckedOrder> {
  const checkedPort = checkPort(port);
  if (!checkedPort.ok) return checkedPort;
  const checkedId = checkId(id);
  if (!checkedId.ok) return checkedId;
  const checked = checkMeasure(measure, nowMs);
  if (!checked.ok) return checked;
  const { mac, addresses, claimed, vm } = checkedPort.value;
  const texts = (blocks: readonly AddressBlock[]): readonly string[] => blocks.map(({ address }) => address);
  // What was ordered before there were claims is in switches under this digest, and stays the same order.
  const claims = claimed.length === 0 ? [] : [texts(claimed)];
  const said = canonicalJson([{ ...measure }, mac, vm, texts(addresses), ...claims]);
  const digest = createHash('sha256').update(said).digest('hex').slice(0, 8);
  return ok({ id, port: checkedPort.value, measure: checked.value, digest });
}

function checkMeasure(measure: NetworkMeasure, nowMs: number): Result<CheckedMeasure> {
  switch (measure.kind) {
    case 'quarantine': {
      const management = blocksOf(measure.management);
      if (!management.ok) return management;
      const routers = blocksOf(measure.routers ?? []);
      if (!routers.ok) return routers;
      return ok({ kind: 'quarantine', management: management.value, routers: routers.value });
    }
    case 'block-flow':
      return checkBlock(measure, nowMs);
    case 'capture':
      return inRange(measure.seconds, 1, 3600) && inRange(measure.bytes, 1024, 2 ** 30)
        ? ok(measure)
        : fail(problem('refused', 'A capture needs 1 to 3600 seconds and 1 KiB to 1 GiB.'));
    case 'reroute':
      return isDeviceName(measure.through) ? ok(measure) : fail(unusable('bridge name', measure.through));
  }
}

function checkBlock(measure: BlockFlow, nowMs: number): Result<CheckedBlock> {
  const peer = parseBlock(measure.peer);
  if (peer === null) return fail(unusable('peer', measure.peer));
  const { proto, port, direction } = measure;
  if (port !== null && !inRange(port, 1, 65_535)) return fail(unusable('port', String(port)));
  if (!['tcp', 'udp', 'any'].includes(proto)) return fail(unusable('protocol', proto));
  const leftMs = Date.parse(measure.expiresAt) - nowMs;
  if (!(leftMs > 0)) return fail(problem('refused', `The block ended at ${measure.expiresAt.slice(0, 40)} already.`));
  const seconds = Math.min(Math.ceil(leftMs / 1000), secondsMax);
  return ok({ kind: 'block-flow', peer, proto, port, direction, seconds });
}

function blocksOf(texts: readonly string[]): Result<readonly AddressBlock[]> {
  if (texts.length > blocksMax)
    return fail(problem('refused', `${texts.length} addresses were given where ${blocksMax} are the most.`));
  const blocks: AddressBlock[] = [];
  for (const text of texts) {
    const block = parseBlock(text);
    if (block === null) return fail(unusable('address', text));
    blocks.push(block);
  }
  return ok(blocks);
}

function isDeviceName(text: string): boolean {
  return deviceName.test(text);
}

function inRange(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function unusable(what: string, text: string) {
  const shown = JSON.stringify(text.slice(0, 40));
  return problem('refused', `${shown} is no ${what} that can be written into a switch.`, `Give it another ${what}.`);
}
