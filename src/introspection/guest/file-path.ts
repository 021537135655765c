// The path of an open file in the guest's mount tree, put together from directory entries, across mounts up to the root.
import type { PhysicalAddress } from '../memory/guest-memory.ts';
import { nowhere } from '../kernel/kernel-space.ts';
import type { KernelSpace } from '../kernel/kernel-space.ts';

/** Names and mounts on the way to the root; Linux itself stops a path at 4096 bytes. */
const stepsMax = 1024;
const nameBytesMax = 255;
const pathBytesMax = 4096;

/** Null when it cannot be put together. */
export function filePath(space: KernelSpace, file: PhysicalAddress): string | null {
  const { fields } = space.profile;
  const vfsmount = space.pointer(file + fields['file.f_path.mnt']);
  const dentry = space.pointer(file + fields['file.f_path.dentry']);
  if (vfsmount === nowhere || dentry === nowhere) return null;
  const parent = space.pointer(dentry + fields['dentry.d_parent']);
  const unhashed =
    space.pages.u32(dentry + fields['dentry.d_hash.pprev']) === 0 &&
    space.pages.u32(dentry + fields['dentry.d_hash.pprev'] + 4) === 0;
  // Memory files have an entry of their own that hangs in no tree.
  if (parent === dentry && dentry !== space.pointer(vfsmount + fields['vfsmount.mnt_root'])) {
    return `/${nameOf(space, dentry)} (deleted)`;
  }
  const path = climb(space, vfsmount, dentry);
  return path === null ? null : path + (unhashed && parent !== dentry ? ' (deleted)' : '');
}

function climb(space: KernelSpace, firstMount: PhysicalAddress, firstDentry: PhysicalAddress): string | null {
  const { fields } = space.profile;
  const names: string[] = [];
  let length = 0;
  let vfsmount = firstMount;
  let dentry = firstDentry;
  for (let step = 0; step < stepsMax; step += 1) {
    if (dentry === nowhere || vfsmount === nowhere) return null;
    const parent = space.pointer(dentry + fields['dentry.d_parent']);
    if (dentry === space.pointer(vfsmount + fields['vfsmount.mnt_root'])) {
      const mount = vfsmount - fields['mount.mnt'];
      const above = space.pointer(mount + fields['mount.mnt_parent']);
      if (above === mount) return `/${names.reverse().join('/')}`;
      if (above === nowhere) return null;
      dentry = space.pointer(mount + fields['mount.mnt_mountpoint']);
      vfsmount = above + fields['mount.mnt'];
      continue;
    }
    // An entry that is its own parent but no mount's root belongs to a tree that was unmounted.
    if (parent === dentry) return `/${names.reverse().join('/')}`;
    const name = nameOf(space, dentry);
    length += name.length + 1;
    if (length > pathBytesMax) return null;
    names.push(name);
    dentry = parent;
  }
  return null;
}

function nameOf(space: KernelSpace, dentry: PhysicalAddress): string {
  const { fields } = space.profile;
  const length = Math.min(space.pages.u32(dentry + fields['dentry.d_name.len']), nameBytesMax);
  const name = space.pointer(dentry + fields['dentry.d_name.name']);
  return name === nowhere ? '' : space.pages.text(name, length);
}
