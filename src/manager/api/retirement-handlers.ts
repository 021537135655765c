// What the endpoints about entries that nobody uses any more do.
import { isoTime } from '../../kit/clock.ts';
import { change, type Act, type Turn } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { proposeRetirement, retireEntries } from '../intent/retirement.ts';
import type { Handlers } from './handlers.ts';
import { preview } from './preview.ts';

const afterDaysDefault = 30;
const replayDaysDefault = 90;

export function retirementHandlers(desk: Desk): Pick<Handlers, 'unusedEntries' | 'retireEntries'> {
  return {
    unusedEntries: async ({ scope, service, afterDays = afterDaysDefault, replayDays = replayDaysDefault }) => {
      const terms = { scope, afterDays, replayDays };
      const read = await desk.store.read(
        async (db) => await proposeRetirement(db, terms, service, isoTime(desk.clock.now())),
      );
      return read.ok ? read.value : read;
    },
    retireEntries: async (asked, by) => {
      const { scope, service, entries, preview: isPreview = false } = asked;
      const { afterDays = afterDaysDefault, replayDays = replayDaysDefault } = asked;
      const what: Act = { by, verb: 'entries.retire', subject: `${scope}/${service}` };
      const terms = { scope, service, entries, afterDays, replayDays, preview: isPreview };
      const work = async (turn: Turn) => await retireEntries(desk.seals, turn, terms);
      return isPreview ? await preview(desk, what, work) : await change(desk, what, work);
    },
  };
}
