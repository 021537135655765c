// What the integrity of processes and the identity of their executables need to know of a kernel, beside what sweeps want. All
// optional: a kernel that lacks something can still be swept, and whoever needs the missing thing says so.

/** Where a process can be found, whose rights it has, what it maps. */
const processFields = {
  'pid_namespace.idr': ['pid_namespace.idr.idr_rt.xa_head'],
  'pid.tasks': ['pid.tasks'],
  'upid.nr': ['upid.nr'],
  'task_struct.pid_links': ['task_struct.pid_links'],
  'task_struct.children': ['task_struct.children'],
  'task_struct.sibling': ['task_struct.sibling'],
  'task_struct.parent': ['task_struct.parent'],
  'task_struct.ptrace': ['task_struct.ptrace'],
  'task_struct.real_cred': ['task_struct.real_cred'],
  'task_struct.se.cfs_rq': ['task_struct.se.cfs_rq'],
  'task_struct.se.group_node': ['task_struct.se.group_node'],
  'cfs_rq.rq': ['cfs_rq.rq'],
  'rq.curr': ['rq.curr'],
  'rq.cfs_tasks': ['rq.cfs_tasks'],
  'cred.suid': ['cred.suid'],
  'cred.fsuid': ['cred.fsuid'],
  'cred.cap_permitted': ['cred.cap_permitted'],
  'mm_struct.mm_mt': ['mm_struct.mm_mt.ma_root'],
  'mm_struct.mmap': ['mm_struct.mmap'],
  'mm_struct.map_count': ['mm_struct.map_count'],
  'mm_struct.start_code': ['mm_struct.start_code'],
  'vm_area_struct.vm_start': ['vm_area_struct.vm_start'],
  'vm_area_struct.vm_end': ['vm_area_struct.vm_end'],
  'vm_area_struct.vm_mm': ['vm_area_struct.vm_mm'],
  'vm_area_struct.vm_flags': ['vm_area_struct.vm_flags'],
  'vm_area_struct.vm_pgoff': ['vm_area_struct.vm_pgoff'],
  'vm_area_struct.vm_file': ['vm_area_struct.vm_file'],
  'vm_area_struct.vm_ops': ['vm_area_struct.vm_ops'],
  'vm_area_struct.vm_next': ['vm_area_struct.vm_next'],
  'maple_range_64.pivot': ['maple_range_64.pivot'],
  'maple_range_64.slot': ['maple_range_64.slot'],
  'maple_arange_64.pivot': ['maple_arange_64.pivot'],
  'maple_arange_64.slot': ['maple_arange_64.slot'],
} as const satisfies Record<string, readonly string[]>;

/** What a file is, what of it is in memory, and on which disk the rest is. */
const fileFields = {
  'file.f_inode': ['file.f_inode'],
  'inode.i_mode': ['inode.i_mode'],
  'inode.i_ino': ['inode.i_ino'],
  'inode.i_flags': ['inode.i_flags'],
  'inode.i_size': ['inode.i_size'],
  'inode.i_generation': ['inode.i_generation'],
  'inode.i_blkbits': ['inode.i_blkbits'],
  'inode.i_sb': ['inode.i_sb'],
  'inode.i_mapping': ['inode.i_mapping'],
  'inode.mtime.seconds': ['inode.i_mtime_sec', 'inode.i_mtime.tv_sec', 'inode.__i_mtime.tv_sec'],
  'inode.mtime.nanoseconds': ['inode.i_mtime_nsec', 'inode.i_mtime.tv_nsec', 'inode.__i_mtime.tv_nsec'],
  'inode.ctime.seconds': ['inode.i_ctime_sec', 'inode.i_ctime.tv_sec', 'inode.__i_ctime.tv_sec'],
  'inode.ctime.nanoseconds': ['inode.i_ctime_nsec', 'inode.i_ctime.tv_nsec', 'inode.__i_ctime.tv_nsec'],
  'address_space.i_pages': ['address_space.i_pages.xa_head'],
  'xa_node.shift': ['xa_node.shift'],
  'xa_node.slots': ['xa_node.slots'],
  'page.flags': ['page.flags'],
  'page.mapping': ['page.mapping'],
  'page.index': ['page.index', 'folio.index'],
  'super_block.s_magic': ['super_block.s_magic'],
  'super_block.s_uuid': ['super_block.s_uuid'],
  'super_block.s_bdev': ['super_block.s_bdev'],
  'block_device.bd_start_sect': ['block_device.bd_start_sect'],
  'block_device.bd_part': ['block_device.bd_part'],
  'hd_struct.start_sect': ['hd_struct.start_sect'],
  'ext4_inode_info.i_data': ['ext4_inode_info.i_data'],
  'ext4_inode_info.vfs_inode': ['ext4_inode_info.vfs_inode'],
} as const satisfies Record<string, readonly string[]>;

export const optionalFields = { ...processFields, ...fileFields } as const;

/** Bits of `page.flags`, which the kernel names by enumerators. */
export const optionalBits = { 'page.uptodate': ['pageflags.PG_uptodate'] } as const satisfies Record<
  string,
  readonly string[]
>;

export const optionalSymbols = ['init_pid_ns', 'init_cred', 'vmemmap_base', 'special_mapping_vmops'] as const;

export const structSizes = ['page'] as const;
