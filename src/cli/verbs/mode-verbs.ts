// What Plumbline is asked to do about a scope: learn it, watch it, protect it.
import { setTimeout as sleep } from 'node:timers/promises';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import type { Mode } from '../../model/application.ts';
import type { Learning, ModeChange } from '../../model/learning.ts';
import { parseDuration, sayDuration } from '../duration.ts';
import { printLearning, printModeChange } from '../print/applications.ts';
import type { Run } from '../run.ts';
import { parseRisk, riskOf, sayRisk } from './risk.ts';
import { printScopeReplay } from '../print/scope-replay.ts';
import { answer, type Answer, type Verb, type VerbOption, type Words } from '../verb.ts';

const force: VerbOption = { flags: '--force', says: 'although something speaks against freezing what was learned' };

const preview: readonly VerbOption[] = [
  {
    flags: '--preview',
    says: 'say what would have alarmed while it was learned, change nothing; exit code 1 when anything would',
  },
  {
    flags: '--learned-until <time>',
    says: 'with --preview: believe only what was learned before (2026-11-22T10:00:00Z)',
  },
];

export const modeVerbs: readonly Verb[] = [
  {
    words: 'capture <scope>',
    says: 'Learn what a scope does',
    group: 'Learn',
    stops: true,
    options: [
      { flags: '--for <duration>', says: 'wait so long (90s, 10m, 2h), then say what was learned' },
      { flags: '--until <risk>', says: "wait until no more than so many new behaviours are expected: 'risk<=1/day'" },
    ],
    async run(run, words) {
      const asked = words.maybe('for');
      const durationMs = asked === undefined ? ok(null) : parseDuration(asked);
      if (!durationMs.ok) return durationMs;
      const until = words.maybe('until');
      const perDay = until === undefined ? ok(null) : parseRisk(until);
      if (!perDay.ok) return perDay;
      if (perDay.value !== null && durationMs.value !== null)
        return fail(problem('usage', '--for and --until cannot be meant together.', 'Leave one of them out.'));
      const changed = await setMode(run, words, 'capture');
      if (changed.ok && perDay.value !== null)
        return answer(await learnedUntil(run, changed.value.scope, perDay.value), printLearning);
      if (!changed.ok || durationMs.value === null) return answer(changed, printModeChange);
      return answer(await learned(run, changed.value.scope, durationMs.value), printLearning);
    },
  },
  {
    words: 'capture status <scope>',
    says: 'Say what is known of each service, how surely, what a day would still show that is new, and what is due',
    group: 'Learn',
    run: async (run, words) =>
      answer(await run.ask((manager) => manager.learning({ scope: words.text('scope') })), printLearning),
  },
  {
    words: 'detect <scope>',
    says: 'Freeze what was learned into signed manifests and raise alarms for everything else',
    group: 'Learn',
    options: [force, ...preview],
    run: async (run, words) => await freeze(run, words, 'detect'),
  },
  {
    words: 'protect <scope>',
    says: 'As detect, and let the rules of the services act',
    group: 'Learn',
    options: [force, ...preview],
    run: async (run, words) => await freeze(run, words, 'protect'),
  },
];

async function freeze(run: Run, words: Words, mode: Mode): Promise<Result<Answer>> {
  const until = words.maybe('learnedUntil');
  if (until !== undefined && (!words.flag('preview') || Number.isNaN(Date.parse(until))))
    return fail(
      problem('usage', '--learned-until takes a time, with --preview.', 'Write it like 2026-11-22T10:00:00Z.'),
    );
  if (!words.flag('preview')) return answer(await setMode(run, words, mode), printModeChange);
  const asked = {
    scope: words.text('scope'),
    ...(until === undefined ? {} : { learnedUntil: new Date(until).toISOString() }),
  };
  const replayed = await run.ask((manager) => manager.replayScope(asked));
  const said = answer(replayed, printScopeReplay);
  const found = replayed.ok && replayed.value.services.some(({ alarms }) => alarms.length > 0);
  return said.ok ? ok({ ...said.value, found }) : said;
}

async function setMode(run: Run, words: Words, mode: Mode): Promise<Result<ModeChange>> {
  const forced = words.flag('force') ? { force: true } : {};
  return await run.ask((manager) => manager.setMode({ scope: words.text('scope'), mode, ...forced }));
}

async function learned(run: Run, scope: string, durationMs: number): Promise<Result<Learning>> {
  run.note(`Learning ${scope} for ${sayDuration(durationMs)}...`);
  try {
    await sleep(durationMs, undefined, { signal: run.shell.stop });
  } catch {
    run.note(`Stopped waiting; ${scope} goes on learning.`);
    return fail(problem('interrupted', 'Interrupted.'));
  }
  return await run.ask((manager) => manager.learning({ scope }));
}

const askAgainMs = 10_000;

/** Asks again and again until the forecast is as low as wanted. */
async function learnedUntil(run: Run, scope: string, perDay: number): Promise<Result<Learning>> {
  run.note(`Learning ${scope} until a day is expected to show no more than ${perDay} new behaviours...`);
  for (let said = ''; ;) {
    const learning = await run.ask((manager) => manager.learning({ scope }));
    if (!learning.ok) return learning;
    const risk = riskOf(learning.value);
    if (risk !== null && risk <= perDay) return learning;
    const now = sayRisk(risk);
    if (now !== said) run.note(`Now: ${now}`);
    said = now;
    try {
      await sleep(askAgainMs, undefined, { signal: run.shell.stop });
    } catch {
      run.note(`Stopped waiting; ${scope} goes on learning.`);
      return fail(problem('interrupted', 'Interrupted.'));
    }
  }
}
