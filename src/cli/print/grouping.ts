// VMs in no service that belong together, and how sure that is.
import { stringify } from 'yaml';
import type { Grouping, GroupTrait } from '../../model/grouping.ts';
import type { Page } from './page.ts';
import { visible } from './visible.ts';
import { count } from './words.ts';

export function printGrouping(grouping: Grouping, page: Page): string {
  const { groups, lone, notes } = grouping;
  const lines = groups.flatMap(({ join, service, members, score, traits, shared, distinguishing }) => [
    page.paint('heading', join === null ? `new service ${service}` : `join ${join.scope}/${join.service}`) +
      `  score ${score.toFixed(2)}`,
    ...members.map(({ name, vm, score: own }) => `  ${visible(name)} (${visible(vm)})  ${own.toFixed(2)}`),
    `  all of them show ${shared} of the ${count(traits, 'trait')} that any of them does; what tells them apart:`,
    ...distinguishing.map((each) => `    ${sayTrait(each)}`),
  ]);
  return [
    groups.length === 0
      ? 'No VMs in no service belong together.'
      : 'VMs in no service that belong together; nothing was changed',
    ...lines,
    ...(lone.length === 0 ? [] : [page.paint('heading', 'alone')]),
    ...lone.map(({ name, why, nearest }) => {
      const next = nearest === null ? '' : `; nearest ${visible(nearest.name)}, ${nearest.similarity.toFixed(2)} alike`;
      return `  ${visible(name)}: ${visible(why)}${next}`;
    }),
    ...(groups.length === 0
      ? []
      : [
          'score: mean silhouette, from 0.5 (a reasonable structure) to 1; of a VM, how much nearer it is to its group than to the next',
          'Make it so: plumbline service propose --yaml > services.yaml; plumbline apply -f services.yaml',
        ]),
    ...notes.map((note) => `Note: ${visible(note)}`),
  ].join('\n');
}

function sayTrait({ trait, inside, outside }: GroupTrait): string {
  return `${trait.kind} ${visible(trait.what)} (${percent(inside)} inside, ${percent(outside)} outside)`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** As `apply -f` reads it. */
export function printDeclaration({ declaration }: Grouping): string {
  return stringify(declaration).trimEnd();
}
