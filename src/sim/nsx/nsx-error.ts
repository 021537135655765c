// Errors as NSX words them. Source: NSX-T Data Center REST API, type ApiError; numbers from public clients' tables of NSX errors
// where they are known, and from memory otherwise: nothing of ours reads them but 98 and 403.
import type { Json } from '../../kit/canonical-json.ts';

export interface NsxReply {
  readonly status: number;
  readonly body: Json | null;
  /** In place of the body. */
  readonly file?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

export class NsxError extends Error {
  readonly status: number;
  readonly code: number;

  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const names: Readonly<Record<number, string>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  412: 'PRECONDITION_FAILED',
  429: 'TOO_MANY_REQUESTS',
};

export function errorReply({ status, code, message }: NsxError): NsxReply {
  const httpStatus = names[status] ?? 'INTERNAL_SERVER_ERROR';
  return { status, body: { httpStatus, error_code: code, module_name: 'policy', error_message: message } };
}

export function badRequest(message: string): NsxError {
  return new NsxError(400, 255, message);
}

export function notFound(path: string): NsxError {
  return new NsxError(
    404,
    600,
    `The requested object : ${path} could not be found. Object identifiers are case sensitive.`,
  );
}
