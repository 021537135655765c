// What a manifest answers to an attempt while the guest stands still: the same normalise, detect, assess and respond as after
// the fact, in the tracer's own process and without a question to anybody.
import type { ChangeWindow } from '../../model/change.ts';
import type { Finding } from '../../model/finding.ts';
import type { Manifest } from '../../model/manifest.ts';
import type { InlineAction } from '../../model/remediation.ts';
import { isInline } from '../../model/rule.ts';
import { RecentMap } from '../../kit/recent-map.ts';
import type { Result } from '../../kit/result.ts';
import { ok } from '../../kit/result.ts';
import { rawEventOf, type TracedFacts } from '../../sensors/introspection/trace-events.ts';
import { assess } from '../../stages/assess/assess.ts';
import { detectInChange } from '../../stages/detect/detect-in-change.ts';
import { type CompiledManifest, compileManifest } from '../../stages/detect/detect.ts';
import { normalise } from '../../stages/normalise/normalise.ts';
import { withWindow } from '../../stages/detect/change-window.ts';
import { answerInline } from '../../stages/respond/match-rules.ts';
import { fingerprintOf } from '../post/fingerprint.ts';

export interface InlineAnswer {
  readonly action: InlineAction;
  readonly finding: Finding;
}

/** A loop in the guest asks the same thing again and again. */
const rememberedMax = 4096;

/** Whether a manifest wants anything answered at the attempt. */
export function actsInline({ mode, orders }: Manifest): boolean {
  return mode === 'protect' && orders.some(({ action }) => isInline(action));
}

/** `before` = the judge it takes the place of: a change it saw begin goes on. */
export function inlineJudge(manifest: Manifest, before: InlineJudge | null = null): Result<InlineJudge> {
  const compiled = compileManifest(manifest);
  return compiled.ok ? ok(new InlineJudge(manifest, compiled.value, before?.seen ?? [])) : compiled;
}

export class InlineJudge {
  readonly #manifest: Manifest;
  readonly #compiled: CompiledManifest;
  /** Whether something like it was allowed; what is answered needs its own finding each time. */
  readonly #allowed = new RecentMap<string, true>(rememberedMax);

  /** Changes seen to begin here: the sentinel hears of them a moment later, and what they bring is attempted at once. */
  #seen: readonly ChangeWindow[];

  constructor(manifest: Manifest, compiled: CompiledManifest, seen: readonly ChangeWindow[]) {
    this.#manifest = manifest;
    this.#compiled = compiled;
    this.#seen = seen;
  }

  get seen(): readonly ChangeWindow[] {
    return this.#seen;
  }

  /** Whether its manifest wants anything answered at the attempt. */
  get acts(): boolean {
    return actsInline(this.#manifest);
  }

  /** Null = let it happen. What cannot be made into an observation is let happen, and judged with the event that follows. */
  answer(attempt: TracedFacts): InlineAnswer | null {
    const raw = rawEventOf(this.#manifest.vm, attempt);
    if (raw === null) return null;
    const observation = normalise(raw);
    if (!observation.ok || observation.value.kind === 'loss') return null;
    const activity = observation.value;
    const fingerprint = fingerprintOf(activity);
    if (this.#allowed.get(fingerprint) === true) return null;
    const { scope, service, mode, orders, changes = [] } = this.#manifest;
    const windows = [...changes, ...this.#seen];
    const { deviation, admitted, opened } = detectInChange(this.#compiled, windows, activity);
    if (opened !== null) this.#seen = withWindow(this.#seen, opened);
    // Allowed now, and not when the change is over.
    if (opened !== null || admitted !== null) return null;
    const finding = deviation === null ? null : assess(deviation, { scope, service, mode });
    const action = finding === null ? null : answerInline(finding, orders);
    if (finding !== null && action !== null) return { action, finding };
    this.#allowed.set(fingerprint, true);
    return null;
  }
}
