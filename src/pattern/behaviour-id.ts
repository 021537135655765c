// The name of a behaviour: equal behaviours have equal ids, wherever and whenever they were made.
import { canonicalJson } from '../kit/canonical-json.ts';
import type { Behaviour } from '../model/behaviour.ts';
import { digest } from './digest.ts';

export function behaviourId(behaviour: Behaviour): string {
  return digest(canonicalJson(behaviour));
}
