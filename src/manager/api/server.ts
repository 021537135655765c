// The HTTP server: every row of the endpoint table as a route, on 127.0.0.1, behind the admission check, with Problems as errors.
import { hostname } from 'node:os';
import fastifySwagger from '@fastify/swagger';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import type { Log } from '../../kit/log.ts';
import { causeOf, httpStatuses, problem, type Problem } from '../../kit/problem.ts';
import { fail, ok, type Result } from '../../kit/result.ts';
import { apiPrefix, ProblemReply, type Endpoint } from '../../model/endpoint.ts';
import { endpoints } from '../../model/endpoints.ts';
import { findFaults, sayFault } from '../../model/shape-faults.ts';
import { addBundles, type OpenBundle } from './bundle-route.ts';
import { admit, type Credentials } from './admission.ts';
import { serveConsole } from './console-files.ts';
import type { EventStream } from './events.ts';
import type { Handlers } from './handlers.ts';
import { describeApi } from './openapi.ts';

export interface ApiSettings {
  readonly handlers: Handlers;
  readonly events: EventStream;
  readonly openBundle: OpenBundle;
  readonly credentials: Credentials;
  readonly log: Log;
  readonly version: string;
}

export interface ApiServer {
  readonly app: FastifyInstance;
  /** Begins to listen; 0 = any free port. The value is the address. */
  listen(port: number): Promise<Result<string>>;
  close(): Promise<void>;
}

const bodyBytesMax = 8 * 1024 * 1024;
/** Names of VMs may be as long as 256 characters, each up to nine as %-escapes. */
const paramLengthMax = 2400;

export async function makeServer(settings: ApiSettings): Promise<ApiServer> {
  const app = fastify({
    bodyLimit: bodyBytesMax,
    requestTimeout: 60_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: paramLengthMax },
    logger: false,
  }).withTypeProvider<TypeBoxTypeProvider>();
  await app.register(fastifySwagger, { openapi: describeApi(settings.version) });
  // A query is text; in a body a number is a number.
  app.setValidatorCompiler(({ schema, httpPart }) => (value: unknown) => {
    const given = httpPart === 'body' ? (value ?? {}) : Value.Convert(schema as TSchema, value);
    const faults = findFaults(schema, given);
    if (faults.length === 0) return { value: given };
    return { error: new Error(faults.slice(0, 5).map(sayFault).join('; ')) };
  });
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  app.setErrorHandler((thrown, _request, reply) => sendProblem(reply, problemOf(thrown, settings.log)));
  app.setNotFoundHandler((request, reply) =>
    sendProblem(reply, problem('not-found', `There is nothing at ${request.method} ${pathOf(request)}.`)),
  );
  addAdmission(app, settings);
  addRoutes(app, settings.handlers);
  addEvents(app, settings.events);
  addBundles(app, settings.openBundle, sendProblem);
  serveConsole(app, settings.credentials);
  await app.ready();
  return {
    app,
    listen: async (port) => await listen(app, port),
    async close() {
      settings.events.close();
      await app.close();
    },
  };
}

function addAdmission(app: FastifyInstance, { credentials }: ApiSettings): void {
  app.decorateRequest('by', '');
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.open === true) return await Promise.resolve();
    const port = request.socket.localPort ?? 0;
    const admission = admit({ method: request.method, headers: request.headers }, port, credentials);
    if (!admission.ok) return await reply.code(admission.status).send(admission.problem);
    request.by = admission.as === 'cookie' ? 'console' : claimedName(request.headers['plumbline-by']);
  });
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks, as far as he says so. */
    by: string;
  }
  interface FastifyContextConfig {
    /** Answers without the token; checks for itself what it must. */
    open?: boolean;
  }
}

/** Until people and roles exist, a holder of the token is believed what he calls himself. */
function claimedName(header: string | string[] | undefined): string {
  if (typeof header !== 'string') return 'token';
  try {
    const name = decodeURIComponent(header)
      .replaceAll(/\p{Cc}/gu, '')
      .slice(0, 100);
    return name === '' ? 'token' : name;
  } catch {
    return 'token';
  }
}

function addRoutes(app: FastifyInstance, handlers: Handlers): void {
  for (const [name, endpoint] of Object.entries(endpoints) as [keyof Handlers, Endpoint][]) {
    // The table ties each handler to its endpoint; inside this loop they have lost each other's type.
    const handle = handlers[name] as (input: object, by: string) => Promise<Result<unknown>>;
    app.route({
      method: endpoint.method,
      url: `${apiPrefix}${endpoint.path}`,
      schema: {
        summary: endpoint.summary,
        operationId: name,
        ...(endpoint.params === undefined ? {} : { params: endpoint.params }),
        ...(endpoint.query === undefined ? {} : { querystring: endpoint.query }),
        ...(endpoint.body === undefined ? {} : { body: endpoint.body }),
        response: { 200: endpoint.reply, '4xx': ProblemReply, '5xx': ProblemReply },
      },
      handler: async (request, reply) => {
        const input = {
          ...(request.params as object),
          ...(request.query as object),
          ...(request.body as object | undefined),
        };
        const answer = await handle(input, request.by);
        return answer.ok ? await reply.send(answer.value) : await sendProblem(reply, answer.error);
      },
    });
  }
}

function addEvents(app: FastifyInstance, events: EventStream): void {
  app.route({
    method: 'GET',
    url: `${apiPrefix}/events`,
    schema: { summary: 'What changes, as it changes: one Announcement in each event', operationId: 'events' },
    handler: async (_request, reply) => {
      const taken = events.admit(reply.raw);
      if (!taken.ok) return await sendProblem(reply, taken.error);
      reply.hijack();
    },
  });
}

async function sendProblem(reply: FastifyReply, what: Problem): Promise<FastifyReply> {
  return await reply.code(httpStatuses[what.kind]).type('application/json').send(what);
}

function problemOf(thrown: unknown, log: Log): Problem {
  const { statusCode, code, validation } = thrown as { statusCode?: number; code?: string; validation?: unknown };
  if (validation !== undefined) return problem('usage', `The request is not understood: ${causeOf(thrown)}.`);
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return problem('usage', `The request is larger than ${bodyBytesMax / 1024 / 1024} MiB.`, 'Divide it.');
  if (code?.startsWith('FST_ERR_CTP') === true)
    return problem('usage', 'The request is not JSON.', 'Send JSON, with its content type.');
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return problem('usage', `The request is not understood: ${causeOf(thrown)}.`);
  log.error('a request failed for a reason nobody foresaw', { cause: causeOf(thrown) });
  return problem('failed', 'The manager failed at this request.', `See its log on ${hostname()}.`);
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?')[0] ?? '';
}

async function listen(app: FastifyInstance, port: number): Promise<Result<string>> {
  try {
    return ok(await app.listen({ host: '127.0.0.1', port }));
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code;
    return fail(
      code === 'EADDRINUSE'
        ? problem(
            'failed',
            `Port ${port} of 127.0.0.1 is in use.`,
            'Stop the other program, or set api.port (0 = any free one).',
          )
        : problem(
            'failed',
            `The API cannot listen on port ${port} (${code ?? causeOf(thrown)}).`,
            'Set another api.port.',
          ),
    );
  }
}
