import { createAdmission } from './admission/admission.ts';
import { createLoadMonitor } from './admission/load-monitor.ts';
import { createAgentRuns, type Run } from './agent-runs.ts';
import { toArrival } from './arrival.ts';
import type { GatewayConfig } from './config/schema.ts';
import { compileConfig, type Snapshot } from './config/snapshot.ts';
import type { Arrival } from './context.ts';
import { withDeadline } from './deadline.ts';
import { createDefaultPipeline } from './default-pipeline.ts';
import type { Dialect } from './dialects/dialect.ts';
import { matchEndpoint } from './dialects/endpoints.ts';
import { familyOf } from './dialects/family.ts';
import { dialectByFamily, dialectByName } from './dialects/index.ts';
import { GatewayError, toGatewayError } from './errors.ts';
import { type Explanation, explainRequest } from './explain.ts';
import type { GatewayOptions, PipelineParts } from './gateway-options.ts';
import { createHealthTeller, type GatewayHealth, toHealthReply } from './health.ts';
import { createGatewayKeys } from './keys/gateway-keys.ts';
import { createGatewayLedger } from './limits/gateway-ledger.ts';
import { createRuns, type RunOptions, type RunScope } from './limits/run.ts';
import { tellOfLimits } from './limits/tell-of-limits.ts';
import { type FetchHandler, loadFetchHandler } from './load-fetch-handler.ts';
import type { GatewayReply, GatewayRequest } from './message.ts';
import { whenEnded } from './outcome.ts';
import { createPipeline, toNoReply } from './pipeline.ts';
import { builtInProviders } from './providers/index.ts';
import { quietly } from './quietly.ts';
import { toErrorReply } from './reply.ts';
import { createRouter } from './routing/router.ts';
import { createRunning } from './running.ts';
import { createRuntime } from './runtime.ts';
import { createMirrors } from './stages/mirror.ts';
import type { RateLimitOptions } from './stages/rate-limit.ts';
import { resolveKey } from './stages/resolve-key.ts';
import { showHealth } from './stages/show-health.ts';
import { createMemoryStoredOwners, reporting } from './stored/stored-owners.ts';
import type { ConfigVersionInfo } from './stores/config-store.ts';
import { observeHealth } from './telemetry/health-metrics.ts';
import { observeLimits } from './telemetry/limit-metrics.ts';
import type { RequestRecord } from './telemetry/record.ts';
import { createFunctionSink, createMemorySink } from './telemetry/sink.ts';
import { poolNamesOf } from './upstream/pool-name.ts';
import { createUndiciEgress } from './upstream/undici-egress.ts';
import { createUpstream } from './upstream/upstream.ts';

/** A running gateway. */
export interface Gateway {
  /** Handles one request. Never rejects: every error becomes a reply in the caller's dialect. */
  handle(request: GatewayRequest): Promise<GatewayReply>;
  /** Handles a WHATWG request, for Hono, Next.js, Bun, Deno and Workers. Slower than `handle` through `headgate/node`. */
  fetch(request: Request, host?: unknown): Promise<Response>;
  /**
   * Opens an agent run with a budget of its own, so that one runaway agent stops alone. Its requests count against the
   * caller's limits too. It ends after `ttlMs`, or with its `close()`.
   *
   * @throws TypeError naming an amount that is out of range
   * @example
   * const run = gateway.run({ maxUsd: 2, maxRequests: 200 });
   * const client = new OpenAI({ baseURL: 'http://gateway/v1', apiKey: key, defaultHeaders: run.headers });
   */
  run(options: RunOptions): Run;
  /**
   * Ends a run early, whichever gateway with the same `runSecret` opened it; see `Run.close`.
   *
   * @param token the value of its header: `run.headers['x-headgate-run']`
   * @throws GatewayError `malformed_request` for anything but a run opened under this secret
   * @throws Error when the ledger fails; on this gateway the run has ended all the same
   */
  endRun(token: string): Promise<void>;
  /**
   * Swaps the configuration: the next request uses the new one, running requests finish under theirs.
   *
   * @param version Its stored version, when it comes from a store.
   * @throws ConfigError when it is not valid; the old one stays in force.
   */
  update(config: GatewayConfig, version?: ConfigVersionInfo): void;
  /** Call after changing or revoking a key in a store that cannot announce it (no `watchKeys`): the next request rereads it. */
  forgetKey(kid: string): void;
  /** Explains what would happen to a request, without sending or counting anything. */
  explain(request: GatewayRequest): Promise<Explanation>;
  /** Whether it serves, what is degraded, how limits are currently decided, and the state of its targets. */
  health(): GatewayHealth;
  /** The configuration in force. */
  readonly snapshot: Snapshot;
  /** Records of the default sink, oldest first; empty with a sink of your own. */
  readonly records: readonly RequestRecord[];
  /**
   * Refuses new requests with 503, waits up to `drainMs` for running ones, ends the rest with `shutting_down` in the
   * caller's dialect, releases what it holds of limits, stores records and closes connections. Runs once: a second call
   * waits for the first.
   */
  close(options?: { readonly drainMs?: number }): Promise<void>;
}

