import type { Snapshot } from './config/snapshot.ts';
import type { Arrival } from './context.ts';
import { matchEndpoint } from './dialects/endpoints.ts';
import { type GatewayErrorCode, toGatewayError } from './errors.ts';
import type { KeyResolver } from './keys/resolver.ts';
import type { Ledger, ScopeState } from './limits/ledger.ts';
import type { Limit } from './limits/limit.ts';
import type { GatewayRequest } from './message.ts';
import { createPipeline } from './pipeline.ts';
import type { Principal } from './principal.ts';
import { toReply } from './reply.ts';
import { makePlan } from './routing/plan.ts';
import type { Runtime } from './runtime.ts';
import { authorizeModel } from './stages/authorize-model.ts';
import { limitsFor } from './stages/rate-limit.ts';
import { readCall } from './stages/read-call.ts';
import { resolveKey } from './stages/resolve-key.ts';
import { createDraft } from './telemetry/record.ts';
import type { Upstream } from './upstream/upstream.ts';

/** What would become of a request. What the request does not reach is absent. */
export interface Explanation {
  /** Whether it would be sent to a provider now. */
  readonly allowed: boolean;
  /** Why not. */
  readonly refusal?: { readonly code: GatewayErrorCode; readonly status: number; readonly message: string };
  readonly snapshot: string;
  readonly operation?: string;
  readonly dialect?: string;
  readonly principal?: Principal;
  readonly profile?: string;
  readonly requestedModel?: string;
  /** Its public name, after aliases. */
  readonly model?: string;
  readonly limits?: readonly (ScopeState & {
    readonly label: string;
    readonly mode: string;
    readonly hold: number;
    readonly wouldPass: boolean;
  })[];
  readonly plan?: readonly {
    readonly target: string;
    readonly breaker: 'closed' | 'open' | 'half-open';
    readonly coolDownMs: number;
  }[];
}

interface Parts {
  readonly snapshot: Snapshot;
  readonly keyResolver: KeyResolver;
  readonly ledger: Ledger;
  readonly upstream: Upstream;
  readonly runtime: Runtime;
}

/** Runs the deciding stages themselves over a request, and in place of the ones that count or send, tells what they would do. */
export async function explainRequest(
  request: GatewayRequest,
  { snapshot, keyResolver, ledger, upstream, runtime }: Parts,
): Promise<Explanation> {
  let found: { -readonly [Name in keyof Explanation]: Explanation[Name] } = {
    allowed: false,
    snapshot: snapshot.id,
  };
  const pipeline = createPipeline<Arrival>()
    .use(resolveKey({ resolver: keyResolver }))
    .use({
      name: 'notePrincipal',
      async run(
        { principal, policy }: { principal: Principal; policy: { profile: string } },
        next: (facts: object) => ReturnType<typeof tell>,
      ) {
        found = { ...found, principal, profile: policy.profile };
        return next({});
      },
    })
    .use(readCall())
    .use(authorizeModel())
    .end({
      name: 'tell',
      async run(context) {
        const { call, model } = context;
        const applied = limitsFor(context);
        const states = await ledger.peek(applied.scopes);
        found.requestedModel = call.model ?? '';
        if (model) found.model = model.name;
        found.limits = applied.scopes.map((scope, index) => {
          const limit = applied.limits[index] as Limit;
          const state = states[index] as ScopeState;
          const wouldPass = limit.mode !== 'block' || state.used + state.held + scope.hold <= state.amount;
          return { ...state, label: limit.label, mode: limit.mode, hold: scope.hold, wouldPass };
        });
        found.plan = makePlan(call, model, snapshot).candidates.map(({ id }) => ({
          target: id,
          breaker: upstream.breakers.stateOf(id),
          coolDownMs: upstream.coolMs(id),
        }));
        found.allowed = found.limits.every(({ wouldPass }) => wouldPass);
        return tell();
      },
    });
  try {
    const endpoint = matchEndpoint(request.method, request.path, request.headers);
    if (endpoint === 'health') return { ...found, operation: 'health', allowed: true };
    if ('refused' in endpoint) throw endpoint.refused;
    found = { ...found, operation: endpoint.operation, dialect: endpoint.dialect };
    await pipeline.run({
      id: 'explain',
      request,
      endpoint,
      snapshot,
      runtime,
      arrivedAtMs: runtime.monotonicMs(),
      record: createDraft(),
    });
    return found;
  } catch (thrown) {
    const { code, status, message } = toGatewayError(thrown);
    return { ...found, allowed: false, refusal: { code, status, message } };
  }
}

async function tell() {
  return toReply(200, {}, '');
}
