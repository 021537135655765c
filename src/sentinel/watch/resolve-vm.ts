// Which VM a person means: by name, id or QEMU pid. Never a guess: what fits none or several is answered with what is there.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';

export interface Nameable {
  readonly id: string;
  readonly name: string;
  readonly pid: number | null;
}

const namesShown = 5;

export function resolveVm<T>(vms: readonly T[], reference: string, nameable: (vm: T) => Nameable): Result<T> {
  const asked = reference.trim();
  const lower = asked.toLowerCase();
  const exact = vms.filter((vm) => {
    const { id, name, pid } = nameable(vm);
    return name === asked || id.toLowerCase() === lower || String(pid) === asked;
  });
  const [first, second] = exact;
  if (first !== undefined && second === undefined) return ok(first);
  if (first !== undefined)
    return fail(
      problem(
        'not-found',
        `${asked} fits ${exact.length} VMs: ${exact
          .slice(0, namesShown)
          .map((vm) => said(nameable(vm)))
          .join(', ')}.`,
        'Name one by its id or its pid.',
      ),
    );
  const near = vms
    .map((vm) => ({ vm: nameable(vm), distance: distance(lower, nameable(vm).name.toLowerCase()) }))
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, namesShown);
  const there =
    near.length === 0 ? 'No VM runs on this host.' : `Near it: ${near.map(({ vm }) => said(vm)).join(', ')}.`;
  return fail(problem('not-found', `There is no VM ${asked.slice(0, 128)} on this host.`, there));
}

function said({ id, name, pid }: Nameable): string {
  return `${name} (${id}${pid === null ? '' : `, pid ${pid}`})`;
}

const comparedMax = 64;

/** Levenshtein's, on the first 64 characters; a name that contains the other counts as near. */
function distance(a: string, b: string): number {
  if (a !== '' && b.includes(a)) return 0;
  const left = a.slice(0, comparedMax);
  const right = b.slice(0, comparedMax);
  let row = Array.from({ length: right.length + 1 }, (_, i) => i);
  for (let i = 1; i <= left.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= right.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (left[i - 1] === right[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
