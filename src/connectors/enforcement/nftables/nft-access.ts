// Whether nft can be used here at all: it may not be installed, its family may not be in the kernel, or it may not be ours to use.
import { type Problem, problem } from '../../../kit/problem.ts';
import { runProgram, within } from '../../../protocols/host-program/run-program.ts';

/** Null = it can, or it failed for a reason that may be another the next time. */
export async function nftObstacle(namespacePid: number | null): Promise<Problem | null> {
  const said = await runProgram(within(namespacePid, ['nft', 'list', 'tables', 'bridge']));
  return said.ok ? null : lastingObstacle(said.error);
}

/** From what nft, or nsenter before it, has said (netlink answers EPERM to whoever lacks CAP_NET_ADMIN, even to a question). */
export function lastingObstacle(failure: Problem): Problem | null {
  if (failure.kind === 'not-found' || /failed to execute nft\b/.test(failure.message))
    return problem('not-found', 'The program nft is not on this host.', 'Install nftables.');
  if (/not permitted|permission denied|must be root/i.test(failure.message))
    return problem(
      'refused',
      'nft may not be used: CAP_NET_ADMIN is missing.',
      'Run the sentinel with that capability.',
    );
  if (/not supported/i.test(failure.message))
    return problem('refused', 'The kernel has no nftables for bridges.', 'Use one with NF_TABLES_BRIDGE.');
  return null;
}
