import type { GatewayReply, GatewayRequest } from './message.ts';

/** Answers a WHATWG request; see `Gateway.fetch`. */
export type FetchHandler = (request: Request, host?: unknown) => Promise<Response>;

/** `handle` for WHATWG requests. The adapter is loaded only when this is called, so that the core contains none. */
export async function loadFetchHandler(
  handle: (request: GatewayRequest) => Promise<GatewayReply>,
): Promise<FetchHandler> {
  // biome-ignore lint/style/noRestrictedImports: see above
  return (await import('headgate/fetch')).toFetchHandler({ handle });
}
