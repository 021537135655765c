// A blocked flow as rules of Proxmox VE's firewall, and as it is found there again: each rule carries in its comment whose it is,
// for which VM, from which order, which of how many, and what it says, so that one that is missing or was changed is seen.
import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from '../../../kit/canonical-json.ts';
import { asObject, asText, type JsonObject } from '../../../kit/json-object.ts';
import { plainText } from '../../../protocols/proxmox/proxmox-answer.ts';
import { blockText } from '../address-block.ts';
import type { CheckedBlock, CheckedOrder } from '../checked-order.ts';
import type { FoundMeasure } from '../verified-measure.ts';

/** Parameters of a rule, as they are sent. */
export type RuleFields = Readonly<Record<string, string>>;

export interface OwnRule {
  readonly position: number;
  readonly card: string;
  readonly id: string;
  readonly vm: string;
  readonly digest: string;
  readonly part: number;
  readonly parts: number;
  readonly until: string;
  /** Null = it is as it was made. */
  readonly wrong: string | null;
}

export const rulesMax = 2000;
const says = ['type', 'action', 'iface', 'source', 'dest', 'proto', 'dport', 'sport', 'macro', 'icmp-type'] as const;
const commentForm =
  /^plumbline (?<id>[A-Za-z0-9][A-Za-z0-9._-]{0,63}) vm=(?<vm>[0-9a-f]{12}) digest=(?<digest>[0-9a-f]{8}) part=(?<part>[1-4])\/(?<parts>[1-4]) sum=(?<sum>[0-9a-f]{8}) until=(?<until>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)$/;

/** `until`: when it ought to be taken back, which the platform does not do by itself. */
export function rulesFor(
  { id, port, digest, measure }: CheckedOrder<CheckedBlock>,
  until: string,
): readonly RuleFields[] {
  const peer = blockText(measure.peer);
  // A port without a protocol is no rule.
  const protocols = measure.proto !== 'any' ? [measure.proto] : measure.port === null ? [null] : ['tcp', 'udp'];
  const toPeer = measure.direction === 'outbound' ? 'dport' : 'sport';
  const fromPeer = measure.direction === 'outbound' ? 'sport' : 'dport';
  const bare = protocols.flatMap((proto) => {
    const portOf = (field: string): RuleFields => (measure.port === null ? {} : { [field]: String(measure.port) });
    const both: RuleFields = { action: 'DROP', iface: port.interface, ...(proto === null ? {} : { proto }) };
    return [
      { type: 'out', dest: peer, ...both, ...portOf(toPeer) },
      { type: 'in', source: peer, ...both, ...portOf(fromPeer) },
    ];
  });
  return bare.map((rule, index) => ({
    ...rule,
    // Without this a rule is made and does nothing.
    enable: '1',
    comment:
      `plumbline ${id} vm=${port.vm} digest=${digest} part=${index + 1}/${bare.length} ` +
      `sum=${sumOf(rule)} until=${until}`,
  }));
}

/** Ours for that card; `rules`: all of the VM's, in their order. */
export function ownRules(rules: readonly Json[], card: string): readonly OwnRule[] {
  return rules.flatMap((each, position) => {
    const rule = asObject(each);
    const own = rule === null ? null : ownRule(rule, position);
    if (own?.card !== card) return [];
    const isBehind = rules.slice(0, position).some((other) => opensTheWay(asObject(other), rule, card));
    return isBehind ? { ...own, wrong: own.wrong ?? 'stands behind a rule of somebody else that lets pass' } : own;
  });
}

function ownRule(rule: JsonObject, position: number): OwnRule | null {
  const said = commentForm.exec(asText(rule['comment']) ?? '')?.groups;
  if (said === undefined) return null;
  const { id = '', vm = '', digest = '', sum, until = '' } = said;
  const isAsMade = sumOf(rule) === sum;
  const wrong = !isOn(rule) ? 'is switched off' : isAsMade ? null : 'was changed';
  const [part, parts] = [Number(said['part']), Number(said['parts'])];
  return { position, card: plainText(rule['iface']), id, vm, digest, part, parts, until, wrong };
}

/** Rules count from the top, and the first that fits decides. */
function opensTheWay(other: JsonObject | null, own: JsonObject | null, card: string): boolean {
  if (other === null || !isOn(other)) return false;
  const iface = plainText(other['iface']);
  if (iface !== '' && iface !== card) return false;
  return other['type'] === 'group' || (other['type'] === own?.['type'] && other['action'] === 'ACCEPT');
}

function isOn(rule: JsonObject): boolean {
  return Number(rule['enable'] ?? 0) > 0;
}

/** The measures that those rules make; two halves of the same order are one. */
export function measuresOf(own: readonly OwnRule[], gap: string | null): readonly FoundMeasure[] {
  const orders = Map.groupBy(own, ({ id, vm, digest }) => `${id} ${vm} ${digest}`);
  return [...orders.values()].flatMap((rules) => {
    const [first] = rules;
    if (first === undefined) return [];
    const { id, vm, digest, until } = first;
    return {
      id,
      kind: 'block-flow',
      vm,
      digest,
      missing: missingOf(rules, first) ?? gap,
      endsInMs: null,
      words: words(until),
    };
  });
}

function missingOf(rules: readonly OwnRule[], { parts }: OwnRule): string | null {
  for (let part = 1; part <= parts; part += 1) {
    const made = rules.filter((rule) => rule.part === part);
    if (made.length === 0) return `rule ${part} of ${parts} is not there`;
    if (made.every(({ wrong }) => wrong !== null)) return `rule ${part} of ${parts} ${made[0]?.wrong ?? ''}`;
  }
  return null;
}

/** Of every part the first that is as it was made stays; the others do nothing, or another thing than was ordered. */
export function superfluous(own: readonly OwnRule[], digest: string): readonly OwnRule[] {
  const kept = new Set<number>();
  return own.filter((rule) => {
    const isKept = rule.digest === digest && rule.wrong === null && !kept.has(rule.part);
    if (isKept) kept.add(rule.part);
    return !isKept;
  });
}

function words(until: string): string {
  return (
    'new connections are dropped by the firewall, within ten seconds of the order; one that was there before goes on until it ' +
    `ends; the rules stay until they are lifted, which is due at ${until}`
  );
}

function sumOf(rule: JsonObject): string {
  const said = says.flatMap((key) => (plainText(rule[key]) === '' ? [] : [[key, plainText(rule[key])]]));
  return createHash('sha256').update(canonicalJson(said)).digest('hex').slice(0, 8);
}
