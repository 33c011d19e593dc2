import type { Call } from '../../../src/call.ts';
import type { GatewayConfig, RouteConfig } from '../../../src/config/schema.ts';
import { compileConfig } from '../../../src/config/snapshot.ts';
import { matchEndpoint } from '../../../src/dialects/endpoints.ts';
import { scanJsonObject } from '../../../src/json/scan.ts';
import { estimateInputTokens } from '../../../src/limits/estimate.ts';
import { createPrincipal } from '../../../src/principal.ts';
import { builtInProviders } from '../../../src/providers/index.ts';
import { createObservations } from '../../../src/routing/observations.ts';
import { createRouter } from '../../../src/routing/router.ts';
import type { RoutingContext } from '../../../src/routing/rules/facts.ts';
import { createRuntime } from '../../../src/runtime.ts';
import { createDraft } from '../../../src/telemetry/record.ts';

/** One kind of request over one kind of configuration. */
export interface CostCase {
  readonly name: string;
  readonly routes: GatewayConfig['routes'];
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

type Match = NonNullable<RouteConfig['match']>;

const split = [
  { provider: 'one', weight: 70 },
  { provider: 'other', weight: 30 },
];

/** A hundred routes of which none is for this request. */
function missing(toMatch: (index: number) => Partial<Match>): GatewayConfig['routes'] {
  return Array.from({ length: 100 }, (_, index) => ({
    name: `route-${index}`,
    match: toMatch(index) as Match,
    targets: ['one'],
  }));
}

function prompt(instructions: number, turns: number): object {
  const text = (length: number) => 'The quick brown fox jumps over the lazy dog. '.repeat(length / 45);
  return {
    messages: [
      { role: 'system', content: text(instructions) },
      ...Array.from({ length: turns }, (_, turn) => ({
        role: turn % 2 === 0 ? 'user' : 'assistant',
        content: text(1_000),
      })),
    ],
  };
}

/** What routing is asked to do. */
export const costCases: readonly CostCase[] = [
  { name: 'no routes', routes: [] },
  { name: '100 routes for other models', routes: missing((index) => ({ models: [`other-${index}`] })) },
  { name: '100 routes for other teams', routes: missing((index) => ({ teams: [`team-${index}`] })) },
  { name: '100 routes for other users', routes: missing((index) => ({ users: [`user-${index}`] })) },
  { name: '100 routes for teams by patterns', routes: missing((index) => ({ teams: [`team-${index}-*`] })) },
  { name: '100 routes by metadata', routes: missing((index) => ({ metadata: { env: `stage-${index}` } })) },
  {
    name: '100 routes by a header',
    routes: missing((index) => ({ headers: { 'x-experiment': `arm-${index}` } })),
    headers: { 'x-experiment': 'none' },
  },
  { name: '100 routes of all kinds', routes: missing(ofAllKinds) },
  { name: 'a split by turns', routes: [{ name: 'split', match: {}, targets: split }] },
  {
    name: 'a split by session',
    routes: [{ name: 'split', match: {}, targets: split }],
    headers: { 'x-headgate-session': '0b8c1b52-6f0e-4d3a-9a61-7d6a3a0c8f51' },
  },
  {
    name: 'a split by a prompt of 10 kB',
    routes: [{ name: 'split', match: {}, targets: split }],
    body: prompt(5_000, 5),
  },
  {
    name: 'a split by a prompt of 400 kB',
    routes: [{ name: 'split', match: {}, targets: split }],
    body: prompt(20_000, 380),
  },
];

function ofAllKinds(index: number): Partial<Match> {
  switch (index % 5) {
    case 0:
      return { teams: [`team-${index}`], stream: true };
    case 1:
      return { models: [`other-${index}*`] };
    case 2:
      return { metadata: { env: `stage-${index}` } };
    case 3:
      return { stream: true, inputTokens: { min: 1_000 * index, max: 2_000_000 } };
    default:
      return { users: [`user-${index}`], tools: true };
  }
}

const runtime = createRuntime();

/** CPU time of a plan in microseconds: the least of several rounds, since nothing but others makes it longer. */
export function measureCost({ routes, body = {}, headers = {} }: CostCase): number {
  const snapshot = compileConfig(
    {
      providers: {
        one: { type: 'openai', apiKey: 'sk-1', baseUrl: 'https://one.test/v1' },
        other: { type: 'openai', apiKey: 'sk-2', baseUrl: 'https://other.test/v1' },
      },
      models: {
        m: { targets: ['one', 'other'] },
        ...Object.fromEntries(
          Array.from({ length: 100 }, (_, index) => [`other-${index}`, { targets: ['one'] }]),
        ),
      },
      profiles: { standard: {} },
      teams: {
        payments: { profile: 'standard' },
        ...Object.fromEntries(
          Array.from({ length: 100 }, (_, index) => [`team-${index}`, { profile: 'standard' }]),
        ),
      },
      routes,
    },
    { id: 'v1', providers: builtInProviders, environment: {} },
  );
  const router = createRouter({ observations: createObservations(runtime) });
  const context = toContext(
    snapshot,
    { model: 'm', messages: [{ role: 'user', content: 'hi' }], ...body },
    headers,
  );
  // what limits have estimated before
  estimateInputTokens(context.call);
  const plan = () => router.plan(context, undefined);
  for (let warm = 0; warm < 50_000; warm++) plan();
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    for (let count = 0; count < perRound; count++) plan();
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / perRound);
  }
  return best;
}

const rounds = 8;
const perRound = 50_000;

function toContext(
  snapshot: ReturnType<typeof compileConfig>,
  body: object,
  headers: Readonly<Record<string, string>>,
): RoutingContext {
  const endpoint = matchEndpoint('POST', '/v1/chat/completions', headers);
  if (endpoint === 'health' || 'refused' in endpoint) throw new Error('no endpoint');
  const principal = createPrincipal({ source: 'key', key: 'k1', team: 'payments', user: 'ada' });
  const policy = snapshot.policyFor(principal);
  const resolution = policy && snapshot.resolveModel('m', policy, runtime.now());
  if (!policy || !resolution || !('model' in resolution)) throw new Error('no model');
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const call: Call = {
    ...{ endpoint, model: 'm', stream: false, body: bytes, members: scanJsonObject(bytes), query: '' },
    ...{ modelSpan: undefined, maxOutputTokens: undefined, batchModels: undefined, wantsStreamUsage: false },
    id: 'r1',
  } as Call;
  const request = {
    ...{ method: 'POST', path: '/v1/chat/completions', query: '', headers },
    signal: new AbortController().signal,
    readBody: async () => bytes,
  };
  return {
    ...{ id: 'r1', request, endpoint, snapshot, runtime, arrivedAtMs: 0, record: createDraft() },
    ...{ principal, policy, metadata: {}, call, model: resolution.model },
  } as RoutingContext;
}
