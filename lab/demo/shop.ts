// The shop as its owner would declare it to Plumbline: one scope, three services, and what each answers to a deviation.
import type { Declaration } from '../../src/model/declaration.ts';
import type { VmAction } from '../../src/model/remediation.ts';
import type { Severity } from '../../src/model/finding.ts';
import type { Rule } from '../../src/model/rule.ts';
import type { AttackName } from '../attacks.ts';
import { tiers, type Tier } from '../tier-disk.ts';

export const scopeName = 'shop';

const descriptions: Readonly<Record<Tier, string>> = {
  web: 'web server with CGI programs',
  app: 'takes orders',
  db: 'keeps orders',
};

export function shopDeclaration(vmNames: Readonly<Record<Tier, string>>): Declaration {
  const services = tiers.map((tier) => ({ name: tier, description: descriptions[tier], members: [vmNames[tier]] }));
  return { scopes: [{ name: scopeName, description: 'a web shop of three tiers', services }] };
}

/** Where an attack is answered and how; the other tiers only raise their alarms, so that it can get so far. */
export interface Answer {
  readonly tier: Tier;
  readonly action: VmAction;
}

export const answers: Readonly<Record<AttackName, Answer>> = {
  'web-shell': { tier: 'web', action: 'suspend' },
  'download-and-run': { tier: 'web', action: 'snapshot' },
  'memory-only': { tier: 'web', action: 'suspend' },
  'reverse-connection': { tier: 'web', action: 'power-off' },
  'new-listener': { tier: 'web', action: 'suspend' },
  'lateral-movement': { tier: 'db', action: 'power-off' },
  'hostile-argument': { tier: 'app', action: 'snapshot' },
  masquerade: { tier: 'web', action: 'suspend' },
};

/** A stranger at the database's door is answered however little it has done yet. */
export function answeredFrom(tier: Tier): Severity {
  return tier === 'db' ? 'minor' : 'serious';
}

/** The rules of a tier while an attack is on its way: the answering tier answers at once, the others only raise their alarms. */
export function rulesFor({ tier, action }: Answer, of: Tier): Rule[] {
  return of === tier ? [{ on: 'any', minSeverity: answeredFrom(tier), action, approval: 'automatic' }] : [];
}
