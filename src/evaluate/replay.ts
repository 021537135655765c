// What a manifest would have said about behaviour that was recorded: the same stages as in a sentinel, fed from files. It acts on
// nothing and learns nothing.
import type { Problem } from '../kit/problem.ts';
import { type Result, fail, ok } from '../kit/result.ts';
import type { Alarm } from '../model/alarm.ts';
import type { Finding, Severity } from '../model/finding.ts';
import type { Manifest } from '../model/manifest.ts';
import type { Observation } from '../model/observation.ts';
import type { EventLine } from '../sensors/ndjson/event-decoder.ts';
import { readEvents } from '../sensors/ndjson/read-events.ts';
import { assess, type AssessContext } from '../stages/assess/assess.ts';
import { raise } from '../stages/assess/group.ts';
import { compileManifest, detect, type CompiledManifest } from '../stages/detect/detect.ts';
import { normalise } from '../stages/normalise/normalise.ts';
import { Tally } from './tally.ts';

/** Findings that would have been one alarm. */
export interface ReplayFinding {
  readonly host: string;
  readonly group: string;
  readonly title: string;
  readonly severity: Severity;
  readonly risk: number;
  readonly count: number;
  readonly firstAt: string;
  readonly lastAt: string;
  /** The one with the highest risk. */
  readonly finding: Finding;
}

export interface ReplayReport {
  readonly lines: number;
  /** Processes and connections the manifest was asked about. */
  readonly judged: number;
  readonly allowed: number;
  readonly deviations: number;
  /** Worst first. */
  readonly findings: readonly ReplayFinding[];
  /** Groups beyond the limit, which are counted and not listed. */
  readonly findingsDropped: number;
  /** Times in which something may have gone unseen. */
  readonly losses: number;
  /** Lines that could not be judged, by reason, with the first place of each. */
  readonly skipped: readonly { readonly reason: string; readonly count: number; readonly first: string }[];
  /** Fields that were there but unusable, and counted as unknown. */
  readonly unusableFields: readonly { readonly field: string; readonly count: number }[];
}

/** More alarms than anybody will read; a manifest that gives so many is not of this machine. */
const groupsMax = 10_000;

export async function replay(input: {
  readonly files: readonly string[];
  readonly manifest: Manifest;
}): Promise<Result<ReplayReport>> {
  const compiled = compileManifest(input.manifest);
  if (!compiled.ok) return compiled;
  const replaying = new Replaying(compiled.value, input.manifest);
  for (const file of input.files) {
    for await (const line of readEvents<Allowed>(file)) {
      const broken = replaying.take(file, line);
      if (broken !== null) return fail(broken);
    }
  }
  return ok(replaying.report());
}

/** Noted with lines that are alike: the manifest allows what they say. */
type Allowed = 'allowed';

/** The counts of one replay while it runs. */
class Replaying {
  readonly #manifest: CompiledManifest;
  readonly #context: AssessContext;
  readonly #alarms = new Map<string, Alarm>();
  readonly #skipped = new Tally();
  readonly #unusable = new Tally();
  #lines = 0;
  #judged = 0;
  #deviations = 0;
  #losses = 0;
  #dropped = 0;

  constructor(manifest: CompiledManifest, { scope, service, mode }: Manifest) {
    this.#manifest = manifest;
    this.#context = { scope, service, mode };
  }

  /** A problem when the file as a whole cannot be read: a report about nothing would look like a quiet day. */
  take(file: string, eventLine: EventLine<Allowed>): Problem | null {
    const { line, like } = eventLine;
    if (like?.note === 'allowed') {
      this.#lines += 1;
      this.#judged += 1;
      return null;
    }
    const { result, unusable } = eventLine;
    if (line === 0 && !result.ok) return result.error;
    this.#lines += 1;
    const place = `${file}:${line}`;
    for (const field of unusable) this.#unusable.add(field, place);
    const observation = result.ok ? normalise(result.value) : result;
    if (!observation.ok) this.#skipped.add(reasonOf(observation.error, place), place);
    else if (this.#judge(observation.value) && like !== null) like.note = 'allowed';
    return null;
  }

  /** Whether the manifest allows it. */
  #judge(observation: Observation): boolean {
    if (observation.kind === 'loss') {
      this.#losses += 1;
      return false;
    }
    this.#judged += 1;
    const deviation = detect(this.#manifest, observation);
    if (deviation === null) return true;
    this.#deviations += 1;
    const finding = assess(deviation, this.#context);
    const key = `${deviation.vm}\n${finding.group}`;
    const known = this.#alarms.get(key) ?? null;
    if (known === null && this.#alarms.size >= groupsMax) {
      this.#dropped += 1;
      return false;
    }
    const { scope, service } = this.#context;
    this.#alarms.set(key, raise(known, finding, { id: finding.group, vmName: deviation.vm, scope, service }));
    return false;
  }

  report(): ReplayReport {
    return {
      lines: this.#lines,
      judged: this.#judged,
      allowed: this.#judged - this.#deviations,
      deviations: this.#deviations,
      findings: [...this.#alarms.values()].flatMap(findingOf).sort((a, b) => b.risk - a.risk),
      findingsDropped: this.#dropped,
      losses: this.#losses,
      skipped: this.#skipped.entries().map(({ word, count, first }) => ({ reason: word, count, first })),
      unusableFields: this.#unusable.entries().map(({ word, count }) => ({ field: word, count })),
    };
  }
}

function findingOf({ vm, group, title, severity, risk, count, firstAt, lastAt, finding }: Alarm): ReplayFinding[] {
  return finding === null ? [] : [{ host: vm, group, title, severity, risk, count, firstAt, lastAt, finding }];
}

/** Reasons are counted, so the place they carry must not tell them apart. */
function reasonOf({ message }: Problem, place: string): string {
  return message.replace(place, 'The line');
}
