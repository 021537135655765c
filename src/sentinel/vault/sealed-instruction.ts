// Opening what a manager signed: signature by a trusted key, the payload type that was asked for, and the schema, in that
// order, before anything in it is believed.
import { createHash } from 'node:crypto';
import type { TSchema } from 'typebox';
import { Errors, Check } from 'typebox/value';
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { Manifest, SealedManifest } from '../../model/manifest.ts';
import { openEnvelope } from '../../protocols/dsse/envelope.ts';
import type { TrustedKeys } from '../../protocols/dsse/keys.ts';
import { EvidenceQuestion, EvidenceRetention, Order, payloadTypes, Withdrawal } from '../../wire/messages.ts';

export type Instruction =
  | { readonly kind: 'manifest'; readonly manifest: Manifest; readonly digest: string }
  | { readonly kind: 'withdrawal'; readonly withdrawal: Withdrawal; readonly digest: string }
  | { readonly kind: 'order'; readonly order: Order; readonly digest: string }
  | { readonly kind: 'evidence-question'; readonly question: EvidenceQuestion }
  | { readonly kind: 'evidence-retention'; readonly retention: EvidenceRetention };

export function openInstruction(envelope: unknown, trusted: TrustedKeys): Result<Instruction> {
  const shape = checked(SealedManifest, envelope, 'A signed envelope');
  if (!shape.ok) return shape;
  const opened = openEnvelope(shape.value, trusted);
  if (!opened.ok) return opened;
  const json = parse(opened.value.body);
  if (!json.ok) return json;
  const digest = digestOf(opened.value.body);
  switch (opened.value.payloadType) {
    case payloadTypes.manifest: {
      const manifest = checked(Manifest, json.value, 'A signed manifest');
      return manifest.ok ? ok({ kind: 'manifest', manifest: manifest.value, digest }) : manifest;
    }
    case payloadTypes.withdrawal: {
      const withdrawal = checked(Withdrawal, json.value, 'A signed withdrawal');
      return withdrawal.ok ? ok({ kind: 'withdrawal', withdrawal: withdrawal.value, digest }) : withdrawal;
    }
    case payloadTypes.order: {
      const order = checked(Order, json.value, 'A signed order');
      return order.ok ? ok({ kind: 'order', order: order.value, digest }) : order;
    }
    case payloadTypes.evidenceQuestion: {
      const question = checked(EvidenceQuestion, json.value, 'A signed question about evidence');
      return question.ok ? ok({ kind: 'evidence-question', question: question.value }) : question;
    }
    case payloadTypes.evidenceRetention: {
      const retention = checked(EvidenceRetention, json.value, 'A signed word about evidence');
      return retention.ok ? ok({ kind: 'evidence-retention', retention: retention.value }) : retention;
    }
    default:
      return fail(
        problem(
          'refused',
          `A signed envelope holds ${opened.value.payloadType}, which this sentinel does not know.`,
          'Update the sentinel.',
        ),
      );
  }
}

/** Of the payload, not of the envelope: signing the same manifest again makes it no other manifest. */
function digestOf(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex');
}

function parse(body: Uint8Array): Result<unknown> {
  try {
    return ok(JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')));
  } catch {
    return fail(
      problem('unreadable', 'The payload of a signed envelope is not JSON.', 'Ask the manager to issue it again.'),
    );
  }
}

function checked<T extends TSchema>(schema: T, value: unknown, what: string): Result<import('typebox').Static<T>> {
  if (Check(schema, value)) return ok(value);
  const [first] = Errors(schema, value);
  const where = first === undefined ? '' : ` at ${first.instancePath || '/'}: ${first.message}`;
  return fail(
    problem('unreadable', `${what} has not the shape it must have${where}.`, 'Ask the manager to issue it again.'),
  );
}
