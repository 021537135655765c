// One of the calls that the manager's configuration names, without its secrets.
import { Type, type Static } from 'typebox';
import { Name } from './name.ts';

export const ConfiguredCall = Type.Object({
  name: Name,
  kind: Type.Enum(['webhook', 'command', 'notification', 'ticket']),
  place: Type.String({ maxLength: 4200, description: 'where it goes, without secrets' }),
  /** Undoing a plan closes what it opened. */
  canEnd: Type.Boolean(),
  /** Why it could not be made now; null = nothing is known to stand in the way. */
  obstacle: Type.Union([Type.String({ maxLength: 2000 }), Type.Null()]),
});
export type ConfiguredCall = Static<typeof ConfiguredCall>;
