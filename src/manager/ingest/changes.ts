// Changes that sentinels saw begin, and what open windows admitted: counted and kept with its risk, so that nothing is silently
// let through, and held for a person, so that nothing silently enters a manifest.
import { isoTime } from '../../kit/clock.ts';
import type { ChangeWindow } from '../../model/change.ts';
import { behaviourId } from '../../pattern/behaviour-id.ts';
import { allowEntry } from '../../stages/draft/draft.ts';
import type { SentinelBatch } from '../../wire/messages.ts';
import type { Turn } from '../audit/change.ts';
import type { Desk } from '../desk.ts';
import { memberOfVm } from '../store/applications.ts';
import { changeById, keepAdmitted, saveChange } from '../store/changes.ts';

export async function takeChanges(desk: Desk, turn: Turn, batch: SentinelBatch): Promise<void> {
  for (const { vm, window } of batch.changes ?? []) await takeObserved(turn, batch.sentinel, vm, window);
  for (const { change, finding, count, lastAt } of batch.admitted ?? []) {
    const { activity, at, vm } = finding.deviation;
    const known = await changeById(turn.db, change);
    const { behaviour } = allowEntry(activity, { kind: 'learned', at });
    const seen = { behaviour, count, firstAt: at, lastAt, members: [vm], risk: finding.risk };
    const isKept = known !== null && (await keepAdmitted(turn.db, change, behaviourId(behaviour), seen));
    if (!isKept) desk.losses.admittedNotKept += 1;
    if (known !== null) turn.announce({ kind: 'intent', subject: `${known.scope}/${known.service}` });
  }
}

/** The same id again = one more installation of the same change. */
async function takeObserved(turn: Turn, sentinel: string, vm: string, window: ChangeWindow): Promise<void> {
  const member = await memberOfVm(turn.db, vm);
  if (member === null) return;
  const { scope, service } = member;
  const known = await changeById(turn.db, window.id);
  const together = known === null ? window : joined(known.window, window);
  await saveChange(turn.db, { window: together, scope, service, vm, by: `sentinel ${sentinel}` });
  const until = isoTime(Date.parse(window.until));
  const what = `${window.packages.slice(0, 20).join(' ') || 'packages'} on ${member.name}, started by ${window.starter ?? 'nobody known'}`;
  await turn.record('change.observe', window.id, `${what}; admits what it brings until ${until}`);
  turn.announce({ kind: 'intent', subject: `${scope}/${service}` });
}

const packagesMax = 500;

function joined(before: ChangeWindow, more: ChangeWindow): ChangeWindow {
  const packages = [...new Set([...before.packages, ...more.packages])].slice(0, packagesMax);
  return { ...before, packages, until: more.until > before.until ? more.until : before.until };
}
