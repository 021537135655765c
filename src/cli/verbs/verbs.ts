// All verbs, in the order of the help.
import type { Verb } from '../verb.ts';
import { actVerb } from './act-verb.ts';
import { alarmVerbs } from './alarm-verbs.ts';
import { applyVerb } from './apply-verb.ts';
import { changeVerbs } from './change-verbs.ts';
import { completeVerb, completionVerb } from './completion-verbs.ts';
import { heldEntryVerbs } from './held-entry-verbs.ts';
import { heldVerbs } from './held-verbs.ts';
import { evidenceVerbs } from './evidence-verbs.ts';
import { evaluateVerb } from './evaluate-verb.ts';
import { incidentVerbs } from './incident-verbs.ts';
import { integrityVerbs } from './integrity-verbs.ts';
import { manifestVerbs } from './manifest-verbs.ts';
import { memberVerbs } from './member-verbs.ts';
import { modeVerbs } from './mode-verbs.ts';
import { planVerbs } from './plan-verbs.ts';
import { platformVerbs } from './platform-verbs.ts';
import { recordVerbs } from './record-verbs.ts';
import { replayVerb } from './replay-verb.ts';
import { retireVerbs } from './retire-verbs.ts';
import { scopeVerbs } from './scope-verbs.ts';
import { selftestVerb } from './selftest-verb.ts';
import { serviceVerbs } from './service-verbs.ts';
import { sightVerbs } from './sight-verbs.ts';
import { traceVerb } from './trace-verb.ts';
import { consoleVerb, upVerb } from './up-verb.ts';

const spoken: readonly Verb[] = [
  upVerb,
  consoleVerb,
  selftestVerb,
  ...sightVerbs,
  ...platformVerbs,
  traceVerb,
  ...integrityVerbs,
  ...scopeVerbs,
  ...serviceVerbs,
  ...memberVerbs,
  applyVerb,
  ...modeVerbs,
  ...manifestVerbs,
  ...heldEntryVerbs,
  ...retireVerbs,
  ...changeVerbs,
  ...alarmVerbs,
  actVerb,
  ...planVerbs,
  ...incidentVerbs,
  ...heldVerbs,
  replayVerb,
  evaluateVerb,
  ...evidenceVerbs,
  ...recordVerbs,
  completionVerb,
];

export const verbs: readonly Verb[] = [...spoken, completeVerb(spoken)];
