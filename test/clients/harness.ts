import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  createGateway,
  createKey,
  createNoPepperRing,
  createRuntime,
  type Gateway,
  type GatewayConfig,
  hashSecret,
  type RequestRecord,
} from 'headgate';
import { toNodeHandler } from 'headgate/node';
import { createFakeUpstream } from 'headgate/testing';
import { catalog, profiles, teams, toProviders, upstreamKeys } from './config.ts';

type FakeUpstream = Awaited<ReturnType<typeof createFakeUpstream>>;
type ScriptedReply = NonNullable<
  ReturnType<NonNullable<NonNullable<Parameters<typeof createFakeUpstream>[0]>['reply']>>
>;

/** A request as the gateway's server saw it, with the head of its answer. */
export interface Arrival {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly reply: { readonly status: number; readonly headers: Readonly<Record<string, string>> };
}

/** A gateway that listens, in front of an upstream that plays all providers. */
export interface Site {
  /** `http://127.0.0.1:<port>`, without a path. */
  readonly url: string;
  /** The gateway key of the team without limits. */
  readonly key: string;
  /** A gateway key of each team of the configuration. */
  readonly keys: Readonly<Record<keyof typeof teams, string>>;
  readonly upstream: FakeUpstream;
  readonly gateway: Gateway;
  /** Requests that the gateway has answered to the end or lost, in order of arrival. */
  readonly arrivals: readonly Arrival[];
  /** Records since the last reset. */
  readonly records: readonly RequestRecord[];
  /** What the upstream answers from now on; undefined for its own sentence. */
  script: ((body: unknown) => ScriptedReply | undefined) | undefined;
  /** Moves the gateway's wall clock, which stands still otherwise. */
  advance(ms: number): void;
  /** Called with each request before the gateway sees it. */
  onArrival: ((index: number) => void) | undefined;
  /** Forgets requests, records, scripts and faults; limits and breakers stay. */
  reset(): void;
  close(): Promise<void>;
}

/** Starts an upstream and a gateway with the configuration of these tests. */
export async function createSite(more: Partial<GatewayConfig> = {}): Promise<Site> {
  let script: Site['script'];
  let onArrival: Site['onArrival'];
  // the last second of a minute, of which no window ends unless a test says so
  let nowMs = 1_767_225_659_000;
  let firstRecord = 0;
  const arrivals: Arrival[] = [];
  const upstream = await createFakeUpstream({
    apiKeys: Object.values(upstreamKeys),
    reply: (request) => script?.(request.json),
  });
  const runtime = { ...createRuntime(), now: () => nowMs };
  const made = Object.keys(teams).map((team) => ({ team, created: createKey(runtime) }));
  const records = made.map(({ team, created: { kid, secret, environment, last4 } }) => ({
    ...hashSecret(createNoPepperRing(), secret),
    ...{ kid, team, environment, last4, createdAtMs: 0 },
  }));
  const gateway = createGateway(
    { providers: toProviders(upstream.url), models: catalog, profiles, teams, keys: records, ...more },
    { runtime, environment: {} },
  );
  const handler = toNodeHandler(gateway);
  let seen = 0;
  const server = createServer((request, response) => {
    const index = seen++;
    onArrival?.(index);
    const body = tap(request);
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    response.once('close', () =>
      arrivals.push({
        ...{ method: request.method ?? '', path, query, headers: request.headers, body: body() },
        reply: { status: response.statusCode, headers: toHead(response) },
      }),
    );
    handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const keys = Object.fromEntries(made.map(({ team, created }) => [team, created.key])) as Site['keys'];
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    key: keys.free,
    keys,
    upstream,
    gateway,
    arrivals,
    get records() {
      return gateway.records.slice(firstRecord);
    },
    get script() {
      return script;
    },
    set script(next) {
      script = next;
    },
    get onArrival() {
      return onArrival;
    },
    set onArrival(next) {
      onArrival = next;
    },
    advance: (ms) => {
      nowMs += ms;
    },
    reset() {
      upstream.reset();
      arrivals.length = 0;
      seen = 0;
      script = undefined;
      onArrival = undefined;
      firstRecord = gateway.records.length;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await gateway.close({ drainMs: 1_000 });
      await upstream.close();
    },
  };
}

/** Copies what arrives without reading it: a listener for `data` would take the body away from the gateway. */
function tap(request: IncomingMessage): () => Buffer {
  const chunks: Buffer[] = [];
  const push = request.push.bind(request);
  request.push = (chunk: Buffer | null, encoding?: BufferEncoding) => {
    if (chunk) chunks.push(Buffer.from(chunk));
    return push(chunk, encoding);
  };
  return () => Buffer.concat(chunks);
}

/** The head as it went out: fields given to `writeHead` are on none of the response's lists. */
function toHead(response: ServerResponse): Readonly<Record<string, string>> {
  const text = (response as unknown as { readonly _header: string | null })._header ?? '';
  const lines = text.split('\r\n').slice(1).filter(Boolean);
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );
}
