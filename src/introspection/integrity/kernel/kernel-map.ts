// What integrity checks must know of where a kernel keeps things, beyond its profile: taken once from its symbols, a few ten kilobytes.
import type { SymbolTable } from '../../kernel/symbol-table.ts';

/** Every one may be missing in some kernel; a check that needs it then says what it could not see. */
export const landmarks = [
  '_stext',
  '_etext',
  '_sinittext',
  '_einittext',
  '_sdata',
  '_edata',
  '__start_rodata',
  '__end_rodata',
  '__start_ro_after_init',
  '__end_ro_after_init',
  '__start___jump_table',
  '__stop___jump_table',
  '__start_static_call_sites',
  '__stop_static_call_sites',
  '__start___tracepoints_ptrs',
  '__stop___tracepoints_ptrs',
  'ftrace_pages_start',
  'ftrace_ops_list',
  'ftrace_list_end',
  'ftrace_ops_trampoline_list',
  'kprobe_table',
  'kprobe_insn_slots',
  'kprobe_optinsn_slots',
  'bpf_kallsyms',
  'pack_list',
  'modules',
  'module_kset',
  'mod_tree',
  'idt_table',
  'sys_call_table',
  'security_hook_heads',
  'net_namespace_list',
  'formats',
  'super_blocks',
  'tainted_mask',
  'kernel_locked_down',
  'keyboard_notifier_list',
  'netdev_chain',
  'inetaddr_chain',
  'reboot_notifier_list',
  'module_notify_list',
  'die_chain',
  'panic_notifier_list',
  'vt_notifier_list',
  'real_mode_header',
] as const;

export type Landmark = (typeof landmarks)[number];

/** A writable table of function pointers that the kernel's own code declares. */
export interface FunctionTable {
  readonly name: string;
  /** From `_text`. */
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface KernelMap {
  /** From `_text`. */
  readonly landmarks: Readonly<Partial<Record<Landmark, number>>>;
  /** Patched like a static call's site: each with its key, both from `_text`. */
  readonly trampolines: readonly { readonly offset: number; readonly key: number }[];
  /** Calls within the tracer's own entries, which it rewrites. */
  readonly tracerCalls: readonly number[];
  /** The tracer's entries, which patched functions call. */
  readonly tracerEntries: readonly number[];
  readonly returnThunks: readonly number[];
  readonly functionTables: readonly FunctionTable[];
}

const tableName =
  /(?:_ops|_fops|_fop|_operations|_iops|_aops|_sops|_dops|_prot|_proto|_protocol|_protosw|_family_ops|_seqops|_seq_op|_hook|_handlers?)$/;
/** What tracers set while they run; their functions are judged where they are listed. */
const tracerTable = /^global_ops$|ftrace_\w*ops$|ipmodify_ops$|graph_ops$|probe_ops$/;
const tableBytesMax = 16 * 1024;
const tablesMax = 20_000;
const trampolinesMax = 20_000;
const tracerCall = /^ftrace_(?:regs_|graph_|graph_regs_)?call$/;
const tracerEntry = /^(?:ftrace_caller|ftrace_regs_caller)$/;
const returnThunk = /^(?!__ksymtab_|__kstrtab_|__flags_|__pfx_|set_)\w*_return_thunk$/;

export function mapKernel(table: SymbolTable): KernelMap {
  const wanted = new Set<string>(landmarks);
  const found: Partial<Record<Landmark, number>> = {};
  const trampolines = new Map<string, number>();
  const keys = new Map<string, number>();
  const tracerCalls: number[] = [];
  const tracerEntries: number[] = [];
  const returnThunks: number[] = [];
  const tables: FunctionTable[] = [];
  for (const { name, kind, offset } of table.symbols()) {
    if (wanted.has(name)) found[name as Landmark] ??= offset;
    else if (name.startsWith('__SCT__') && trampolines.size < trampolinesMax) trampolines.set(name.slice(7), offset);
    else if (name.startsWith('__SCK__') && keys.size < trampolinesMax) keys.set(name.slice(7), offset);
    else if (tracerCall.test(name)) tracerCalls.push(offset);
    else if (tracerEntry.test(name)) tracerEntries.push(offset);
    else if (returnThunk.test(name)) returnThunks.push(offset);
    else if (/[dDtT]/.test(kind) && tables.length < tablesMax && tableName.test(name) && !tracerTable.test(name)) {
      const sizeBytes = Math.min((table.nextAfter(offset) ?? offset) - offset, tableBytesMax);
      if (sizeBytes >= 8) tables.push({ name, offset, sizeBytes });
    }
  }
  const from = found._sdata ?? 0;
  const to = found._edata ?? 0;
  return {
    landmarks: found,
    trampolines: [...trampolines].flatMap(([name, offset]) => {
      const key = keys.get(name);
      return key === undefined ? [] : [{ offset, key }];
    }),
    tracerCalls,
    tracerEntries,
    returnThunks,
    functionTables: tables.filter(({ offset }) => offset >= from && offset < to),
  };
}
