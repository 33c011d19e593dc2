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
 * On `@hono/node-server` it speaks to Node's request and response directly, which is several times faster than
 * `Request` and `Response` and shows the path as it came; headers set before are kept, those set after the
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
    // Hono would put the headers it holds over ours, and its cookies in the place of ours
    context.res = undefined;
    context.res = response;
    return response;
  };
}

async function readParsedBody({ req }: HonoContext): Promise<Uint8Array | undefined> {
  const { bodyCache } = req as { bodyCache?: { arrayBuffer?: unknown; formData?: unknown } };
  // Hono would write a form anew, with another boundary than the header names
  if (bodyCache?.formData && !bodyCache.arrayBuffer) return undefined;
  try {
    return new Uint8Array(await req.arrayBuffer());
  } catch {
    // somebody has read the request beneath it
    return undefined;
  }
}

/** What middleware has set so far, onto the response that is really sent. */
function copyHeaders(marker: Response, outgoing: NodeResponse): void {
  // makes node-server see a common Response and not its own shortcut, which would be sent at once
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
