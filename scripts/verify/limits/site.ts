import type { GatewayConfig } from '../../../src/config/schema.ts';
import { issueKey } from '../../../src/keys/issue-key.ts';
import { createNoPepperRing } from '../../../src/keys/no-pepper.ts';
import { createRuntime } from '../../../src/runtime.ts';
import { usualTiming } from './settings.ts';

/** What the gateways serve and who asks them. */
export interface Site {
  readonly config: GatewayConfig;
  readonly clients: readonly SiteKey[];
}

/** A key that clients ask with. */
export interface SiteKey {
  readonly team: string;
  readonly key: string;
}

const teams = ['a', 'b', 'c', 'd'];
const keysOfTeam = 2;
/** Output that each request asks for at most, so that nothing uses more than it holds. */
export const maxOutputTokens = 64;

type Limits = NonNullable<GatewayConfig['limits']>;

/** How much is allowed; small amounts are met sooner. */
export interface Amounts {
  readonly tokensOfWindow: number;
  readonly requestsOfWindow: number;
  readonly tokensOfKey: number;
  readonly usd: number;
  readonly parallel: number;
}

/** Amounts that 200 clients meet on any machine that serves some hundred requests a second. */
export const usualAmounts: Amounts = {
  tokensOfWindow: 150_000,
  requestsOfWindow: 1_000,
  tokensOfKey: 60_000,
  usd: 3,
  parallel: 60,
};

/** Limits of every kind on the organisation, its teams and keys; all are closed while the ledger fails. */
export function createSite(upstreamUrl: string, amounts: Amounts, windowMs = usualTiming.windowMs): Site {
  const runtime = createRuntime();
  const peppers = createNoPepperRing();
  const window = `${windowMs / 1_000}s`;
  const limits: Limits = [
    { unit: 'tokens', amount: amounts.tokensOfWindow, window, per: 'organisation', onFailure: 'closed' },
    { unit: 'requests', amount: amounts.requestsOfWindow, window, per: 'team', onFailure: 'closed' },
    { unit: 'tokens', amount: amounts.tokensOfKey, window: 'lifetime', per: 'key', onFailure: 'closed' },
    { unit: 'usd', amount: amounts.usd, window: 'lifetime', per: 'organisation', onFailure: 'closed' },
    { unit: 'parallel', amount: amounts.parallel, per: 'organisation', onFailure: 'closed' },
    { unit: 'requests', amount: 100, window: '1h', per: 'organisation', mode: 'warn', onFailure: 'closed' },
  ];
  const issued = teams.flatMap((team) =>
    Array.from({ length: keysOfTeam }, () => ({ team, ...issueKey({ team }, peppers, runtime) })),
  );
  const config: GatewayConfig = {
    providers: { main: { type: 'openai', baseUrl: `${upstreamUrl}/v1`, apiKey: 'sk-verify' } },
    models: { steady: { targets: ['main/gpt-4.1'], price: { input: 2, output: 8 } } },
    profiles: { standard: { limits } },
    teams: Object.fromEntries(teams.map((team) => [team, { profile: 'standard' }])),
    // the configuration's type is that of plain, mutable data; the record is the same data
    keys: issued.map(({ record }) => record as NonNullable<GatewayConfig['keys']>[number]),
  };
  return { config, clients: issued.map(({ team, key }) => ({ team, key })) };
}
