// How a simulated NSX manager misbehaves, on demand, and what it noted of who came.

export interface NsxFaults {
  /** Requests whose method and path match get no answer at all. */
  hangs: RegExp | null;
  /** They are done, and the connection ends before the answer: so many times. */
  losesAnswers: { readonly of: RegExp; times: number } | null;
  /** They are said to be done, and nothing is done. */
  liesAbout: RegExp | null;
  /** 429 so many times. */
  isBusy: number;
  /** What a request that matches is answered with, once it is let in. */
  answers: { readonly of: RegExp; readonly status: number; readonly body: string } | null;
  /** So many files are broken off in the middle. */
  breaksFiles: number;
  /** Called with method and path before a write is done: what somebody else does just then. */
  beforeWrite: ((asked: string) => void) | null;
}

export interface NsxRecord {
  /** Method and path of each request that was let in. */
  readonly asked: string[];
  logins: number;
  refusals: number;
}

export function noFaults(): NsxFaults {
  return {
    hangs: null,
    losesAnswers: null,
    liesAbout: null,
    isBusy: 0,
    answers: null,
    breaksFiles: 0,
    beforeWrite: null,
  };
}
