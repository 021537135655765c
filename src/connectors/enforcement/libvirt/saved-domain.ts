// What can be done to a libvirt domain that was saved and does not run: start it from there again, and nothing else.
import { type Problem, problem, sayProblem } from '../../../kit/problem.ts';
import { ok } from '../../../kit/result.ts';
import type { Enforcer } from '../enforcer.ts';
import { changeSave, saveCapabilities } from '../verified-save.ts';
import { libvirtSave } from './libvirt-save.ts';
import { withDomain } from './with-domain.ts';

const isOff: Problem = problem(
  'refused',
  'The VM was saved and does not run, so that there is nothing to act on.',
  'Take the save back first.',
);

/** Null = libvirt has no such domain, or none that was saved and is off. */
export async function savedDomain(socket: string, uuid: string): Promise<Enforcer | null> {
  const control = libvirtSave({
    socket,
    uuid,
    monitor: null,
    alive: () => false,
    withDomain: (act) => withDomain(socket, uuid, act),
  });
  if ((await control.undoObstacle()) !== null) return null;
  return {
    capabilities: async () => (await saveCapabilities(control)).filter(({ action }) => action === 'undo-save'),
    act: async (step) =>
      step.action === 'undo-save' || step.action === 'save'
        ? await changeSave(step, control)
        : { state: 'failed', evidence: sayProblem(isOff), problem: isOff },
    readState: async () => ok({ run: 'gone', words: 'libvirt: saved', snapshots: [] }),
    readLinks: async () => ok([]),
  };
}
