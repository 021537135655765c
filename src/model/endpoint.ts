// What an endpoint of the manager's API is made of. The API serves, the client calls and openapi.json prints one table of
// these (`endpoints.ts`), so none of the three can drift from the others.
import { Type, type Static, type TObject, type TProperties, type TSchema } from 'typebox';
import type { Result } from '../kit/result.ts';

export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below /api/v1; `:name` marks a parameter. */
  readonly path: `/${string}`;
  readonly summary: string;
  readonly params?: TObject;
  readonly query?: TObject;
  readonly body?: TObject;
  readonly reply: TSchema;
}

export const apiPrefix = '/api/v1';

type FieldsOf<S> = S extends TObject ? Static<S> : unknown;

/** All fields of a call in one object; no name may stand in two of path, query and body. */
export type InputOf<E extends Endpoint> = FieldsOf<E['params']> & FieldsOf<E['query']> & FieldsOf<E['body']>;
export type ReplyOf<E extends Endpoint> = Static<E['reply']>;

type MayBeLeftOut<E extends Endpoint> = object extends InputOf<E> ? true : false;

/** The call of an endpoint as a function; its input may be left out when every field may. */
export type Call<E extends Endpoint> =
  MayBeLeftOut<E> extends true
    ? (input?: InputOf<E>) => Promise<Result<ReplyOf<E>>>
    : (input: InputOf<E>) => Promise<Result<ReplyOf<E>>>;

/** A body or query that refuses what it does not know, so that a misspelt field is an error and not a silent default. */
export function fields<P extends TProperties>(properties: P) {
  return Type.Object(properties, { additionalProperties: false });
}

/** One page of a long list. `next` goes into `after` of the following call; null = this was the last page. */
export function pageOf<T extends TSchema>(item: T) {
  return Type.Object({
    items: Type.Array(item),
    next: Type.Union([Type.String(), Type.Null()]),
    total: Type.Integer({ minimum: 0, description: 'how many match in all' }),
  });
}

export const pageFields = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, description: 'default 100' })),
  after: Type.Optional(Type.String({ maxLength: 128, description: '`next` of the page before' })),
};

/** The body of every answer that is not a success. */
export const ProblemReply = Type.Object({
  kind: Type.Enum(['failed', 'usage', 'not-found', 'unreadable', 'refused', 'interrupted']),
  message: Type.String(),
  mend: Type.Optional(Type.String()),
});
