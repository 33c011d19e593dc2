import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  createGateway,
  createKey,
  createNoPepperRing,
  createRuntime,
  defineConfig,
  hashSecret,
} from 'headgate';
import { closeGracefully, toNodeHandler } from 'headgate/node';
import { createFakeUpstream } from 'headgate/testing';
import { toDemoReply } from './demo-reply.ts';

const pacingMs = 15;

/** Everything that the demo runs on: upstreams, a gateway with teams and profiles, a key for each of its users. */
export async function createWorld(environment: NodeJS.ProcessEnv) {
  const fakeUpstream = await createFakeUpstream({
    apiKeys: ['sk-fake'],
    chunkDelayMs: pacingMs,
    reply: toDemoReply,
  });
  const flakyUpstream = await createFakeUpstream({ apiKeys: ['sk-fake'], reply: toDemoReply });
  const isReal = {
    openai: isSet(environment.OPENAI_API_KEY),
    anthropic: isSet(environment.ANTHROPIC_API_KEY),
  };
  const keys = {
    ana: issueKey('payments', 'ana@example.com'),
    ben: issueKey('data', 'ben@example.com'),
    reviewer: issueKey('agents', undefined, 'review-agent'),
    intern: issueKey('payments', 'intern@example.com'),
  };
  const config = defineConfig({
    providers: {
      openai: isReal.openai
        ? {
            type: 'openai',
            apiKey: { env: 'OPENAI_API_KEY' },
            baseUrl: environment.OPENAI_BASE_URL || undefined,
          }
        : { type: 'openai', apiKey: 'sk-fake', baseUrl: `${fakeUpstream.url}/v1` },
      anthropic: isReal.anthropic
        ? {
            type: 'anthropic',
            apiKey: { env: 'ANTHROPIC_API_KEY' },
            baseUrl: environment.ANTHROPIC_BASE_URL || undefined,
          }
        : { type: 'anthropic', apiKey: 'sk-fake', baseUrl: fakeUpstream.url },
      // another server that speaks OpenAI's API; it is about to have a bad day
      flaky: { type: 'openai', apiKey: 'sk-fake', baseUrl: `${flakyUpstream.url}/v1` },
    },
    models: {
      // prices in US dollars per million tokens, as an operator would enter them
      'gpt-4.1-mini': {
        targets: ['openai'],
        price: { input: 0.4, cachedInput: 0.1, output: 1.6 },
        maxOutputTokens: 512,
      },
      'gpt-4.1': {
        targets: ['openai'],
        price: { input: 2, cachedInput: 0.5, output: 8 },
        maxOutputTokens: 512,
      },
      'claude-haiku-4-5': {
        targets: ['anthropic'],
        price: { input: 1, cachedInput: 0.1, output: 5 },
        maxOutputTokens: 512,
      },
      resilient: {
        targets: ['flaky/gpt-4.1-mini', 'openai/gpt-4.1-mini'],
        price: { input: 0.4, cachedInput: 0.1, output: 1.6 },
        maxOutputTokens: 512,
      },
    },
    profiles: {
      standard: {
        models: ['gpt-4.1-mini', 'resilient'],
        limits: [{ unit: 'tokens', amount: 100_000, window: '1d' }],
      },
      analysts: { models: ['claude-*'], limits: [{ unit: 'requests', amount: 3, window: '1m' }] },
      agents: { models: ['*'], limits: [{ unit: 'parallel', amount: 4 }] },
    },
    teams: {
      payments: { profile: 'standard' },
      data: { profile: 'analysts' },
      agents: { profile: 'agents', limits: [{ unit: 'usd', amount: '5.00', window: '30d' }] },
    },
    keys: Object.values(keys).map(({ record }) => record),
  });

  const gateway = createGateway(config, { environment });
  const server = createServer(toNodeHandler(gateway));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    gateway,
    config,
    keys,
    isReal,
    flakyUpstream,
    async close() {
      await closeGracefully(server, { drainMs: 2_000 });
      await gateway.close({ drainMs: 2_000 });
      await Promise.all([fakeUpstream.close(), flakyUpstream.close()]);
    },
  };
}

/** The world of a demo. */
export type World = Awaited<ReturnType<typeof createWorld>>;

function issueKey(team: string, owner?: string, application?: string) {
  const { key, kid, secret, environment, last4 } = createKey(createRuntime(), { environment: 'demo' });
  const who = {
    team,
    ...(owner !== undefined && { owner }),
    ...(application !== undefined && { application }),
  };
  const hash = hashSecret(createNoPepperRing(), secret);
  return { key, record: { kid, ...hash, ...who, environment, createdAtMs: Date.now(), last4 } };
}

function isSet(text: string | undefined): boolean {
  return (text ?? '').trim() !== '';
}
