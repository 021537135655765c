// What a Linux bridge needs so that the host's connection tracking follows bridged connections and counts them: one rule of
// ours, which changes no verdict, and accounting switched on. Taken back at the end, and at the next start after a crash.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { runProgram, within } from '../../protocols/host-program/run-program.ts';

const table = 'plumbline_flows';
const families = ['ip', 'ip6'] as const;
const accounting = 'net.netfilter.nf_conntrack_acct';

/** `namespacePid`: as in `within`. Problems: bridged packets do not pass the host's filters, nft is missing or refuses. */
export async function addTrackingRule(namespacePid: number | null): Promise<Result<void>> {
  const bridged = await readSetting(namespacePid, 'net.bridge.bridge-nf-call-iptables');
  if (bridged !== '1') {
    // Switching it on would send bridged traffic through the host's own firewall: not ours to decide.
    const message =
      'Connection tracking does not see bridged packets here (net.bridge.bridge-nf-call-iptables is not 1).';
    return fail(problem('refused', message, 'Leave it as it is: connections are then read from the tap itself.'));
  }
  const removed = await removeTrackingRule(namespacePid);
  if (!removed.ok) return removed;
  const before = (await readSetting(namespacePid, accounting)) ?? '0';
  // The table remembers what accounting was, so that a later run can put it back after a crash of this one.
  const rules = families.map(
    (family) =>
      `table ${family} ${table} {\n comment "accounting was ${before === '1' ? 1 : 0}"\n` +
      ' chain track { type filter hook prerouting priority -150; policy accept;\n ct state new counter\n }\n}\n',
  );
  const added = await runProgram(within(namespacePid, ['nft', '-f', '-']), rules.join(''));
  if (!added.ok) return added;
  return writeSetting(namespacePid, accounting, '1');
}

/** Also takes away what a run that was killed left behind; nothing to do is no problem. */
export async function removeTrackingRule(namespacePid: number | null): Promise<Result<void>> {
  for (const family of families) {
    const listed = await runProgram(within(namespacePid, ['nft', 'list', 'table', family, table]));
    if (!listed.ok && listed.error.kind === 'not-found') return listed;
    if (!listed.ok) continue;
    if (/accounting was 0/.test(listed.value)) {
      const restored = await writeSetting(namespacePid, accounting, '0');
      if (!restored.ok) return restored;
    }
    const removed = await runProgram(within(namespacePid, ['nft', 'delete', 'table', family, table]));
    if (!removed.ok) return removed;
  }
  return ok(undefined);
}

async function readSetting(namespacePid: number | null, name: string): Promise<string | null> {
  const read = await runProgram(within(namespacePid, ['cat', pathOf(name)]));
  return read.ok ? read.value.trim() : null;
}

async function writeSetting(namespacePid: number | null, name: string, value: string): Promise<Result<void>> {
  const written = await runProgram(within(namespacePid, ['tee', pathOf(name)]), value);
  return written.ok ? ok(undefined) : written;
}

/** /proc/sys/net shows the network namespace of whoever reads it. */
function pathOf(name: string): string {
  return `/proc/sys/${name.replaceAll('.', '/')}`;
}
