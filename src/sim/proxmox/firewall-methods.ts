// The methods of the made-up Proxmox VE on firewalls, after pve-firewall's API2/Firewall/{Rules,VM,Cluster}.pm and Firewall.pm.
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { Json } from '../../kit/canonical-json.ts';
import {
  anyText,
  type ApiMethod,
  type Asked,
  atMost,
  type Check,
  digestText,
  ofVm,
  oneOf,
  Refusal,
} from './api-method.ts';
import type { FakeRule, FakeVm } from './cluster.ts';

const audit = { path: '/vms/{vmid}', privileges: ['VM.Audit'] };
const change = { path: '/vms/{vmid}', privileges: ['VM.Config.Network'] };

const addresses: Check = (value) => {
  if (value.length > 512) return 'value may only be 512 characters long';
  const isWrong = value.split(',').some((each) => {
    const [address = '', bits, ...more] = each.split('/');
    const most = isIP(address) === 6 ? 128 : 32;
    return (
      isIP(address) === 0 || more.length > 0 || (bits !== undefined && !(/^\d+$/.test(bits) && Number(bits) <= most))
    );
  });
  return isWrong ? `invalid format - invalid IP address: ${value}` : null;
};
const ports: Check = (value) =>
  value.split(',').every((each) => /^\d{1,5}(:\d{1,5})?$/.test(each))
    ? null
    : `invalid format - invalid port '${value}'`;

const ruleFields = {
  action: (value: string) => (/^[A-Za-z][A-Za-z0-9_-]{1,19}$/.test(value) ? null : 'invalid format'),
  type: oneOf('in', 'out', 'forward', 'group'),
  source: addresses,
  dest: addresses,
  proto: oneOf('tcp', 'udp', 'icmp', 'sctp', '6', '17'),
  dport: ports,
  sport: ports,
  iface: atMost(20),
  macro: atMost(128),
  enable: (value: string) => (/^\d+$/.test(value) ? null : `type check ('integer') failed - got '${value}'`),
  comment: anyText,
  log: anyText,
  pos: anyText,
  digest: digestText,
} as const satisfies Readonly<Record<string, Check>>;

const { action, type, ...optionalFields } = ruleFields;

export const firewallMethods: readonly ApiMethod[] = [
  {
    verb: 'GET',
    path: 'cluster/firewall/options',
    needs: { path: '/', privileges: ['Sys.Audit'] },
    run: ({ cluster }) => Object.fromEntries(cluster.firewall),
  },
  {
    verb: 'GET',
    path: `${ofVm}/firewall/options`,
    needs: audit,
    run: ({ vm }) => ({ ...Object.fromEntries(vm.firewall), digest: sum([Object.fromEntries(vm.firewall)]) }),
  },
  { verb: 'GET', path: `${ofVm}/firewall/rules`, needs: audit, run: ({ vm }) => listRules(vm) },
  {
    verb: 'POST',
    path: `${ofVm}/firewall/rules`,
    needs: change,
    required: { action, type },
    optional: optionalFields,
    run: createRule,
  },
  {
    verb: 'DELETE',
    path: `${ofVm}/firewall/rules/{pos}`,
    needs: change,
    optional: { digest: digestText },
    run: ({ vm, given }) => {
      if (given['digest'] !== undefined && given['digest'] !== '' && given['digest'] !== sum(vm.rules))
        throw new Refusal(500, 'detected modified configuration - file changed by other user? Try again.');
      const at = Number(given['pos']);
      if (at >= vm.rules.length) throw new Refusal(500, `no rule at position ${at}`);
      vm.rules.splice(at, 1);
      return null;
    },
  },
];

function listRules(vm: FakeVm): Json {
  const digest = sum(vm.rules);
  // Numbers where the real one says numbers.
  return vm.rules.map((rule, pos) => ({ ...rule, enable: Number(rule['enable'] ?? 0), pos, digest }));
}

/** At the top, whatever the digest, and switched off unless it says otherwise. */
function createRule({ cluster, vm, given }: Asked): Json {
  const { node: _node, vmid: _vmid, pos: _pos, digest: _digest, ...said } = given;
  const wrong = wrongRule(said);
  if (wrong !== null) throw new Refusal(400, 'Parameter verification failed.', wrong);
  // A comment is the rest of its line in a file.
  if (/[\r\n]/.test(said['comment'] ?? '')) cluster.isCorrupted = true;
  vm.rules.unshift({ enable: '0', ...said });
  return null;
}

function wrongRule(rule: FakeRule): Readonly<Record<string, string>> | null {
  const { action: does = '', type: kind, iface, proto, dport, sport } = rule;
  if (kind === 'forward') return { type: `invalid rule type 'forward' for rule_env 'vm'` };
  if (kind !== 'group' && !/^(ACCEPT|DROP|REJECT)$/.test(does)) return { action: `unknown action '${does}'` };
  if (iface !== undefined && !/^net\d+$/.test(iface))
    return { iface: `value does not match the regex pattern 'net\\d+'` };
  if ((dport ?? sport) !== undefined && proto === undefined)
    return { proto: `missing property - 'dport' requires this property` };
  const families = [rule['source'], rule['dest']].flatMap((text) =>
    text === undefined ? [] : isIP(text.split('/')[0] ?? ''),
  );
  return new Set(families).size > 1 ? { dest: 'detected mixed ipv4/ipv6 addresses in rule' } : null;
}

function sum(said: readonly FakeRule[]): string {
  return createHash('sha1').update(JSON.stringify(said)).digest('hex');
}
