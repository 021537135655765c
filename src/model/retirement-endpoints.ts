// The part of the API's table that is about entries nobody uses any more.
import { Type } from 'typebox';
import { fields, type Endpoint } from './endpoint.ts';
import { Name } from './name.ts';
import { Retired, Retirement } from './retirement.ts';

const afterDays = Type.Optional(
  Type.Integer({ minimum: 1, maximum: 1000, description: 'days without use at least; 30 when left out' }),
);
const replayDays = Type.Optional(
  Type.Integer({ minimum: 1, maximum: 1000, description: 'days of what is kept that are replayed; 90 when left out' }),
);

export const retirementEndpoints = {
  unusedEntries: {
    method: 'GET',
    path: '/scopes/:scope/unused-entries',
    summary:
      'Learned entries that nobody uses any more, what would have alarmed without them, and those retired before',
    params: fields({ scope: Name }),
    query: fields({ service: Type.Optional(Name), afterDays, replayDays }),
    reply: Retirement,
  },
  retireEntries: {
    method: 'POST',
    path: '/scopes/:scope/services/:service/retired-entries',
    summary: 'Take entries that nobody uses any more out of the manifests of their service',
    params: fields({ scope: Name, service: Name }),
    body: fields({
      entries: Type.Array(Type.String({ maxLength: 64 }), { minItems: 1, maxItems: 2000 }),
      afterDays,
      replayDays,
      preview: Type.Optional(Type.Boolean({ description: 'say what would alarm, change nothing' })),
    }),
    reply: Retired,
  },
} as const satisfies Record<string, Endpoint>;
