import type { GatewayConfig } from 'headgate';

/** How each model of these tests is asked for. */
export const modelDialects = {
  'gpt-4.1': 'openai',
  'claude-sonnet': 'anthropic',
  'gemini-flash': 'gemini',
} as const;

/** A configuration with a team for each way in which a request can end; the providers are given. */
export function toConfiguration(providers: GatewayConfig['providers']): GatewayConfig {
  return {
    providers,
    models: {
      'gpt-4.1': { targets: ['openai'], price: { input: 2, output: 8 } },
      'claude-sonnet': { targets: ['anthropic'], deprecatedAt: '2020-01-01', replacement: 'gpt-4.1' },
      'gemini-flash': { targets: ['gemini'] },
      'gpt-off': { targets: ['openai'], enabled: false },
      'gpt-dear': { targets: ['openai'], price: { input: 2, output: 8 }, maxCostUsd: '0.000001' },
    },
    profiles: {
      standard: {},
      own: { billing: 'byok' },
      subscribed: { billing: 'passthrough' },
      narrow: { models: ['gemini-flash'] },
      strict: { metadata: { required: ['cost-center'] } },
      limited: { limits: [{ unit: 'requests', amount: 1, window: '1h' }] },
    },
    teams: Object.fromEntries(teams.map((team) => [team, { profile: team }])),
    relay: { maxBodyBytes: 65_536 },
    retry: { maxAttempts: 2, minBackoffMs: 1, maxBackoffMs: 2 },
    breaker: { volumeThreshold: 100_000 },
    // everything runs in one process here, and sweeping takes its time
    admission: { maxLoopDelayMs: 600_000 },
  };
}

const teams = ['standard', 'own', 'subscribed', 'narrow', 'strict', 'limited'] as const;

/** A team of these tests; its profile has the same name. */
export type Team = (typeof teams)[number];
export const everyTeam: readonly Team[] = teams;
