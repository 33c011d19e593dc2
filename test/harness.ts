import {
  createGateway,
  createKey,
  createNoPepperRing,
  createRuntime,
  type GatewayConfig,
  type GatewayOptions,
  type GatewayReply,
  type HeaderMap,
  hashSecret,
  type KeyRecord,
} from 'headgate';
import { createFakeUpstream, type FakeUpstreamOptions } from 'headgate/testing';
import { onTestFinished } from 'vitest';
import { patienceMs } from './eventually.ts';

export const runtime = createRuntime();

/** A key and its record, for a team. */
export function makeKey(team: string, more: Partial<KeyRecord> = {}): { key: string; record: KeyRecord } {
  const created = createKey(runtime, { environment: 'live' });
  const record: KeyRecord = {
    kid: created.kid,
    ...hashSecret(createNoPepperRing(), created.secret),
    team,
    environment: 'live',
    createdAtMs: 0,
    last4: created.last4,
    ...more,
  };
  return { key: created.key, record };
}

/** A gateway in front of one fake upstream that plays all three providers; closed when the test ends. */
export async function startGateway(
  change: (config: GatewayConfig, upstreamUrl: string) => GatewayConfig = (config) => config,
  options: GatewayOptions = {},
  upstreamOptions: FakeUpstreamOptions = {},
) {
  const upstream = await createFakeUpstream(upstreamOptions);
  const { key, record } = makeKey('payments', { owner: 'ada', project: 'checkout' });
  const config = change(
    {
      providers: {
        openai: { type: 'openai', apiKey: 'sk-upstream-openai', baseUrl: `${upstream.url}/v1` },
        anthropic: { type: 'anthropic', apiKey: 'sk-ant-upstream', baseUrl: upstream.url },
        gemini: { type: 'gemini', apiKey: 'AIza-upstream', baseUrl: upstream.url },
      },
      models: {
        'gpt-4.1': { targets: ['openai'], price: { input: 2, output: 8 } },
        'gpt-alias': { targets: ['openai/gpt-4.1-mini'] },
        'claude-sonnet': { targets: ['anthropic'] },
        'gemini-flash': { targets: ['gemini'] },
        'text-embedding-3-small': { targets: ['openai'] },
      },
      profiles: { standard: {} },
      teams: { payments: { profile: 'standard' } },
      keys: [record],
      retry: { minBackoffMs: 1, maxBackoffMs: 5 },
    },
    upstream.url,
  );
  const gateway = createGateway(config, options);
  onTestFinished(async () => {
    await gateway.close({ drainMs: 1 });
    await upstream.close();
  });

  /** Sends a request straight to the core. */
  async function send(
    path: string,
    body?: unknown,
    more: { headers?: HeaderMap; signal?: AbortSignal; method?: string; key?: string; host?: unknown } = {},
  ): Promise<GatewayReply> {
    const bytes =
      body === undefined
        ? undefined
        : body instanceof Uint8Array
          ? body
          : new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body));
    const [pathname = '', query = ''] = path.split('?');
    return gateway.handle({
      method: more.method ?? (bytes ? 'POST' : 'GET'),
      path: pathname,
      query,
      headers: {
        host: 'gateway.test',
        authorization: `Bearer ${more.key ?? key}`,
        ...(bytes && { 'content-type': 'application/json' }),
        ...more.headers,
      },
      signal: more.signal ?? new AbortController().signal,
      host: more.host,
      readBody: async () => bytes ?? new Uint8Array(0),
    });
  }

  return { gateway, upstream, key, record, config, send };
}

/** The whole body of a reply. */
export async function readBytes(reply: GatewayReply): Promise<Buffer> {
  if (reply.body instanceof Uint8Array) return Buffer.from(reply.body);
  const chunks: Uint8Array[] = [];
  for await (const chunk of reply.body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The whole body of a reply, as text. */
export async function readText(reply: GatewayReply): Promise<string> {
  return (await readBytes(reply)).toString();
}

/** The whole body of a reply, as JSON. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into replies of every shape
export async function readJson(reply: GatewayReply): Promise<any> {
  return JSON.parse(await readText(reply));
}

/** Waits until something holds, up to a minute. */
export async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error('It did not come about within a minute.');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export const chat = (more: object = {}) => ({
  model: 'gpt-4.1',
  messages: [{ role: 'user', content: 'hello' }],
  ...more,
});
