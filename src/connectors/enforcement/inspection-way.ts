// Whether frames can be led through an inspection point: a bridge with exactly one other way out.
import { problem, type Problem } from '../../kit/problem.ts';

/** `ways`: ports of the bridge but for the VM's own and those led through it already; `what`: what the bridge has to be. */
export function wayThroughObstacle(through: string, ways: number, what: string): Problem | null {
  if (ways === 0)
    return problem('refused', `${through} is no ${what} with a way out.`, 'Plug the inspection point into it first.');
  if (ways === 1) return null;
  // Two ways between two bridges are a loop: frames would go round for ever.
  return problem(
    'refused',
    `${through} has ${ways} ports: an inspection point has one way out, or frames go round for ever.`,
    'Keep a bridge for inspection with nothing else on it.',
  );
}
