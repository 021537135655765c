// What refusing attempts inline needs to know of a kernel, beside what sweeps and traces want. All optional: what cannot be refused
// on a kernel is said when enforcement starts there.

export const optionalFields = {
  'linux_binprm.mm': ['linux_binprm.mm'],
  'linux_binprm.file': ['linux_binprm.file'],
  'linux_binprm.p': ['linux_binprm.p'],
  'linux_binprm.argc': ['linux_binprm.argc'],
  'linux_binprm.filename': ['linux_binprm.filename'],
  'linux_binprm.buf': ['linux_binprm.buf'],
  'mm_struct.context.ctx_id': ['mm_struct.context.ctx_id'],
  'mm_struct.owner': ['mm_struct.owner'],
  'task_struct.thread_info.flags': ['task_struct.thread_info.flags'],
  'task_struct.pending.signal': ['task_struct.pending.signal'],
  'signal_struct.flags': ['signal_struct.flags'],
  'upid.nr': ['upid.nr'],
  'proto.connect': ['proto.connect'],
  'proto.sendmsg': ['proto.sendmsg'],
  'proto_ops.listen': ['proto_ops.listen'],
  'proto_ops.bind': ['proto_ops.bind'],
  'socket.ops': ['socket.ops'],
  'socket_alloc.socket': ['socket_alloc.socket'],
  'socket_alloc.vfs_inode': ['socket_alloc.vfs_inode'],
  'inode.i_ino': ['inode.i_ino'],
  'sock.sk_socket': ['sock.sk_socket'],
  'sock_common.skc_prot': ['sock_common.skc_prot'],
  'msghdr.msg_name': ['msghdr.msg_name'],
} as const satisfies Record<string, readonly string[]>;

export const optionalSymbols = [
  // Lists and tables that the kernel reads on the way to what is to be refused.
  'formats',
  'proc_event_num_listeners',
  'tcp_prot',
  'tcpv6_prot',
  'tcp_prot_override',
  'tcpv6_prot_override',
  'udp_prot',
  'udpv6_prot',
  'inet_stream_ops',
  'inet6_stream_ops',
  'mptcp_stream_ops',
  'mptcp_v6_stream_ops',
  'inet_dgram_ops',
  'inet6_dgram_ops',
  // Functions that every such call passes.
  'security_bprm_check',
  'security_socket_connect',
  'security_socket_listen',
  'security_socket_bind',
  // Functions that do nothing but fail.
  'empty_dir_setattr',
  'sock_no_connect',
  'sock_no_listen',
  'sock_no_bind',
  // Its code says which bit of a task's flags means "look at your signals".
  'signal_wake_up_state',
  // Through which kernels guarded against Spectre call what a register points to.
  '__x86_indirect_thunk_array',
  '__x86_indirect_thunk_rax',
  // Present when the kernel checks the kind of every function it calls through a pointer (kCFI).
  '__cfi_inet_stream_connect',
] as const satisfies readonly string[];
