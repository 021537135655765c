// What a SIEM connector is asked to tell, and how it answers. A connector tries once; queueing and trying again is the caller's.
import type { Result } from '../../kit/result.ts';
import type { Alarm } from '../../model/alarm.ts';
import type { Remediation } from '../../model/remediation.ts';

export type Notice =
  | { readonly kind: 'alarm'; readonly alarm: Alarm }
  | { readonly kind: 'remediation'; readonly remediation: Remediation };

export interface SiemConnector {
  /** Where it sends, without secrets: for logs and status. */
  readonly place: string;
  /** A Problem of kind `refused` is final; of any other kind it may be tried again. */
  send(notice: Notice): Promise<Result<null>>;
  close(): void;
}
