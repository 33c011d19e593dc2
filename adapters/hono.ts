import { createFetchBridge } from 'headgate/fetch';
import {
  createNodeBridge,
  type GatewayHandler,
  type NodeDetails,
  type NodeHandlerOptions,
  type NodeRequest,
  type NodeResponse,
  withHost,
} from 'headgate/node';

/** The part of Hono's `Context` that the adapter uses. */
export interface HonoContext {
  readonly env: unknown;
  readonly req: { readonly raw: Request; arrayBuffer(): Promise<ArrayBuffer> };
  get res(): Response;
  set res(response: Response | undefined);
  body(data: null, status?: 200, headers?: Record<string, string>): Response;
}

/**
 * Makes a handler for Hono 4. Mount it with a wildcard route; it answers everything below, unknown paths included.
 *
 * On `@hono/node-server` it uses Node's request and response directly, which is several times faster than
 * `Request` and `Response` and keeps the path as it came; headers set before are kept, those set after the
 * handler come too late. On Bun, Deno and Workers it answers with a `Response`.
 *
 * @throws TypeError for an option out of range, or when `gateway` is not a gateway.
 * @example
 * app.all('/llm/*', toHonoHandler(gateway, { host: (context: Context<Env>) => context.get('user') }));
 */
export function toHonoHandler<Context extends HonoContext = HonoContext>(
  gateway: GatewayHandler,
  options: NodeHandlerOptions<Context> = {},
): (context: Context) => Promise<Response> {
  const serveNode = createNodeBridge(gateway, options);
  const serveFetch = createFetchBridge(gateway, options);
  const { host } = options;
  return async (context) => {
    const details = {
      ...(host === undefined ? undefined : withHost(host, context)),
      readParsedBody: () => readParsedBody(context),
    };
    const { incoming, outgoing } = (context.env ?? {}) as { incoming?: NodeRequest; outgoing?: NodeResponse };
    if (incoming !== undefined && outgoing !== undefined) {
      const marker = context.body(null, 200, { 'x-hono-already-sent': 'true' });
      copyHeaders(marker, outgoing);
      await untilSent(serveNode, incoming, outgoing, { ...details, url: incoming.url ?? '' });
      return marker;
    }
    const response = await serveFetch(context.req.raw, {
      ...details,
      responseHeaders: context.body(null).headers,
    });
    // Hono would override our headers with those it holds, and replace our cookies
    context.res = undefined;
    context.res = response;
    return response;
  };
}

async function readParsedBody({ req }: HonoContext): Promise<Uint8Array | undefined> {
  const { bodyCache } = req as { bodyCache?: { arrayBuffer?: unknown; formData?: unknown } };
  // Hono would serialise a form again, with a boundary other than the header's
  if (bodyCache?.formData && !bodyCache.arrayBuffer) return undefined;
  try {
    return new Uint8Array(await req.arrayBuffer());
  } catch {
    // the underlying request has been read
    return undefined;
  }
}

/** Copies what middleware has set so far to the response that is sent. */
function copyHeaders(marker: Response, outgoing: NodeResponse): void {
  // makes node-server see a plain Response and not its own shortcut, which would be sent at once
  void marker.body;
  for (const [name, value] of marker.headers) {
    if (name === 'x-hono-already-sent' || name === 'set-cookie') continue;
    outgoing.setHeader(name, value);
  }
  const cookies = marker.headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader('set-cookie', cookies);
}

/** Like a handler that returns a `Response`, this settles when the head is known, and not when the stream ends. */
function untilSent(
  serve: ReturnType<typeof createNodeBridge>,
  incoming: NodeRequest,
  outgoing: NodeResponse,
  details: NodeDetails,
): Promise<void> {
  return new Promise((resolve) => {
    // node-server cuts an HTTP/2 reply short when the handler returns before the request was read
    const mayLeave = () => incoming.httpVersionMajor === 1 || incoming.readableEnded;
    const onHead = () => {
      if (mayLeave()) resolve();
      else outgoing.once('close', resolve);
    };
    void serve(incoming, outgoing, { ...details, onHead }).then(() => {
      if (outgoing.destroyed || mayLeave()) resolve();
      else outgoing.once('close', resolve);
    });
  });
}
