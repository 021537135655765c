// How grave each guard event is, and how it is said. One table for the manager, who raises the alarm, and for the sentinel,
// whose standing orders may answer it while the manager is away.
import type { Severity } from '../../model/finding.ts';
import type { GuardKind } from '../../model/guard-event.ts';

export interface GuardWeight {
  readonly says: string;
  readonly severity: Severity;
  readonly risk: number;
}

/** alarm-flood and response-unconfirmed are the manager's own: no sentinel reports them. */
type Weighed = GuardKind | 'alarm-flood' | 'response-unconfirmed';

const weights: Readonly<Record<Weighed, GuardWeight>> = {
  'alarm-flood': { says: 'It deviates in more ways than are kept one by one', severity: 'critical', risk: 90 },
  'response-unconfirmed': { says: 'Nobody can say whether an answer took effect', severity: 'critical', risk: 90 },
  'manifest-tampered': { says: 'Its sealed manifest was tampered with', severity: 'critical', risk: 100 },
  'manifest-rolled-back': { says: 'Somebody tried to put an older manifest in place', severity: 'critical', risk: 95 },
  'identity-doubled': { says: 'A second running VM claims its identity', severity: 'serious', risk: 70 },
  'manifest-missing': { says: 'Its manifest is missing', severity: 'serious', risk: 70 },
  'lost-sight': { says: 'It cannot be seen any more', severity: 'serious', risk: 60 },
  'trace-lost': { says: 'It is to be traced and is not', severity: 'serious', risk: 50 },
  'refusal-failed': { says: 'Something that was to be refused was not', severity: 'critical', risk: 95 },
  'guest-went-back': { says: 'It was put back to an earlier state', severity: 'minor', risk: 30 },
  'kernel-tampered': { says: 'Its kernel was tampered with', severity: 'critical', risk: 100 },
  'module-hidden': { says: 'A kernel module is hidden in it', severity: 'critical', risk: 100 },
  'process-hidden': { says: 'A process is hidden in it', severity: 'critical', risk: 95 },
  'process-tampered': { says: 'A process in it was tampered with', severity: 'critical', risk: 80 },
  'credentials-changed': { says: 'A process in it became another user without asking', severity: 'critical', risk: 95 },
  'executable-changed': { says: 'A program in it is not what it was', severity: 'critical', risk: 80 },
  'hidden-flow': {
    says: 'It sends or receives what no process in it has a socket for',
    severity: 'critical',
    risk: 90,
  },
  'hidden-listener': { says: 'It answers on a port that no process in it listens on', severity: 'critical', risk: 90 },
};

export function guardWeight(what: Weighed): GuardWeight {
  return weights[what];
}
