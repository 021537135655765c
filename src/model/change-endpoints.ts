// The part of the API's table that is about changes of VMs, and about entries that wait for a person.
import { Type } from 'typebox';
import { Change, ChangedPackages, ChangedPorts, ChangedPrograms } from './change.ts';
import { VmReference } from './declaration.ts';
import { fields, type Endpoint } from './endpoint.ts';
import { Decided, EntryVerdict, HeldEntry } from './held-entry.ts';
import { Name } from './name.ts';

/** A day: what takes longer is declared again. */
const changeMinutesMax = 1440;

export const changeEndpoints = {
  listChanges: {
    method: 'GET',
    path: '/changes',
    summary: 'Changes declared and observed, the latest first, with what they admitted',
    query: fields({
      scope: Type.Optional(Name),
      service: Type.Optional(Name),
      vm: Type.Optional(VmReference),
      open: Type.Optional(Type.Boolean({ description: 'only those whose time is not over, or only those whose is' })),
    }),
    reply: Type.Array(Change),
  },
  openChange: {
    method: 'POST',
    path: '/scopes/:scope/services/:service/changes',
    summary:
      'Declare a change of a service or of one member: what it brings is admitted, and told, while its time lasts',
    params: fields({ scope: Name, service: Name }),
    body: fields({
      vm: Type.Optional(VmReference),
      packages: Type.Optional(ChangedPackages),
      programs: Type.Optional(ChangedPrograms),
      ports: Type.Optional(ChangedPorts),
      minutes: Type.Integer({ minimum: 1, maximum: changeMinutesMax }),
    }),
    reply: Change,
  },
  closeChange: {
    method: 'POST',
    path: '/changes/:change/close',
    summary: 'End a declared change before its time is over',
    params: fields({ change: Type.String({ maxLength: 64 }) }),
    reply: Change,
  },
  listHeld: {
    method: 'GET',
    path: '/held-entries',
    summary: 'Entries that wait for a person: learned ones that are doubtful, and those that changes admitted',
    query: fields({
      scope: Type.Optional(Name),
      service: Type.Optional(Name),
      decided: Type.Optional(Type.Boolean({ description: 'also those that somebody decided about' })),
    }),
    reply: Type.Array(HeldEntry),
  },
  decideHeld: {
    method: 'POST',
    path: '/scopes/:scope/services/:service/held-entries',
    summary: 'Take entries that wait into the manifests of their service, or keep them out for good',
    params: fields({ scope: Name, service: Name }),
    body: fields({
      entries: Type.Array(Type.String({ maxLength: 64 }), { minItems: 1, maxItems: 2000 }),
      verdict: EntryVerdict,
    }),
    reply: Decided,
  },
} as const satisfies Record<string, Endpoint>;
