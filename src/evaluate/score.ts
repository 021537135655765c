// Collects the verdicts of one judge over the scored part of a recording, and nothing of how they came about.
import { unknownTime } from '../stages/normalise/time.ts';
import type { Activity } from '../model/observation.ts';
import { alarmGroup } from './alarm-group.ts';
import type { Verdict } from './learner.ts';
import type { Marks } from './marks.ts';
import { type RunScore, newRun, takeVerdict } from './run-score.ts';

export interface GroupScore {
  readonly host: string;
  readonly isConnection: boolean;
  /** Of a job that was foretold; so for the first of its alarms, and all of them do the same. */
  readonly isDue: boolean;
  risk: number;
  /** Of the alarm with the highest risk. */
  activity: Activity;
}

export interface SegmentScore {
  readonly isAttack: boolean;
  readonly host: string;
  surprise: number;
  alarms: number;
}

/** More than anybody will read; beyond it alarms are counted, and no longer told apart. */
const groupsMax = 200_000;
/** Attack runs that are told apart. */
export const runsMax = 200_000;

export type AttackForm = 'entry' | 'postEntry';

export class Score {
  readonly falseGroups = new Map<string, GroupScore>();
  readonly changeGroups = new Map<string, GroupScore>();
  readonly attackGroups = new Map<string, GroupScore>();
  readonly runs = new Map<string, RunScore>();
  readonly segments = new Map<string, SegmentScore>();
  /** Risks of all alarms in the harmless part, one for each activity. */
  readonly falseRisks: number[] = [];
  readonly hosts = new Set<string>();
  starts = 0;
  judgedTest = 0;
  dropped = 0;

  takeTest(activity: Activity, { risk, surprise, isDue = false }: Verdict, marks: Marks): void {
    this.judgedTest += 1;
    this.hosts.add(activity.vm);
    if (activity.kind === 'process') this.starts += 1;
    this.#segment(activity.vm, marks, false, risk, surprise);
    if (risk === null) return;
    this.falseRisks.push(risk);
    this.#group(this.falseGroups, activity, risk, isDue);
  }

  takeChange(activity: Activity, { risk }: Verdict): void {
    if (risk !== null) this.#group(this.changeGroups, activity, risk);
  }

  takeAttack(form: AttackForm, activity: Activity, { risk, surprise }: Verdict, marks: Marks): void {
    const run = this.runOf(marks);
    if (run === null) return;
    takeVerdict(run[form], risk, activity.at === unknownTime ? null : Date.parse(activity.at));
    if (form === 'postEntry') return;
    this.#segment(activity.vm, marks, true, risk, surprise);
    if (risk !== null) this.#group(this.attackGroups, activity, risk);
  }

  /** Null when there are too many; the run is then counted as dropped. */
  runOf({ run, technique }: Marks): RunScore | null {
    const known = this.runs.get(run);
    if (known !== undefined) return known;
    if (this.runs.size >= runsMax) {
      this.dropped += 1;
      return null;
    }
    const made = newRun(technique);
    this.runs.set(run, made);
    return made;
  }

  #group(groups: Map<string, GroupScore>, activity: Activity, risk: number, isDue = false): void {
    const key = alarmGroup(activity);
    const known = groups.get(key);
    if (known === undefined && groups.size >= groupsMax) this.dropped += 1;
    else if (known === undefined)
      groups.set(key, { host: activity.vm, isConnection: isConnection(activity), isDue, risk, activity });
    else if (risk > known.risk) {
      known.risk = risk;
      known.activity = activity;
    }
  }

  #segment(host: string, { seg, rec }: Marks, isAttack: boolean, risk: number | null, surprise: number): void {
    if (seg === null) return;
    const key = JSON.stringify([host, rec, seg]);
    const known = this.segments.get(key) ?? { isAttack, host, surprise: 0, alarms: 0 };
    known.surprise += surprise;
    if (risk !== null) known.alarms += 1;
    if (this.segments.size < runsMax || this.segments.has(key)) this.segments.set(key, known);
    else this.dropped += 1;
  }
}

function isConnection({ kind }: Activity): boolean {
  return kind === 'outbound' || kind === 'inbound';
}
