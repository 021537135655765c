// The way out for bundles: a stream of bytes that ends short, and not in order, when the bundle could not be made to its end.
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { problem, type Problem } from '../../kit/problem.ts';
import type { Result } from '../../kit/result.ts';
import { apiPrefix, ProblemReply } from '../../model/endpoint.ts';
import { Type } from 'typebox';
import { evidenceBundlePath, evidenceBundleType } from '../../model/evidence-endpoints.ts';
import type { Bundle } from '../evidence/bundle.ts';

export type OpenBundle = (reference: string, by: string) => Promise<Result<Bundle>>;

/** Each reads from a host and from the store; more at a time would only make all of them slow. */
const bundlesMax = 2;

export function addBundles(
  app: FastifyInstance,
  openBundle: OpenBundle,
  sendProblem: (reply: FastifyReply, what: Problem) => Promise<FastifyReply>,
): void {
  let sending = 0;
  app.route({
    method: 'GET',
    url: `${apiPrefix}${evidenceBundlePath}`,
    schema: {
      summary: 'Everything collected about an alarm or a plan as a tar archive, its signed index last',
      operationId: 'downloadEvidence',
      params: Type.Object({ subject: Type.String({ minLength: 1, maxLength: 256 }) }),
      produces: [evidenceBundleType],
      response: { '4xx': ProblemReply, '5xx': ProblemReply },
    },
    handler: async (request, reply) => {
      const { subject } = request.params as { subject: string };
      if (sending >= bundlesMax) return await sendProblem(reply, busy);
      sending += 1;
      const bundle = await openBundle(subject, request.by);
      if (!bundle.ok) {
        sending -= 1;
        return await sendProblem(reply, bundle.error);
      }
      const stream = Readable.from(bundle.value.bytes, { objectMode: false });
      stream.once('close', () => (sending -= 1));
      return await reply
        .header('content-type', evidenceBundleType)
        .header('content-disposition', `attachment; filename="${bundle.value.fileName}"`)
        .header('cache-control', 'no-store')
        .header('x-content-type-options', 'nosniff')
        .send(stream);
    },
  });
}

const busy = problem(
  'interrupted',
  `${bundlesMax} bundles are being made, which is the most.`,
  'Try again when one is done.',
);
