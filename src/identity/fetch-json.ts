import type { Runtime } from '../runtime.ts';
import type { Egress } from '../upstream/egress.ts';
import { whenGone } from '../when-gone.ts';

/** How a document is fetched. */
export interface JsonFetcher {
  readonly egress: Egress;
  readonly runtime: Runtime;
  /** From the first byte sent to the last one received. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** Different pools share no connections. */
  readonly pool: string;
  /** Aborts everything in flight. */
  readonly signal: AbortSignal;
  /** More header fields, names and values in turn. @default none */
  readonly headers?: readonly string[];
}

/**
 * Fetches a JSON document: one GET, no redirect, no compression, one deadline for all of it, a bound on its size.
 *
 * @throws Error saying what was wrong with the reply, without quoting it
 */
export async function fetchJson(fetcher: JsonFetcher, url: URL): Promise<unknown> {
  const { runtime, timeoutMs, signal } = fetcher;
  const controller = new AbortController();
  const stopped = Promise.withResolvers<never>();
  const stop = (reason: unknown): void => {
    controller.abort(reason);
    // an egress may take its time to notice
    stopped.reject(reason);
  };
  const onAbort = (): void => stop(signal.reason);
  const cancelTimer = runtime.schedule(timeoutMs, () =>
    stop(new Error(`${describe(url)} did not answer in ${timeoutMs} ms.`)),
  );
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) throw signal.reason;
    return await Promise.race([get(fetcher, url, controller.signal), stopped.promise]);
  } finally {
    cancelTimer();
    signal.removeEventListener('abort', onAbort);
  }
}

async function get(fetcher: JsonFetcher, url: URL, signal: AbortSignal): Promise<unknown> {
  const { egress, timeoutMs, maxBytes, pool, headers: more = [] } = fetcher;
  const { status, headers, body } = await egress.send({
    origin: url.origin,
    path: url.pathname + url.search,
    method: 'GET',
    headers: ['accept', 'application/json', 'accept-encoding', 'identity', 'user-agent', 'headgate', ...more],
    body: undefined,
    signal,
    whenGone: (listener) => whenGone({ signal }, listener),
    pool,
    maxConnections: 1,
    connectTimeoutMs: timeoutMs,
    headersTimeoutMs: timeoutMs,
    idleTimeoutMs: timeoutMs,
  });
  const encoding = headers['content-encoding'];
  if (signal.aborted || status !== 200 || (encoding !== undefined && encoding !== 'identity')) {
    body.cancel();
    signal.throwIfAborted();
    throw new Error(
      `${describe(url)} answered ${status === 200 ? 'with a compressed document' : `status ${status}`}.`,
    );
  }
  const { bytes, ended } = await body.collect(maxBytes);
  if (!ended || bytes.length > maxBytes) {
    body.cancel();
    throw new Error(`${describe(url)} answered with more than ${maxBytes} bytes.`);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new Error(`${describe(url)} did not answer with JSON.`);
  }
}

function describe(url: URL): string {
  return url.origin + url.pathname;
}
