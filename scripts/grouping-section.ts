// The part of docs/evaluation.md about machines in no service.
import type { GroupingScore } from '../src/evaluate/grouping.ts';
import type { GroupingSet } from '../src/evaluate/grouping-sets.data.ts';

export interface ScoredGrouping {
  readonly set: GroupingSet;
  readonly score: GroupingScore;
}

const intro = `## Grouping machines into services

What \`plumbline service propose\` would say of machines in no service, where the recording's own names tell which of them do the same work. The adjusted Rand
index (Hubert and Arabie) is 1 where the groups are the roles and 0 where chance would do as well; a machine that is left alone counts as a group of its own, so
that saying nothing costs. *Pure* are the grouped machines whose group is mostly of their role: a group that is proposed should be right, and a machine that is
left alone is a person's work as before.

| set | machines | roles | groups | alone | adjusted Rand index | pure | what |
|---|---|---|---|---|---|---|---|
`;

export function groupingSection(scored: readonly ScoredGrouping[]): string {
  const rows = scored.map(({ set, score }) => {
    const { machines, roles, groups, lone, adjustedRandIndex, purity } = score;
    const pure = purity === null ? '-' : purity.toFixed(2);
    return `| ${set.name} | ${machines} | ${roles} | ${groups} | ${lone} | ${adjustedRandIndex.toFixed(2)} | ${pure} | ${set.says} |`;
  });
  return `${intro}${rows.join('\n')}\n`;
}
