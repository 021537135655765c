// Modules seen in four ways: the kernel's list, sysfs, the tree by which the kernel finds the module of an address, and executable
// memory (see executable-memory.ts). A module that hides takes itself off one of them and must stay on another to work.
import { nowhere } from '../../../kernel/kernel-space.ts';
import type { IntegrityCheck, IntegrityFinding } from '../../integrity-view.ts';
import { answer } from '../kernel-look.ts';
import type { KernelLook } from '../kernel-look.ts';
import { atOffset, follow, hex, isNull, listNodes, locate, plus } from '../hooks/kernel-pointer.ts';
import type { Virtual } from '../hooks/kernel-pointer.ts';
import { modulesMax, readModule } from './loaded-modules.ts';
import { Unseen } from '../../unseen.ts';

const covers =
  'Modules on the kernel’s list against those in sysfs and those in the tree that finds the module of an address: one that is on some of them only is hidden or half removed.';
/** Each module enters the tree once for each of its parts. */
const treeNodesMax = modulesMax * 8;
const objectsMax = 4 * modulesMax;

export function checkModules(look: KernelLook): IntegrityCheck {
  const unseen = new Unseen();
  for (const part of look.unseen.parts) unseen.note(part.what, part.count);
  const listed = new Map(look.modules.map((module) => [module.address, module]));
  const sysfs = sysfsModules(look, unseen);
  const tree = treeModules(look, unseen);
  const findings: IntegrityFinding[] = [];
  const named = new Set<string>();
  const hidden = (at: Virtual, where: string): void => {
    const address = hex(at);
    if (listed.has(address) || named.has(address)) return;
    named.add(address);
    const { name } = readModule(look.space, at);
    findings.push({
      kind: 'hidden-module',
      certainty: 'certain',
      subject: `module ${name}`,
      detail: `The module ${name} is ${where} but not on the kernel’s list of modules.`,
      facts: { address, name, listed: false, sysfs: sysfs?.has(address) ?? null, tree: tree?.has(address) ?? null },
    });
  };
  for (const at of sysfs?.values() ?? []) hidden(at, 'in sysfs');
  for (const at of tree?.values() ?? []) hidden(at, 'known by its addresses');
  for (const { address, name, live } of look.modules) {
    if (!live) continue;
    const missing = [
      ...(sysfs?.has(address) === false ? ['sysfs'] : []),
      ...(tree?.has(address) === false ? ['the tree of module addresses'] : []),
    ];
    if (missing.length === 0) continue;
    findings.push({
      kind: 'half-hidden-module',
      certainty: 'certain',
      subject: `module ${name}`,
      detail: `The module ${name} is on the kernel’s list but not in ${missing.join(' nor in ')}.`,
      facts: { address, name, listed: true, sysfs: sysfs?.has(address) ?? null, tree: tree?.has(address) ?? null },
    });
  }
  return answer('modules', covers, findings, unseen);
}

/** `struct module` by address, of every module with a directory in /sys/module; null when that cannot be read. */
function sysfsModules(look: KernelLook, unseen: Unseen): ReadonlyMap<string, Virtual> | null {
  const { space, baseline } = look;
  const { fields } = space.profile;
  const set = baseline.map.landmarks.module_kset;
  const [list, entry, object, module] = [
    fields['kset.list'],
    fields['kobject.entry'],
    fields['module_kobject.kobj'],
    fields['module_kobject.mod'],
  ];
  const kset = set === undefined ? null : follow(space, atOffset(space, set));
  if (kset === null || list === undefined || entry === undefined || object === undefined || module === undefined) {
    unseen.note('the modules in sysfs cannot be listed');
    return null;
  }
  const { nodes, whole } = listNodes(space, plus(kset, list), objectsMax);
  if (!whole) unseen.note('the list of modules in sysfs breaks off');
  const found = new Map<string, Virtual>();
  for (const node of nodes) {
    // Built-in modules have a directory and no `struct module`.
    const at = follow(space, plus(node, module - object - entry));
    if (!isNull(at)) found.set(hex(at), at);
  }
  return whole ? found : null;
}

/** The same from the tree by address; it is kept twice, for readers that do not wait. */
function treeModules(look: KernelLook, unseen: Unseen): ReadonlyMap<string, Virtual> | null {
  const { space, baseline } = look;
  const { fields, sizes } = space.profile;
  const at = baseline.map.landmarks.mod_tree;
  const [root, copies, module, node] = [
    fields['mod_tree_root.root'],
    fields['latch_tree_root.tree'],
    fields['mod_tree_node.mod'],
    fields['mod_tree_node.node'],
  ];
  const [left, right] = [fields['rb_node.rb_left'], fields['rb_node.rb_right']];
  const [rootBytes, nodeBytes] = [sizes.rb_root, sizes.rb_node];
  const known = [at, root, copies, module, node, left, right, rootBytes, nodeBytes].every((one) => one !== undefined);
  if (!known) {
    unseen.note('the tree of module addresses cannot be read');
    return null;
  }
  const found = new Map<string, Virtual>();
  for (const copy of [0, 1]) {
    const top = plus(atOffset(space, at ?? 0), (root ?? 0) + (copies ?? 0) + copy * (rootBytes ?? 0));
    const inNode = (node ?? 0) + copy * (nodeBytes ?? 0) - (module ?? 0);
    const waiting = [follow(space, top)];
    for (let steps = 0; waiting.length > 0; steps += 1) {
      const next = waiting.pop() ?? { high: 0, low: 0 };
      if (isNull(next)) continue;
      if (steps > treeNodesMax || locate(space, next) === nowhere) {
        unseen.note('the tree of module addresses breaks off');
        return null;
      }
      const owner = follow(space, plus(next, -inNode));
      if (!isNull(owner)) found.set(hex(owner), owner);
      waiting.push(follow(space, plus(next, left ?? 0)), follow(space, plus(next, right ?? 0)));
    }
  }
  return found;
}
