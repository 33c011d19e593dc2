import type { EgressRequest } from 'headgate';

/** A request as an egress is given it: a GET without a body, unless told otherwise. */
export function toEgressRequest(origin: string, more: Partial<EgressRequest> = {}): EgressRequest {
  return {
    origin,
    path: '/',
    method: 'GET',
    headers: [],
    body: undefined,
    signal: new AbortController().signal,
    whenGone: () => () => undefined,
    pool: 'p',
    maxConnections: 1,
    connectTimeoutMs: 1_000,
    headersTimeoutMs: 5_000,
    idleTimeoutMs: 5_000,
    ...more,
  };
}
