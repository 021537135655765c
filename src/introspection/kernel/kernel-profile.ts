// What must be known of one kernel build to read its memory: where its symbols lie and how its structures are laid out.
// A small value, the same for every guest that runs the build, so it is worth keeping by build id.

/** Fields that every supported kernel has. A key is the kernel's own path to the field; the list says its spellings. */
const requiredFields = {
  'task_struct.tasks': ['task_struct.tasks'],
  'task_struct.pid': ['task_struct.pid'],
  'task_struct.tgid': ['task_struct.tgid'],
  'task_struct.comm': ['task_struct.comm'],
  'task_struct.flags': ['task_struct.flags'],
  'task_struct.exit_state': ['task_struct.exit_state'],
  'task_struct.real_parent': ['task_struct.real_parent'],
  'task_struct.cred': ['task_struct.cred'],
  'task_struct.start_boottime': ['task_struct.start_boottime'],
  'task_struct.self_exec_id': ['task_struct.self_exec_id'],
  'task_struct.mm': ['task_struct.mm'],
  'task_struct.files': ['task_struct.files'],
  'task_struct.nsproxy': ['task_struct.nsproxy'],
  'task_struct.signal': ['task_struct.signal'],
  'task_struct.thread_node': ['task_struct.thread_node'],
  'task_struct.thread_pid': ['task_struct.thread_pid'],
  'signal_struct.thread_head': ['signal_struct.thread_head'],
  'cred.uid': ['cred.uid'],
  'cred.euid': ['cred.euid'],
  'cred.user_ns': ['cred.user_ns'],
  'mm_struct.exe_file': ['mm_struct.exe_file'],
  'mm_struct.arg_start': ['mm_struct.arg_start'],
  'mm_struct.arg_end': ['mm_struct.arg_end'],
  'mm_struct.pgd': ['mm_struct.pgd'],
  'file.f_path.mnt': ['file.f_path.mnt'],
  'file.f_path.dentry': ['file.f_path.dentry'],
  'file.f_op': ['file.f_op'],
  'file.private_data': ['file.private_data'],
  'vfsmount.mnt_root': ['vfsmount.mnt_root'],
  'mount.mnt': ['mount.mnt'],
  'mount.mnt_parent': ['mount.mnt_parent'],
  'mount.mnt_mountpoint': ['mount.mnt_mountpoint'],
  'dentry.d_parent': ['dentry.d_parent'],
  'dentry.d_name.name': ['dentry.d_name.name'],
  'dentry.d_name.len': ['dentry.d_name.len'],
  'dentry.d_hash.pprev': ['dentry.d_hash.pprev'],
  'files_struct.fdt': ['files_struct.fdt'],
  'fdtable.max_fds': ['fdtable.max_fds'],
  'fdtable.fd': ['fdtable.fd'],
  'fdtable.open_fds': ['fdtable.open_fds'],
  'nsproxy.mnt_ns': ['nsproxy.mnt_ns'],
  'nsproxy.net_ns': ['nsproxy.net_ns'],
  'nsproxy.uts_ns': ['nsproxy.uts_ns'],
  'nsproxy.ipc_ns': ['nsproxy.ipc_ns'],
  'pid.level': ['pid.level'],
  'pid.numbers': ['pid.numbers'],
  'upid.ns': ['upid.ns'],
  'pid_namespace.ns.inum': ['pid_namespace.ns.inum'],
  'mnt_namespace.ns.inum': ['mnt_namespace.ns.inum'],
  'net.ns.inum': ['net.ns.inum'],
  'net.list': ['net.list'],
  'uts_namespace.ns.inum': ['uts_namespace.ns.inum'],
  'ipc_namespace.ns.inum': ['ipc_namespace.ns.inum'],
  'user_namespace.ns.inum': ['user_namespace.ns.inum'],
  'uts_namespace.name.nodename': ['uts_namespace.name.nodename'],
  'socket.sk': ['socket.sk'],
  'sock.sk_protocol': ['sock.sk_protocol'],
  'sock_common.skc_family': ['sock_common.skc_family'],
  'sock_common.skc_state': ['sock_common.skc_state'],
  'sock_common.skc_num': ['sock_common.skc_num'],
  'sock_common.skc_dport': ['sock_common.skc_dport'],
  'sock_common.skc_daddr': ['sock_common.skc_daddr'],
  'sock_common.skc_rcv_saddr': ['sock_common.skc_rcv_saddr'],
  'sock_common.skc_v6_daddr': ['sock_common.skc_v6_daddr'],
  'sock_common.skc_v6_rcv_saddr': ['sock_common.skc_v6_rcv_saddr'],
  'sock_common.skc_net': ['sock_common.skc_net'],
  'sock_common.skc_nulls_node': ['sock_common.skc_nulls_node'],
  'inet_hashinfo.ehash': ['inet_hashinfo.ehash'],
  'inet_hashinfo.ehash_mask': ['inet_hashinfo.ehash_mask'],
  'module.name': ['module.name'],
  'module.list': ['module.list'],
} as const satisfies Record<string, readonly string[]>;

