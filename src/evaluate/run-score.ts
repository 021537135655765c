// What happened to one attack run under one judge.

export interface RunForm {
  /** Processes and connections the judge was asked about. */
  judged: number;
  /** The highest risk of an alarm; null = none was raised. */
  risk: number | null;
  /** Judged before the first alarm. */
  eventsBefore: number;
  startedAt: number | null;
  alarmAt: number | null;
}

export interface RunScore {
  readonly technique: string;
  readonly entry: RunForm;
  readonly postEntry: RunForm;
  /** Every executable left in the post-entry form was learned on the machine. */
  argumentOnly: boolean;
}

export function newRun(technique: string): RunScore {
  return { technique, entry: newForm(), postEntry: newForm(), argumentOnly: true };
}

function newForm(): RunForm {
  return { judged: 0, risk: null, eventsBefore: 0, startedAt: null, alarmAt: null };
}

/** `at` in milliseconds; null = the recording has no clock. */
export function takeVerdict(form: RunForm, risk: number | null, at: number | null): void {
  form.judged += 1;
  form.startedAt ??= at;
  if (risk === null) {
    if (form.risk === null) form.eventsBefore += 1;
    return;
  }
  if (form.risk === null) form.alarmAt = at;
  form.risk = Math.max(form.risk ?? 0, risk);
}
