// A service is named with its scope before it: shop/web.
import { problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';

export interface ServiceName {
  readonly scope: string;
  readonly service: string;
}

export function parseServiceName(text: string): Result<ServiceName> {
  const [scope = '', service = '', ...rest] = text.split('/');
  if (scope === '' || service === '' || rest.length > 0)
    return fail(problem('usage', `"${text}" names no service.`, 'Write the scope, a slash and the service: shop/web.'));
  return ok({ scope, service });
}
