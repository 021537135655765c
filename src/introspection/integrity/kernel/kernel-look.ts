// One look at a guest's kernel: what all checks of it share, read once.
import type { KernelSpace } from '../../kernel/kernel-space.ts';
import { findingsMax } from '../integrity-view.ts';
import type { IntegrityCheck, IntegrityFinding } from '../integrity-view.ts';
import type { KernelBaseline } from './baseline.ts';
import { readCodeOwners, readProbes } from './modules/code-owners.ts';
import type { CodeOwners, Probe } from './modules/code-owners.ts';
import { readModules } from './modules/loaded-modules.ts';
import type { LoadedModule } from './modules/loaded-modules.ts';
import { Names } from './names.ts';
import type { SiteContext } from './code/patch-sites.ts';
import { siteContext } from './code/site-context.ts';
import { Unseen } from '../unseen.ts';

export interface KernelLook {
  readonly space: KernelSpace;
  readonly baseline: KernelBaseline;
  readonly modules: readonly LoadedModule[];
  readonly owners: CodeOwners;
  readonly probes: readonly Probe[];
  readonly context: SiteContext;
  readonly names: Names;
  /** What the lists that say who owns code did not show: weakens every check that asks for an owner. */
  readonly unseen: Unseen;
}

/** Page reads one look may make: page tables and lists; code and constants are read past the cache. */
const readsMax = 60_000;

/** Pages are read anew. */
export function beginLook(space: KernelSpace, baseline: KernelBaseline): KernelLook {
  space.pages.begin(readsMax);
  const unseen = new Unseen();
  const modules = readModules(space, baseline.map, unseen);
  const owners = readCodeOwners(space, baseline.map, modules, unseen);
  const probes = readProbes(space, baseline.map, unseen);
  const context = siteContext(space, baseline.map, owners, probes);
  return { space, baseline, modules, owners, probes, context, names: new Names(space, owners), unseen };
}

/** Puts a check's answer together, with its findings within their limit. */
export function answer(
  check: string,
  covers: string,
  findings: readonly IntegrityFinding[],
  unseen: Unseen,
): IntegrityCheck {
  if (findings.length > findingsMax) unseen.note('more findings than are told', findings.length - findingsMax);
  return { check, covers, findings: findings.slice(0, findingsMax), couldNotSee: unseen.parts };
}
