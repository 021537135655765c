// What `npm start -- --once --json` prints: one object that says what was seen, learned, attacked, answered and allowed.

export interface DemoVm {
  readonly name: string;
  readonly kernel: string | null;
  readonly attachMs: number | null;
  readonly processes: number | null;
  readonly sockets: number | null;
}

export interface DemoAttack {
  readonly name: string;
  readonly detected: boolean;
  /** From the start of the attack to the alarm in the console, on the host's clock; null = not detected. */
  readonly detectMs: number | null;
  readonly alarmId: string | null;
  /** suspend, snapshot, power-off; null = only an alarm was asked for. */
  readonly response: string | null;
  /** Read back from the hypervisor by the lab's own monitor, not by the product. */
  readonly verified: boolean;
}

export interface DemoReport {
  readonly vms: readonly DemoVm[];
  readonly learned: { readonly behaviours: number; readonly secondsObserved: number };
  readonly manifests: readonly { readonly member: string; readonly generation: number; readonly entries: number }[];
  readonly benign: {
    readonly seconds: number;
    readonly jobsRun: Readonly<Record<string, number>>;
    readonly lossSeconds: number;
  };
  readonly attacks: readonly DemoAttack[];
  readonly allow: { readonly alarmId: string | null; readonly raisedAgain: boolean };
  /** Alarms between protect and exit behind which no scripted attack or answered VM stands; the allowed ones apart. */
  readonly falseAlarms: number;
  /** `ok`, or the first thing that went wrong. */
  readonly exitReason: string;
}

/** The first promise the story did not keep, in the order a reader would check them; `ok` when it kept all. */
export function exitReasonOf(report: Omit<DemoReport, 'exitReason'>): string {
  const blind = report.vms.find((vm) => vm.attachMs === null);
  if (report.vms.length === 0 || blind !== undefined) return `${blind?.name ?? 'no VM'} was not attached`;
  const missed = report.attacks.find((attack) => !attack.detected);
  if (report.attacks.length === 0 || missed !== undefined)
    return `attack ${missed?.name ?? '(none ran)'} was not detected`;
  const unproven = report.attacks.find((attack) => attack.response !== null && !attack.verified);
  if (unproven !== undefined) return `the answer to ${unproven.name} (${unproven.response}) could not be read back`;
  for (const action of ['suspend', 'snapshot', 'power-off']) {
    if (!report.attacks.some((attack) => attack.response === action)) return `no attack was answered by ${action}`;
  }
  if (report.allow.alarmId === null) return 'the benign deviation raised no alarm to allow';
  if (report.allow.raisedAgain) return 'what was allowed was raised again';
  if (report.falseAlarms > 0) return `${report.falseAlarms} false alarms`;
  return 'ok';
}
