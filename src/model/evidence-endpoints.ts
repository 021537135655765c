// The part of the API's table that is about evidence. A bundle itself is a stream of bytes and stands apart.
import { Type } from 'typebox';
import { EvidenceHold, EvidenceIndex, EvidenceView } from './evidence.ts';
import { fields, pageFields, pageOf, type Endpoint } from './endpoint.ts';

const Reference = Type.String({ minLength: 1, maxLength: 256 });

export const evidenceEndpoints = {
  listEvidence: {
    method: 'GET',
    path: '/evidence',
    summary: 'What was collected, the latest first: of an alarm, a plan, a VM, or all of it',
    query: fields({ of: Type.Optional(Reference), ...pageFields }),
    reply: pageOf(EvidenceView),
  },
  listEvidenceHolds: {
    method: 'GET',
    path: '/evidence/holds',
    summary: 'What a person has said must be kept',
    reply: Type.Array(EvidenceHold),
  },
  getEvidenceIndex: {
    method: 'GET',
    path: '/evidence/:subject/index',
    summary: 'What a bundle of an alarm or a plan would hold, with its timeline; no item is read and nothing is signed',
    params: fields({ subject: Reference }),
    reply: EvidenceIndex,
  },
  holdEvidence: {
    method: 'POST',
    path: '/evidence/:subject/hold',
    summary: 'Keep an item, or whatever belongs to an alarm, a plan or a VM, beyond its time',
    params: fields({ subject: Reference }),
    reply: EvidenceHold,
  },
  unholdEvidence: {
    method: 'POST',
    path: '/evidence/:subject/unhold',
    summary: 'Let retention have again what was held',
    params: fields({ subject: Reference }),
    reply: EvidenceHold,
  },
} as const satisfies Record<string, Endpoint>;

/** A bundle of an alarm or a plan: a tar archive whose signed index comes last. `:subject` is an id. */
export const evidenceBundlePath = '/evidence/:subject/bundle';
export const evidenceBundleType = 'application/x-tar';
