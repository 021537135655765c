// Takes the links of a VM's network cards down, or up again, and reads the cards until they show it. A VM with a card that cannot be
// read is not offered it: nobody could say that it is cut off.
import { type Problem, problem, sayProblem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import type { Step } from '../../model/remediation.ts';
import { type CardLink, sayLinks } from './card-links.ts';
import type { ActOutcome } from './enforcer.ts';
import type { Patience } from './verified-action.ts';

/** One hypervisor's way to the cards of one VM. */
export interface LinkControl {
  read(): Promise<Result<readonly CardLink[]>>;
  /** May be accepted without having happened yet. */
  set(cards: readonly CardLink[], link: 'up' | 'down'): Promise<Result<void>>;
  /** Beside what the cards show: null = the next start of the VM has the same links; otherwise why not. */
  lasting(cards: readonly CardLink[], link: 'up' | 'down'): Promise<string | null>;
}

const deadlineMs = 5000;
const readEveryMs = 50;

export async function linkObstacle(control: LinkControl | undefined): Promise<Problem | null> {
  if (control === undefined) return noLinks;
  const cards = await control.read();
  if (!cards.ok) return cards.error;
  if (cards.value.length === 0) return problem('refused', 'The VM has no network card.');
  const unknown = cards.value.find(({ link }) => link === 'unknown');
  return unknown === undefined
    ? null
    : problem(
        'refused',
        `Whether the link of ${unknown.name} is down cannot be read back: it is a ${unknown.model}, or its registers are not mapped.`,
        'Suspend the VM, or give it a virtio or e1000 card.',
      );
}

const noLinks = problem('refused', 'The links of its cards cannot be changed here.', 'Suspend the VM instead.');

/** Never throws. `step.cards` names those that are brought up; absent = all. */
export async function changeLinks(
  step: Step,
  control: LinkControl | undefined,
  patience: Patience,
): Promise<ActOutcome> {
  const link = step.action === 'restore-link' ? 'up' : 'down';
  if (control === undefined) return failed(noLinks);
  const before = await control.read();
  if (!before.ok) return failed(before.error);
  const wanted = ({ name }: CardLink): boolean =>
    link === 'down' || step.cards === undefined || step.cards.includes(name);
  const cards = before.value.filter(wanted);
  if (before.value.length === 0) return failed(problem('refused', 'The VM has no network card.'));
  const isSo = (read: readonly CardLink[]): boolean => read.filter(wanted).every((card) => card.link === link);
  const lastsAlready = isSo(before.value) && (await control.lasting(cards, link));
  if (lastsAlready === null) return { state: 'done', evidence: `already so: ${sayLinks(before.value)}` };

  const ordered = await control.set(cards, link);
  const last = await readUntil(control, isSo, patience, ordered.ok ? deadlineMs : 0);
  const words = last.ok ? sayLinks(last.value) : sayProblem(last.error);
  if (!last.ok || !isSo(last.value)) {
    // One that did not answer may have done it, or may do it yet.
    if (!ordered.ok && ordered.error.kind !== 'interrupted') return failed(ordered.error);
    return {
      state: 'unconfirmed',
      evidence: `${step.expect} was not seen within ${deadlineMs} ms; read back: ${words}`,
    };
  }
  const why = await control.lasting(cards, link);
  if (why === null) return { state: 'done', evidence: words };
  return { state: 'unconfirmed', evidence: `${words}; but not when it is started again: ${why}`.slice(0, 4000) };
}

async function readUntil(
  control: LinkControl,
  isSo: (read: readonly CardLink[]) => boolean,
  { clock, sleep }: Patience,
  patienceMs: number,
): Promise<Result<readonly CardLink[]>> {
  const deadline = clock.monotonic() + patienceMs;
  for (;;) {
    const read = await control.read();
    if ((read.ok && isSo(read.value)) || clock.monotonic() >= deadline) return read;
    await sleep(readEveryMs);
  }
}

function failed(why: Problem): ActOutcome {
  return { state: 'failed', evidence: sayProblem(why).slice(0, 4000), problem: why };
}
