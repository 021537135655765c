// What integrity checks and executable identity need to know of a kernel, beside what sweeps want. All optional: a kernel that lacks something can still be swept, and
// whoever needs the missing thing says so.

/** Code: modules, what patches itself, what is made while the kernel runs. */
const codeFields = {
  'module.state': ['module.state'],
  'module.text_size': ['module.core_layout.text_size'],
  'module.init.base': ['module.init_layout.base'],
  'module.init.size': ['module.init_layout.size'],
  'module.jump_entries': ['module.jump_entries'],
  'module.num_jump_entries': ['module.num_jump_entries'],
  'module.static_call_sites': ['module.static_call_sites'],
  'module.num_static_call_sites': ['module.num_static_call_sites'],
  'module_kobject.kobj': ['module_kobject.kobj'],
  'module_kobject.mod': ['module_kobject.mod'],
  'kobject.entry': ['kobject.entry'],
  'kset.list': ['kset.list'],
  'mod_tree_root.root': ['mod_tree_root.root'],
  'latch_tree_root.tree': ['latch_tree_root.tree'],
  'mod_tree_node.mod': ['mod_tree_node.mod'],
  'mod_tree_node.node': ['mod_tree_node.node'],
  'rb_node.rb_left': ['rb_node.rb_left'],
  'rb_node.rb_right': ['rb_node.rb_right'],
  'bpf_ksym.start': ['bpf_ksym.start'],
  'bpf_ksym.end': ['bpf_ksym.end'],
  'bpf_ksym.lnode': ['bpf_ksym.lnode'],
  'bpf_prog_pack.list': ['bpf_prog_pack.list'],
  'bpf_prog_pack.ptr': ['bpf_prog_pack.ptr'],
  'ftrace_page.next': ['ftrace_page.next'],
  'ftrace_page.records': ['ftrace_page.records'],
  'ftrace_page.index': ['ftrace_page.index'],
  'dyn_ftrace.ip': ['dyn_ftrace.ip'],
  'ftrace_ops.func': ['ftrace_ops.func'],
  'ftrace_ops.next': ['ftrace_ops.next'],
  'ftrace_ops.trampoline': ['ftrace_ops.trampoline'],
  'ftrace_ops.trampoline_size': ['ftrace_ops.trampoline_size'],
  'kprobe_insn_cache.pages': ['kprobe_insn_cache.pages'],
  'kprobe_insn_page.list': ['kprobe_insn_page.list'],
  'kprobe_insn_page.insns': ['kprobe_insn_page.insns'],
  'static_call_key.func': ['static_call_key.func'],
} as const satisfies Record<string, readonly string[]>;

/** Where the kernel keeps what it calls: lists anybody may enter a function in. */
const hookFields = {
  'kprobe.hlist': ['kprobe.hlist'],
  'kprobe.addr': ['kprobe.addr'],
  'kprobe.pre_handler': ['kprobe.pre_handler'],
  'kprobe.post_handler': ['kprobe.post_handler'],
  'security_hook_list.list': ['security_hook_list.list'],
  'security_hook_list.hook': ['security_hook_list.hook'],
  'net.nf': ['net.nf'],
  'netns_nf.hooks_ipv4': ['netns_nf.hooks_ipv4'],
  'netns_nf.hooks_ipv6': ['netns_nf.hooks_ipv6'],
  'nf_hook_entries.num_hook_entries': ['nf_hook_entries.num_hook_entries'],
  'nf_hook_entries.hooks': ['nf_hook_entries.hooks'],
  'nf_hook_entry.hook': ['nf_hook_entry.hook'],
  'notifier_block.notifier_call': ['notifier_block.notifier_call'],
  'notifier_block.next': ['notifier_block.next'],
  'tracepoint.name': ['tracepoint.name'],
  'tracepoint.funcs': ['tracepoint.funcs'],
  'tracepoint_func.func': ['tracepoint_func.func'],
  'linux_binfmt.lh': ['linux_binfmt.lh'],
  'linux_binfmt.load_binary': ['linux_binfmt.load_binary'],
  'super_block.s_list': ['super_block.s_list'],
  'super_block.s_root': ['super_block.s_root'],
  'super_block.s_op': ['super_block.s_op'],
  'super_block.s_type': ['super_block.s_type'],
  'file_system_type.name': ['file_system_type.name'],
  'dentry.d_inode': ['dentry.d_inode'],
  'dentry.d_op': ['dentry.d_op'],
  'inode.i_op': ['inode.i_op'],
  'inode.i_fop': ['inode.i_fop'],
  'net.dev_base_head': ['net.dev_base_head'],
  'net.packet.sklist': ['net.packet.sklist'],
  'net_device.dev_list': ['net_device.dev_list'],
  'net_device.name': ['net_device.name'],
  'net_device.promiscuity': ['net_device.promiscuity'],
  'sock_common.skc_node': ['sock_common.skc_node'],
} as const satisfies Record<string, readonly string[]>;

export const optionalFields = { ...codeFields, ...hookFields } as const satisfies Record<string, readonly string[]>;

export const optionalBits = {} as const satisfies Record<string, readonly string[]>;

export const optionalSymbols = [] as const satisfies readonly string[];

export const structSizes = [
  'jump_entry',
  'dyn_ftrace',
  'rb_root',
  'rb_node',
  'nf_hook_entry',
  'tracepoint_func',
  'file_operations',
  'inode_operations',
  'super_operations',
  'dentry_operations',
  'security_hook_heads',
] as const;
