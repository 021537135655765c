// What the endpoints about remote platforms do, and the one that acts on any VM.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { plannedActions } from '../../model/remediation.ts';
import type { PlatformSight } from '../../model/platform.ts';
import { actOnVm, previewAct } from '../broker/act.ts';
import type { Desk } from '../desk.ts';
import { sightsOf } from '../platforms/view-platforms.ts';
import type { Handlers } from './handlers.ts';

type PlatformHandlers = Pick<Handlers, 'listPlatforms' | 'listPlatformVms' | 'previewAct' | 'actOnVm'>;

const noAct = problem(
  'usage',
  'An alert does nothing to a VM.',
  `Choose one of ${plannedActions.filter((action) => action !== 'lift').join(', ')}.`,
);

export function platformHandlers(desk: Desk): PlatformHandlers {
  return {
    listPlatforms: async () => await Promise.resolve(ok(desk.platforms.hands().map((hand) => hand.health()))),
    listPlatformVms: async ({ platform }) => await vmsOf(desk, platform),
    previewAct: async ({ vm, action, snapshot }, by) =>
      action === 'alert'
        ? fail(noAct)
        : await previewAct(desk, { vm, action, evidence: 'first', snapshot, why: undefined, by }),
    actOnVm: async ({ vm, action, evidence = 'first', snapshot, why }, by) =>
      action === 'alert' ? fail(noAct) : await actOnVm(desk, { vm, action, evidence, snapshot, why, by }),
  };
}

async function vmsOf(desk: Desk, platform: string): Promise<Result<PlatformSight[]>> {
  if (desk.platforms.find(platform) === null)
    return fail(problem('not-found', `No platform is called ${platform}.`, 'See `plumbline platforms`.'));
  return await desk.store.read(async (db) => await sightsOf(desk.platforms, db, { platform }));
}
