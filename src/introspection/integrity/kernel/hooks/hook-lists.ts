// Functions that anybody in the kernel may have called: every list of them, each entry held to code somebody answers for. Rootkits
// without a single patched byte live here.
import { nowhere } from '../../../kernel/kernel-space.ts';
import { findingsMax } from '../../integrity-view.ts';
import type { IntegrityCheck, IntegrityFinding } from '../../integrity-view.ts';
import { tracers } from '../modules/code-owners.ts';
import { answer } from '../kernel-look.ts';
import type { KernelLook } from '../kernel-look.ts';
import type { Landmark } from '../kernel-map.ts';
import { atOffset, chainNodes, follow, hex, isNull, listNodes, locate, plus } from './kernel-pointer.ts';
import type { Virtual } from './kernel-pointer.ts';
import { Unseen } from '../../unseen.ts';

const covers =
  'Functions entered in the kernel’s lists: security modules (to 6.11), netfilter, notifiers, tracepoints, function tracers, probes, program loaders. Each must lie in the kernel, a listed module or a compiled BPF program.';

const nodesMax = 4096;
const functionsMax = 100_000;
const namespacesMax = 512;
const netfilterHooks = 5;
const entriesMax = 256;
const tracepointsMax = 8192;
const probesMax = 64;
const notifiers = [
  ['keyboard_notifier_list', 8],
  ['vt_notifier_list', 8],
  ['panic_notifier_list', 8],
  ['die_chain', 8],
  ['netdev_chain', 0],
] as const satisfies readonly (readonly [Landmark, number])[];

/** Called for every function on a list: `what` is a fixed word, `which` says which of them. */
type Judge = (what: string, which: string, pointer: Virtual) => void;

export function checkHookLists(look: KernelLook): IntegrityCheck {
  const unseen = new Unseen();
  for (const part of look.unseen.parts) unseen.note(part.what, part.count);
  const findings: IntegrityFinding[] = [];
  let judged = 0;
  const judge: Judge = (what, which, pointer) => {
    judged += 1;
    if (judged > functionsMax || findings.length > findingsMax) {
      unseen.note('more functions on lists than are judged');
      return;
    }
    const owner = isNull(pointer) ? null : look.owners.ofPointer(look.space, pointer);
    if (isNull(pointer) || owner !== null) return;
    findings.push({
      kind: 'hooked-function',
      certainty: 'certain',
      subject: `${what} ${which}`,
      detail: `The ${what} ${which} is a function at ${hex(pointer)}, which belongs to neither the kernel nor a listed module nor a BPF program.`,
      facts: { address: hex(pointer) },
    });
  };
  securityHooks(look, judge, unseen);
  netfilter(look, judge, unseen);
  notifierChains(look, judge, unseen);
  tracepointProbes(look, judge, unseen);
  const { fields } = look.space.profile;
  const tracerFunction = fields['ftrace_ops.func'];
  if (tracerFunction !== undefined) {
    for (const ops of tracers(look.space, look.baseline.map, unseen)) {
      judge('function tracer', `at ${hex(ops)}`, follow(look.space, plus(ops, tracerFunction)));
    }
  }
  for (const { offset, handlers } of look.probes) {
    for (const { pointer } of handlers) judge('probe handler', `at ${hex(atOffset(look.space, offset))}`, pointer);
  }
  programLoaders(look, judge, unseen);
  return answer('hook-lists', covers, findings, unseen);
}

/** To 6.11, security modules hang their functions on one list per decision; later they are static calls, which are code. */
function securityHooks(look: KernelLook, judge: Judge, unseen: Unseen): void {
  const { space, baseline } = look;
  const { fields, sizes } = space.profile;
  const heads = baseline.map.landmarks.security_hook_heads;
  const [list, hook] = [fields['security_hook_list.list'], fields['security_hook_list.hook']];
  const headBytes = sizes.security_hook_heads;
  if (heads === undefined || list === undefined || hook === undefined || headBytes === undefined) return;
  for (let at = 0; at + 8 <= headBytes; at += 8) {
    const { nodes, whole } = chainNodes(space, follow(space, atOffset(space, heads + at)), 0, nodesMax);
    if (!whole) unseen.note('a list of security hooks breaks off');
    nodes.forEach((node, index) =>
      judge('security hook', `${at / 8}.${index}`, follow(space, plus(node, hook - list))),
    );
  }
}