/**
 * Makes a gateway. Two gateways in one process share nothing.
 *
 * @throws ConfigError (a TypeError) listing everything that is wrong in the configuration, with paths.
 * @example
 * const gateway = createGateway({
 *   providers: { openai: { type: 'openai', apiKey: { env: 'OPENAI_API_KEY' } } },
 *   models: { 'gpt-4.1': { targets: ['openai'] } },
 *   profiles: { standard: {} },
 *   teams: { payments: { profile: 'standard' } },
 *   keys: [record],
 * });
 * createServer(toNodeHandler(gateway)).listen(8787, '127.0.0.1');
 */
export function createGateway(config: GatewayConfig, options: GatewayOptions = {}): Gateway {
  const runtime = options.runtime ?? createRuntime();
  const providers = [...builtInProviders, ...(options.providers ?? [])];
  const environment = options.environment ?? process.env;
  const onError = quietly(options.onError);
  const { vault } = options;
  let updates = 0;
  const compile = (input: GatewayConfig, version: ConfigVersionInfo | undefined) => {
    const id = version ? `config-${version.number}` : `v${++updates}`;
    return compileConfig(input, {
      id,
      version,
      providers,
      environment,
      runtime,
      vault,
      onSecretError: onError,
    });
  };

  let snapshot = compile(config, options.version);
  const memorySink = createMemorySink();
  const sink =
    typeof options.sink === 'function'
      ? createFunctionSink(options.sink, onError)
      : (options.sink ?? memorySink);
  const onLimit = tellOfLimits(options.onLimit, onError);
  const { leaseMs, renewMs, maxWaiting } = options.limits ?? {};
  const gatewayLedger = createGatewayLedger({
    given: options.ledger,
    limits: options.limits ?? {},
    runtime,
    onEvent: onLimit,
    onError,
  });
  const { ledger, isDegraded } = gatewayLedger;
  const endLimitMetrics = options.ledger ? observeLimits(gatewayLedger.health) : () => undefined;
  const failsClosed = options.limits?.failure === false;
  const runs = createRuns({ runtime, secret: options.runSecret });
  const agentRuns = createAgentRuns({
    runs,
    runOf: options.runOf,
    ledger: gatewayLedger.shared,
    handle: handleIn,
  });
  const limits: RateLimitOptions = {
    ledger,
    runs,
    isDegraded,
    ...(options.onLimit && { onLimit }),
    ...(leaseMs !== undefined && { leaseMs }),
    ...(renewMs !== undefined && { renewMs }),
    ...(maxWaiting !== undefined && { maxWaiting }),
  };
  const upstream = createUpstream(options.egress ?? createUndiciEgress(), runtime, {
    hints: options.hints,
  });
  const { runningByKey } = upstream;
  const keys = createGatewayKeys(options, { snapshot, runningByKey, runtime, onError });
  const { resolver: keyResolver, identities } = keys;
  const router = createRouter({ observations: upstream.observations, onError });
  const mirrors = createMirrors({ limits, sink, upstream, runtime, onError });
  const running = createRunning(runtime);
  const monitor = options.loadMonitor ?? createLoadMonitor();
  const admission = createAdmission({ runtime, monitor });
  admission.allow(snapshot.config.admission.maxInFlight);
  const parts: PipelineParts = {
    keyResolver,
    identities,
    vault,
    ledger,
    limits,
    sink,
    upstream,
    admission,
    router,
    storedOwners: reporting(options.storedOwners ?? createMemoryStoredOwners({ runtime }), onError),
    mirrors,
    runtime,
    snapshot,
  };
  const pipeline = options.pipeline?.(parts) ?? createDefaultPipeline(parts);

  const left = () => running.leave();
  let closing = false;
  const health = createHealthTeller({
    ...{ runtime, running, admission, router, mirrors, isLimitsDegraded: isDegraded },
    healths: upstream.healths,
    limits: gatewayLedger.health,
    snapshot: () => snapshot,
    isClosing: () => closing,
  });
  const healthPipeline = createPipeline<Arrival>()
    .use(resolveKey({ resolver: keyResolver, identities }))
    .end(showHealth({ health }));
  const endHealthMetrics = observeHealth(health.report);
  let closed: Promise<void> | undefined;
  let fetchHandler: FetchHandler | undefined;

  const handle = (request: GatewayRequest) => handleIn(request, undefined);

  function handleIn(request: GatewayRequest, run: RunScope | undefined): Promise<GatewayReply> {
    const id = runtime.newId();
    let dialect: Dialect | undefined;
    const refuse = (thrown: unknown): GatewayReply => {
      const error = toGatewayError(thrown);
      if (error.code === 'internal_error') onError(error.cause);
      return toErrorReply(error, dialect ?? dialectByFamily[familyOf(request.headers, request.path)], id);
    };
    try {
      if (request.refusal) throw request.refusal;
      const match = matchEndpoint(request.method, request.path, request.headers);
      if (match === 'health') return Promise.resolve(toHealthReply(id, health.brief()));
      if ('refused' in match) {
        dialect = dialectByFamily[match.family];
        throw match.refused;
      }
      dialect = dialectByName[match.dialect];
      if (match.operation === 'health-report') {
        const arrival = toArrival(id, request, match, snapshot, runtime, undefined);
        return healthPipeline.run(arrival).catch(refuse);
      }
      if (closing)
        throw new GatewayError('shutting_down', 'This gateway is shutting down.', { retryAfterSeconds: 1 });
      const hostRun = run ?? agentRuns.hostRunOf(request);
      running.enter();
      const fail = (thrown: unknown) => {
        left();
        return refuse(thrown);
      };
      return start(toArrival(id, request, match, snapshot, runtime, hostRun)).then(
        (reply: GatewayReply | undefined) => {
          if (!reply) return fail(toNoReply());
          whenEnded(reply.outcome, left);
          return reply;
        },
        fail,
      );
    } catch (thrown) {
      return Promise.resolve(refuse(thrown));
    }
  }

  /** A custom stage may throw before it returns a promise. */
  function start(arrival: Arrival): Promise<GatewayReply> {
    try {
      return pipeline.run(arrival);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async function close(drainMs: number): Promise<void> {
    closing = true;
    await mirrors.close();
    await running.whenIdle(drainMs);
    admission.close();
    if (running.count > 0) {
      // the rest end with an error in their caller's dialect, and are settled
      const message = 'This gateway is shutting down.';
      upstream.interrupt(new GatewayError('shutting_down', message, { retryAfterSeconds: 1 }));
      await running.whenIdle(lastMs);
    }
    await keys.unfollow();
    snapshot.close();
    await keys.close();
    await gatewayLedger.close();
    endLimitMetrics();
    endHealthMetrics();
    await upstream.close();
    const flush = async () => sink.flush?.();
    await withDeadline(runtime, flushMs, 'The sink', flush()).catch(onError);
  }

  return {
    handle,
    run: agentRuns.open,
    endRun: agentRuns.end,
    async fetch(request, host) {
      fetchHandler ??= await loadFetchHandler(handle);
      return fetchHandler(request, host);
    },
    update(input, version) {
      const next = compile(input, version);
      const before = snapshot;
      keys.replace(before, next);
      snapshot = next;
      admission.allow(next.config.admission.maxInFlight);
      health.noteUpdate();
      upstream.healths.retain(next.providers);
      // running requests finish under the old one, and its secrets stay readable as they are
      before.close();
      const credentials = [...next.providers.values()].flatMap((entry) => entry.credentials);
      upstream.egress.retain?.(poolNamesOf(credentials));
      try {
        options.onUpdate?.(next);
      } catch (error) {
        onError(error);
      }
    },
    forgetKey: keys.forget,
    explain: (request) =>
      explainRequest(request, {
        ...parts,
        snapshot,
        failsClosed,
        runs,
        // if this throws, that is the refusal
        get hostRun() {
          return agentRuns.hostRunOf(request);
        },
      }),
    health: health.report,
    get snapshot() {
      return snapshot;
    },
    get records() {
      return memorySink.records;
    },
    close({ drainMs = 30_000 } = {}) {
      closed ??= close(drainMs);
      return closed;
    },
  };
}

/** How long interrupted requests get to end. */
const lastMs = 2_000;
/** How long the sink gets to flush. */
const flushMs = 10_000;
