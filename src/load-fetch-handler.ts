import type { GatewayReply, GatewayRequest } from './message.ts';

/** Answers a WHATWG request; see `Gateway.fetch`. */
export type FetchHandler = (request: Request, host?: unknown) => Promise<Response>;

/** `handle` for WHATWG requests. The adapter is loaded only by who calls it, so that the core itself holds none. */
export async function loadFetchHandler(
  handle: (request: GatewayRequest) => Promise<GatewayReply>,
): Promise<FetchHandler> {
  // biome-ignore lint/style/noRestrictedImports: see above
  return (await import('headgate/fetch')).toFetchHandler({ handle });
}