function netfilter(look: KernelLook, judge: Judge, unseen: Unseen): void {
  const { space, baseline } = look;
  const { fields, sizes } = space.profile;
  const namespaces = baseline.map.landmarks.net_namespace_list;
  const [nf, count, entries, hook] = [
    fields['net.nf'],
    fields['nf_hook_entries.num_hook_entries'],
    fields['nf_hook_entries.hooks'],
    fields['nf_hook_entry.hook'],
  ];
  const entryBytes = sizes.nf_hook_entry;
  if (
    namespaces === undefined ||
    nf === undefined ||
    count === undefined ||
    entries === undefined ||
    hook === undefined ||
    entryBytes === undefined
  ) {
    unseen.note('netfilter’s hooks cannot be listed');
    return;
  }
  const { nodes, whole } = listNodes(space, atOffset(space, namespaces), namespacesMax);
  if (!whole) unseen.note('the list of network namespaces breaks off');
  for (const [family, table] of [
    ['IPv4', fields['netns_nf.hooks_ipv4']],
    ['IPv6', fields['netns_nf.hooks_ipv6']],
  ] as const) {
    if (table === undefined) continue;
    for (const node of nodes) {
      const net = plus(node, -space.profile.fields['net.list']);
      for (let index = 0; index < netfilterHooks; index += 1) {
        const array = follow(space, plus(net, nf + table + index * 8));
        const where = isNull(array) ? nowhere : locate(space, plus(array, count));
        if (where === nowhere) continue;
        const hooks = Math.min(space.pages.u16(where), entriesMax);
        for (let at = 0; at < hooks; at += 1) {
          judge(
            `netfilter ${family} hook`,
            `${index}.${at}`,
            follow(space, plus(array, entries + at * entryBytes + hook)),
          );
        }
      }
    }
  }
}

/** Chains of `struct notifier_block`; some heads have a lock before the first pointer. */
function notifierChains(look: KernelLook, judge: Judge, unseen: Unseen): void {
  const { space, baseline } = look;
  const { fields } = space.profile;
  const [call, next] = [fields['notifier_block.notifier_call'], fields['notifier_block.next']];
  if (call === undefined || next === undefined) return;
  for (const [name, firstAt] of notifiers) {
    const head = baseline.map.landmarks[name];
    if (head === undefined) continue;
    const { nodes, whole } = chainNodes(space, follow(space, atOffset(space, head + firstAt)), next, nodesMax);
    if (!whole) unseen.note('a chain of notifiers breaks off');
    nodes.forEach((node, index) => judge('notifier', `${name}[${index}]`, follow(space, plus(node, call))));
  }
}

/** The kernel's own tracepoints; those of modules hang from the modules. */
function tracepointProbes(look: KernelLook, judge: Judge, unseen: Unseen): void {
  const { space, baseline } = look;
  const { fields, sizes } = space.profile;
  const [start, stop] = [
    baseline.map.landmarks.__start___tracepoints_ptrs,
    baseline.map.landmarks.__stop___tracepoints_ptrs,
  ];
  const [name, functions, function_] = [
    fields['tracepoint.name'],
    fields['tracepoint.funcs'],
    fields['tracepoint_func.func'],
  ];
  const each = sizes.tracepoint_func;
  if (
    start === undefined ||
    stop === undefined ||
    name === undefined ||
    functions === undefined ||
    function_ === undefined ||
    each === undefined
  ) {
    unseen.note('the kernel’s tracepoints cannot be listed');
    return;
  }
  for (let index = 0; index < Math.min((stop - start) / 4, tracepointsMax); index += 1) {
    const place = atOffset(space, start + index * 4);
    const where = locate(space, place);
    const tracepoint = where === nowhere ? null : plus(place, space.pages.u32(where) | 0);
    const array = tracepoint === null ? null : follow(space, plus(tracepoint, functions));
    if (tracepoint === null || array === null || isNull(array)) continue;
    for (let probe = 0; probe < probesMax; probe += 1) {
      const pointer = follow(space, plus(array, probe * each + function_));
      if (isNull(pointer)) break;
      const text = locate(space, follow(space, plus(tracepoint, name)));
      judge('tracepoint probe', text === nowhere ? `${index}` : space.pages.text(text, 64), pointer);
    }
  }
}

function programLoaders(look: KernelLook, judge: Judge, unseen: Unseen): void {
  const { space, baseline } = look;
  const { fields } = space.profile;
  const head = baseline.map.landmarks.formats;
  const [link, load] = [fields['linux_binfmt.lh'], fields['linux_binfmt.load_binary']];
  if (head === undefined || link === undefined || load === undefined) return;
  const { nodes, whole } = listNodes(space, atOffset(space, head), nodesMax);
  if (!whole) unseen.note('the list of program loaders breaks off');
  nodes.forEach((node, index) => judge('program loader', `${index}`, follow(space, plus(node, load - link))));
}
