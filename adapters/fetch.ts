import type { GatewayRequest } from 'headgate';
import { type FetchDetails, FetchExchange } from './bridge/fetch-exchange.ts';
import { toFetchResponse } from './bridge/fetch-reply.ts';
import { type AdapterLimits, assertGateway, type GatewayHandler, toLimits } from './bridge/settings.ts';

export type { AdapterLimits, FetchDetails, GatewayHandler };

/** Options of the adapter for `Request` and `Response`. */
export interface FetchHandlerOptions extends AdapterLimits {
  /**
   * Returns the address of the peer, which a `Request` does not carry; limits on failed keys need it. Gets the
   * request and the handler's second argument. @default unknown
   * @example (request, server) => server.requestIP(request)?.address // Bun
   */
  readonly remoteAddress?: (request: Request, host: never) => string | undefined;
}

/**
 * Makes a fetch handler: for Bun, Deno, Cloudflare Workers, Next.js route handlers and anything else that uses
 * `Request` and `Response` (WHATWG Fetch). It never rejects.
 *
 * The handler's second argument, whatever the runtime passes there, reaches custom stages as `request.host`.
 * The request body is bounded while it is read; the response body is produced only as fast as it is read, and
 * both `request.signal` and cancelling the response body abort the upstream call.
 *
 * @throws TypeError for an option out of range, or when `gateway` is not a gateway.
 * @example
 * // app/api/llm/[...path]/route.ts
 * const handler = toFetchHandler(gateway);
 * export { handler as GET, handler as POST };
 */
export function toFetchHandler(
  gateway: GatewayHandler,
  options: FetchHandlerOptions = {},
): (request: Request, host?: unknown) => Promise<Response> {
  const serve = createFetchBridge(gateway, options);
  const { remoteAddress } = options;
  return (request, host) => {
    try {
      return serve(request, { host, remoteAddress: remoteAddress?.(request, host as never) });
    } catch (failure) {
      return serve(request, { failure });
    }
  };
}

/**
 * The bridge under the adapters for `Request` and `Response`, for writing one for another framework.
 *
 * @throws TypeError for an option out of range, or when `gateway` is not a gateway.
 */
export function createFetchBridge(
  gateway: GatewayHandler,
  options: AdapterLimits = {},
): (request: Request, details?: FetchDetails) => Promise<Response> {
  assertGateway(gateway);
  const limits = toLimits(options);
  return async (request, details) => {
    const exchange = new FetchExchange(request, limits, details);
    return toFetchResponse(exchange, await gateway.handle(exchange));
  };
}

/**
 * A `Request` as the core takes it, for a host that calls `gateway.handle` itself.
 *
 * @throws TypeError for an option out of range.
 */
export function toGatewayRequest(
  request: Request,
  details?: FetchDetails,
  options: AdapterLimits = {},
): GatewayRequest {
  return new FetchExchange(request, toLimits(options), details);
}
