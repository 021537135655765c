// What tracing and refusing need to know of a kernel, beside what sweeps want. All optional: a kernel that lacks something can still be swept, and
// whoever needs the missing thing says so.

export const optionalFields = {
  'task_struct.group_leader': ['task_struct.group_leader'],
  'signal_struct.live': ['signal_struct.live'],
  'pcpu_hot.current_task': ['pcpu_hot.current_task'],
  'socket.state': ['socket.state'],
  'socket.ops': ['socket.ops'],
  'socket_alloc.vfs_inode': ['socket_alloc.vfs_inode'],
  'inode.i_ino': ['inode.i_ino'],
  'tcp_sock.copied_seq': ['tcp_sock.copied_seq'],
  'proto_ops.connect': ['proto_ops.connect'],
  'proto_ops.bind': ['proto_ops.bind'],
  'proto_ops.listen': ['proto_ops.listen'],
  'request_sock_ops.destructor': ['request_sock_ops.destructor'],
  'request_sock.sk': ['request_sock.sk'],
  'request_sock.rsk_ops': ['request_sock.rsk_ops'],
  'request_sock.rsk_listener': ['request_sock.__req_common.skc_listener'],
} as const satisfies Record<string, readonly string[]>;

export const optionalBits = {} as const satisfies Record<string, readonly string[]>;

export const optionalSymbols = [
  'current_task',
  'pcpu_hot',
  'proc_event_num_listeners',
  'elf_hwcap2',
  'inet_stream_ops',
  'inet6_stream_ops',
  'inet_dgram_ops',
  'inet6_dgram_ops',
  'tcp_request_sock_ops',
  'tcp6_request_sock_ops',
] as const satisfies readonly string[];

/** Functions of which the end is wanted as well. */
export const functions = [
  'proc_fork_connector',
  'proc_exec_connector',
  'proc_exit_connector',
  'proc_id_connector',
  'proc_sid_connector',
  'proc_comm_connector',
  'proc_ptrace_connector',
  'proc_coredump_connector',
  'inet_stream_connect',
  'inet_dgram_connect',
  'inet_bind',
  'inet6_bind',
  'inet_listen',
  'inet_csk_accept',
  'inet_csk_listen_stop',
  'load_module',
  'add_unformed_module',
] as const satisfies readonly string[];

export const structSizes = [] as const satisfies readonly string[];
