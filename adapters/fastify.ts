import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { createNodeBridge, type GatewayHandler, type NodeHandlerOptions, withHost } from 'headgate/node';

/**
 * Makes a plugin for Fastify 5. It is encapsulated: it leaves body parsing, hooks and routes of the application
 * alone, and answers everything below its prefix, unknown paths included.
 *
 * Hooks up to `preHandler` run, and the headers they set are sent. The reply is then taken over
 * (`reply.hijack()`), so `preSerialization` and `onSend` hooks do not run; `onResponse` does. Fastify itself
 * answers 400 for a path with invalid percent-encoding, before any plugin is asked.
 *
 * @throws TypeError for an option out of range, or when `gateway` is not a gateway.
 * @example
 * app.register(headgate(gateway, { host: (request) => request.user }), { prefix: '/llm' });
 */
export function headgate(
  gateway: GatewayHandler,
  options: NodeHandlerOptions<FastifyRequest> = {},
): (instance: FastifyInstance, options: object, done: () => void) => void {
  const serve = createNodeBridge(gateway, options);
  const { host } = options;

  const answer = (request: FastifyRequest, reply: FastifyReply) => {
    reply.hijack();
    const headers = reply.getHeaders();
    for (const name in headers) {
      const value = headers[name];
      if (value !== undefined) reply.raw.setHeader(name, value as string);
    }
    // its own url: the application may have rewritten it on purpose (rewriteUrl)
    const url = request.raw.url ?? '';
    const known = host === undefined ? undefined : withHost(host, request);
    void serve(request.raw, reply.raw, { ...known, url });
  };

  return (instance, _options, done) => {
    // the bytes stay in the stream, whatever their type, until the gateway reads them
    instance.removeAllContentTypeParsers();
    instance.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null));
    const method = instance.supportedMethods;
    // the gateway refuses a content type that Fastify cannot parse, in the caller's dialect
    const errorHandler = (error: { code?: string }, request: FastifyRequest, reply: FastifyReply) => {
      if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') answer(request, reply);
      else void reply.send(error);
    };
    for (const url of ['/', '/*']) instance.route({ method, url, handler: answer, errorHandler });
    done();
  };
}
