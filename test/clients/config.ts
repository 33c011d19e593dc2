import type { GatewayConfig } from 'headgate';

/** Credentials of the providers, which no caller holds. */
export const upstreamKeys = {
  openai: 'sk-upstream-openai',
  anthropic: 'sk-ant-upstream',
  gemini: 'goog-upstream',
} as const;

/** Providers of every built-in type, all at one fake upstream. */
export function toProviders(upstreamUrl: string): GatewayConfig['providers'] {
  return {
    openai: { type: 'openai', baseUrl: `${upstreamUrl}/v1`, apiKey: upstreamKeys.openai },
    anthropic: { type: 'anthropic', baseUrl: upstreamUrl, apiKey: upstreamKeys.anthropic },
    gemini: { type: 'gemini', baseUrl: upstreamUrl, apiKey: upstreamKeys.gemini },
  };
}

const price = { input: 1, output: 4 } as const;

/** Public names differ from the providers' own, so that a name that was not replaced is seen. */
export const catalog = {
  'team-gpt': { targets: ['openai/gpt-5.5'], price },
  'acme/chat': { targets: ['openai/gpt-4o-mini'], displayName: 'Chat' },
  'team-embedding': { targets: ['openai/text-embedding-3-small'], price },
  'team-completion': { targets: ['openai/gpt-3.5-turbo-instruct'] },
  'team-image': { targets: ['openai/gpt-image-2'] },
  'team-speech': { targets: ['openai/gpt-4o-mini-tts'] },
  'team-whisper': { targets: ['openai/gpt-4o-transcribe'] },
  'team-moderation': { targets: ['openai/omni-moderation-latest'] },
  'team-rerank': { targets: ['openai/rerank-v4.0'] },
  'team-claude': { targets: ['anthropic/claude-sonnet-4-5'], price },
  'claude-haiku-4-5': { targets: ['anthropic'] },
  'team-gemini': { targets: ['gemini/gemini-3.5-flash'], price },
  'team-gemini-embedding': { targets: ['gemini/gemini-embedding-2'], price },
  'secret-model': { targets: ['openai/gpt-5.5'] },
} satisfies GatewayConfig['models'];

const models = ['team-*', 'acme/*', 'claude-*'];

/** What the teams of these tests may do. */
export const profiles = {
  free: { models },
  perMinute: { models, limits: [{ unit: 'requests', amount: 1, window: '1m' }] },
  // enough for what one request could need, and used up by what the scripted reply says it took
  daily: {
    models: ['team-gpt', 'team-claude', 'team-gemini'],
    limits: [{ unit: 'usd', amount: 1, window: '1d', models: ['team-gpt', 'team-claude', 'team-gemini'] }],
  },
} satisfies GatewayConfig['profiles'];

/** One team for each profile. */
export const teams = {
  free: { profile: 'free' },
  limited: { profile: 'perMinute' },
  broke: { profile: 'daily' },
} satisfies GatewayConfig['teams'];
