import { Pool } from 'undici';
import { clockMs } from './clock.ts';
import { abortedShare, duplicateRequests, usualTiming } from './settings.ts';
import { maxOutputTokens, type SiteKey } from './site.ts';
import { slowMark, slowMs } from './upstream.ts';

/** Who asks whom. */
export interface LoadOptions {
  readonly nodeUrls: readonly string[];
  readonly keys: readonly SiteKey[];
  /** Clients of each gateway. */
  readonly clients: number;
  /** Tells requests of this load apart from others. */
  readonly name: string;
  /** When they begin, by the wall clock. */
  readonly beginAtMs: number;
  readonly windowMs?: number;
  /** So many requests are enough. @default 0 */
  readonly enough?: number;
}

/** What the callers saw. */
export interface LoadReport {
  readonly requests: number;
  /** By status; `0` where the connection failed, `aborted` where the caller left. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Tags of requests that were answered to the end. */
  readonly whole: readonly string[];
  /** When each was sent, by `clockMs`, and how long it took to its end, aborted ones left out. */
  readonly timings: readonly (readonly [sentAtMs: number, tookMs: number])[];
}

/** Clients that ask until they are stopped. */
export interface Load {
  /** Resolves when there were enough requests. */
  readonly done: Promise<void>;
  stop(): Promise<LoadReport>;
}

/** A refused caller comes again after this. */
const backoffMs = 40;
const longestStayMs = 40;
/** The clients come within this. */
const arrivalMs = 1_000;
/** Of requests just before a window ends, so that some are under way when it does; and of all others. */
const slowShares = { justBefore: 0.3, otherwise: 0.01 };

function slowShare(windowMs: number): number {
  return windowMs - (Date.now() % windowMs) < slowMs ? slowShares.justBefore : slowShares.otherwise;
}

/** Starts the clients: half of the requests are streams, some callers leave, some ask twice at once. */
export function startLoad(options: LoadOptions): Load {
  const { nodeUrls, keys, clients, name, beginAtMs } = options;
  const { windowMs = usualTiming.windowMs, enough = 0 } = options;
  const { promise: done, resolve: finish } = Promise.withResolvers<void>();
  const pools = nodeUrls.map(
    (url) => new Pool(url, { connections: 2 * clients, headersTimeout: 30_000, bodyTimeout: 30_000 }),
  );
  const dead = new Set<number>();
  const statuses: Record<string, number> = {};
  const whole: string[] = [];
  let requests = 0;
  const timings: [sentAtMs: number, tookMs: number][] = [];
  let isOver = false;

  async function send(
    at: number,
    { key }: SiteKey,
    tag: string,
    isStream: boolean,
    isTwice: boolean,
  ): Promise<number> {
    const isLeaving = !isTwice && Math.random() < abortedShare;
    const leaving = new AbortController();
    const timer = isLeaving ? setTimeout(() => leaving.abort(), Math.random() * longestStayMs) : undefined;
    const body = JSON.stringify({
      model: 'steady',
      max_tokens: maxOutputTokens,
      messages: [{ role: 'user', content: `${tag} tell me something short` }],
      ...(isStream && { stream: true }),
    });
    const sentAtMs = clockMs();
    requests++;
    try {
      const { statusCode, body: reply } = await (pools[at] as Pool).request({
        method: 'POST',
        path: '/v1/chat/completions',
        headers: {
          authorization: `Bearer ${key}`,
          'content-type': 'application/json',
          'x-headgate-metadata': `tag=${tag}`,
          ...(isTwice && { 'idempotency-key': tag }),
        },
        body,
        signal: leaving.signal,
      });
      const text = await reply.text();
      statuses[statusCode] = (statuses[statusCode] ?? 0) + 1;
      timings.push([sentAtMs, clockMs() - sentAtMs]);
      if (statusCode === 200 && (!isStream || text.trimEnd().endsWith('[DONE]'))) whole.push(tag);
      return statusCode;
    } catch {
      const status = leaving.signal.aborted ? 'aborted' : '0';
      statuses[status] = (statuses[status] ?? 0) + 1;
      return leaving.signal.aborted ? 200 : 0;
    } finally {
      clearTimeout(timer);
    }
  }

  async function client(number: number): Promise<void> {
    // not all at once: what has just been started is slow
    const waitMs = beginAtMs - Date.now() + Math.random() * arrivalMs;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    let at = number % pools.length;
    const key = keys[number % keys.length] as SiteKey;
    for (let round = 0; !isOver; round++) {
      const isSlow = Math.random() < slowShare(windowMs);
      const tag = `${name}-${number}-${round}${isSlow ? slowMark : ''}`;
      const isStream = !isSlow && Math.random() < 0.5;
      // streams are not kept: a second one after the first is another request
      const isTwice = !isStream && Math.random() < 2 * duplicateRequests;
      const sending = [send(at, key, tag, isStream, isTwice)];
      if (isTwice) sending.push(send(at, key, tag, isStream, true));
      const [status] = await Promise.all(sending);
      if (requests >= enough) finish();
      if (status === 0) {
        dead.add(at);
        for (let tries = 0; tries < pools.length && dead.has(at); tries++) at = (at + 1) % pools.length;
      }
      // a killed gateway does not come back; what was cut otherwise is asked again
      if (status !== 200) await new Promise((resolve) => setTimeout(resolve, backoffMs));
    }
  }

  const running = Promise.all(
    Array.from({ length: clients * nodeUrls.length }, (_, number) => client(number)),
  );
  return {
    done,
    async stop() {
      isOver = true;
      await running;
      await Promise.all(pools.map((pool) => pool.destroy()));
      return { requests, statuses, whole, timings };
    },
  };
}
