import { createPrincipal, type GatewayConfig, type HeaderMap, type PrincipalInput } from 'headgate';
import { createVirtualRuntime, type VirtualRuntime } from 'headgate/testing';
import type { Call } from '../../src/call.ts';
import { compileConfig, type Snapshot } from '../../src/config/snapshot.ts';
import { matchEndpoint } from '../../src/dialects/endpoints.ts';
import { readMember, scanJsonObject } from '../../src/json/scan.ts';
import type { LimitStates } from '../../src/limits/limit-states.ts';
import { builtInProviders } from '../../src/providers/index.ts';
import { createObservations } from '../../src/routing/observations.ts';
import { createRouter } from '../../src/routing/router.ts';
import type { RoutingContext } from '../../src/routing/rules/facts.ts';
import { createDraft } from '../../src/telemetry/record.ts';

type Routes = NonNullable<GatewayConfig['routes']>;

/** Providers in several places, and models at them. */
export const base: GatewayConfig = {
  providers: {
    openai: { type: 'openai', apiKey: 'sk-1', region: 'us-east' },
    azure: { type: 'openai', apiKey: 'sk-2', baseUrl: 'https://azure.test/v1', region: 'eu-west' },
    local: { type: 'openai', apiKey: 'sk-3', baseUrl: 'https://local.test/v1' },
    anthropic: { type: 'anthropic', apiKey: 'sk-ant', region: 'us-east' },
  },
  models: {
    'gpt-4.1': { targets: ['openai', 'azure'], price: { input: 2, output: 8 } },
    'gpt-mini': { targets: ['openai'], price: { input: 1, output: 2 }, contextWindow: 10_000 },
    'claude-sonnet': { targets: ['anthropic'] },
    'llama-*': { targets: ['local'] },
  },
  profiles: { standard: {}, european: { regions: ['eu-*'] } },
  teams: { payments: { profile: 'standard' }, berlin: { profile: 'european' } },
};

export const withRoutes = (routes: Routes, more: Partial<GatewayConfig> = {}): GatewayConfig => ({
  ...base,
  ...more,
  routes,
});

/** What a request is, for tests: everything has a default. */
export interface Asked {
  readonly path?: string;
  readonly body?: object;
  readonly headers?: HeaderMap;
  readonly principal?: Partial<PrincipalInput>;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly limitStates?: LimitStates;
}

/** A router over a configuration, and what it makes of requests. */
export function startRouter(config: GatewayConfig, runtime: VirtualRuntime = createVirtualRuntime()) {
  const snapshot = compileConfig(config, { id: 'v1', providers: builtInProviders, environment: {} });
  const observations = createObservations(runtime);
  const errors: Error[] = [];
  const router = createRouter({ observations, onError: (error) => errors.push(error) });
  const toContext = (asked: Asked = {}) => contextOf(snapshot, runtime, asked);
  return {
    snapshot,
    runtime,
    observations,
    router,
    errors,
    toContext,
    plan: (asked?: Asked) => router.plan(toContext(asked), undefined),
    /** Targets in the order of the plan. */
    targets: (asked?: Asked) =>
      router.plan(toContext(asked), undefined).candidates.map(({ target }) => target.id),
    trace: (asked?: Asked) => router.trace(toContext(asked), undefined),
  };
}

function contextOf(snapshot: Snapshot, runtime: VirtualRuntime, asked: Asked): RoutingContext {
  const { path = '/v1/chat/completions', headers = {}, metadata = {}, limitStates } = asked;
  const body = asked.body ?? { model: 'gpt-4.1', messages: [{ role: 'user', content: 'hello' }] };
  const endpoint = matchEndpoint('POST', path, headers);
  if (endpoint === 'health' || 'refused' in endpoint) throw new Error(`no endpoint at ${path}`);
  const principal = createPrincipal({ source: 'key', key: 'k1', team: 'payments', ...asked.principal });
  const policy = snapshot.policyFor(principal);
  if (!policy) throw new Error('no policy');
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const arrival = {
    id: 'r1',
    request: {
      method: 'POST',
      path,
      query: '',
      headers: { 'content-type': 'application/json', ...headers },
      signal: new AbortController().signal,
      readBody: async () => bytes,
    },
    endpoint,
    snapshot,
    runtime,
    arrivedAtMs: 0,
    record: createDraft(),
    principal,
    policy,
    metadata,
  };
  return { ...arrival, ...readModel(arrival, bytes), ...(limitStates && { limitStates }) };
}

/** What readCall and authorizeModel add. */
function readModel(
  { id, endpoint, snapshot }: Pick<RoutingContext, 'id' | 'endpoint' | 'snapshot'>,
  body: Uint8Array,
) {
  const members = scanJsonObject(body);
  const named = (endpoint.model ?? readMember(body, members, 'model')) as string | undefined;
  const call: Call = {
    id,
    endpoint,
    model: named,
    stream: endpoint.streams ?? members.get('stream')?.kind === 'true',
    body,
    members,
    modelSpan: undefined,
    maxOutputTokens: undefined,
    batchModels: undefined,
    wantsStreamUsage: false,
    query: '',
  };
  return { call, model: named === undefined ? undefined : snapshot.findModel(named) };
}