/** Fields some kernels lack: by configuration, by age, or because what they held moved elsewhere. */
const optionalFields = {
  'task_struct.cgroups': ['task_struct.cgroups'],
  'css_set.dfl_cgrp': ['css_set.dfl_cgrp'],
  'cgroup.kn': ['cgroup.kn'],
  'kernfs_node.name': ['kernfs_node.name'],
  'kernfs_node.parent': ['kernfs_node.parent', 'kernfs_node.__parent'],
  'nsproxy.cgroup_ns': ['nsproxy.cgroup_ns'],
  'cgroup_namespace.ns.inum': ['cgroup_namespace.ns.inum'],
  'net.ipv4.hashinfo': ['net.ipv4.tcp_death_row.hashinfo'],
  'inet_timewait_sock.tw_substate': ['inet_timewait_sock.tw_substate'],
  'inet_hashinfo.lhash2': ['inet_hashinfo.lhash2'],
  'inet_hashinfo.lhash2_mask': ['inet_hashinfo.lhash2_mask'],
  'inet_listen_hashbucket.nulls_head': ['inet_listen_hashbucket.nulls_head'],
  'inet_hashinfo.listening_hash': ['inet_hashinfo.listening_hash'],
  'module.code.base': ['module.core_layout.base', 'module.mem'],
  'module.code.size': ['module.core_layout.size'],
  'module_memory.base': ['module_memory.base'],
  'module_memory.size': ['module_memory.size'],
  'timekeeper.xtime_sec': ['timekeeper.xtime_sec'],
  'timekeeper.offs_real': ['timekeeper.offs_real'],
  'timekeeper.offs_boot': ['timekeeper.offs_boot'],
  'tk_data.timekeeper': ['tk_data.timekeeper'],
  'net.mib.tcp_statistics': ['net.mib.tcp_statistics'],
  'net.mib.udp_statistics': ['net.mib.udp_statistics'],
} as const satisfies Record<string, readonly string[]>;

/** Single bits, counted from the start of the structure. */
const optionalBits = { 'task_struct.in_execve': ['task_struct.in_execve'] } as const satisfies Record<
  string,
  readonly string[]
>;

const requiredSymbols = [
  'init_task',
  'linux_banner',
  'page_offset_base',
  'init_top_pgt',
  'init_uts_ns',
  'jiffies_64',
  'total_forks',
  'socket_file_ops',
  'tcp_hashinfo',
] as const;

const optionalSymbols = [
  'vmlinux_build_id',
  '__start_notes',
  'modules',
  'tk_core',
  'timekeeper_data',
  'net_namespace_list',
  '__num_online_cpus',
  'init_net',
  '__per_cpu_offset',
] as const;

const structSizes = ['upid', 'inet_listen_hashbucket', 'module_memory'] as const;

export type FieldName = keyof typeof requiredFields;
export type OptionalFieldName = keyof typeof optionalFields;
export type OptionalBitName = keyof typeof optionalBits;
export type SymbolName = (typeof requiredSymbols)[number];
export type OptionalSymbolName = (typeof optionalSymbols)[number];
export type StructName = (typeof structSizes)[number];

export interface KernelProfile {
  /** Hexadecimal GNU build id. */
  readonly buildId: string;
  /** Bytes from `_text` to where the build id lies: reading it there proves that a profile fits. */
  readonly buildIdOffset: number;
  /** `Linux version ...`, the newline left out. */
  readonly banner: string;
  /** Bytes from `_text`. */
  readonly symbols: Readonly<Record<SymbolName, number>> & Readonly<Partial<Record<OptionalSymbolName, number>>>;
  /** Bytes from the start of the structure. */
  readonly fields: Readonly<Record<FieldName, number>> & Readonly<Partial<Record<OptionalFieldName, number>>>;
  readonly bits: Readonly<Partial<Record<OptionalBitName, number>>>;
  /** Bytes. */
  readonly sizes: Readonly<Partial<Record<StructName, number>>>;
}

/** What a profile is made of, for whoever builds or checks one. */
export const wanted = {
  requiredFields,
  optionalFields,
  optionalBits,
  requiredSymbols,
  optionalSymbols,
  structSizes,
} as const;
