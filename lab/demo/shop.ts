// The shop as its owner would declare it to Plumbline: one scope, three services, and what each answers to a deviation.
import type { Declaration } from '../../src/model/declaration.ts';
import type { Action } from '../../src/model/remediation.ts';
import type { AttackName } from '../attacks.ts';
import { tiers, type Tier } from '../tier-disk.ts';

export const scopeName = 'shop';

/** The web tier is frozen for a look, the app tier's state is kept as evidence, the database is rather off than read. */
const answers: Readonly<Record<Tier, Action>> = { web: 'suspend', app: 'snapshot', db: 'power-off' };

const descriptions: Readonly<Record<Tier, string>> = {
  web: 'web server with CGI programs',
  app: 'takes orders',
  db: 'keeps orders',
};

export function shopDeclaration(vmNames: Readonly<Record<Tier, string>>): Declaration {
  return {
    scopes: [
      {
        name: scopeName,
        description: 'a web shop of three tiers',
        services: tiers.map((tier) => ({
          name: tier,
          description: descriptions[tier],
          members: [vmNames[tier]],
          rules: [{ on: 'any', minSeverity: 'serious', action: answers[tier], approval: 'automatic' }],
        })),
      },
    ],
  };
}

/** The tier where an attack does its harm, and so where its alarm and its answer are looked for. */
const harmed: Readonly<Partial<Record<AttackName, Tier>>> = { 'lateral-movement': 'db', 'hostile-argument': 'app' };

export function harmedTier(attack: AttackName): Tier {
  return harmed[attack] ?? 'web';
}

export function answerOf(tier: Tier): Action {
  return answers[tier];
}
