// Remote platforms: whether each answers, what it can do, and its VMs.
import { printPlatforms, printPlatformVms } from '../print/platforms.ts';
import { answer, type Verb } from '../verb.ts';

export const platformVerbs: readonly Verb[] = [
  {
    words: 'platforms',
    says: 'List remote platforms: whether each answers, what it can do, what it could not say',
    group: 'See',
    run: async (run) => answer(await run.ask((manager) => manager.listPlatforms()), printPlatforms),
  },
  {
    words: 'platforms vms <platform>',
    says: 'List the VMs of a platform as it said last',
    group: 'See',
    async run(run, words) {
      const platform = words.text('platform');
      return answer(await run.ask((manager) => manager.listPlatformVms({ platform })), printPlatformVms);
    },
  },
];
