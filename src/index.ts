export type { Call } from './call.ts';
export { ConfigError, type ConfigIssue } from './config/config-error.ts';
export { defineConfig, type GatewayConfig } from './config/schema.ts';
export type {
  ConfiguredProvider,
  Credential,
  ListedModel,
  Model,
  Snapshot,
  Target,
  TeamPolicy,
} from './config/snapshot.ts';
export type { Arrival, Authorized, Identified, Received, Reserved, Routed } from './context.ts';
export { createDefaultPipeline } from './default-pipeline.ts';
export type { DialectFamily, DialectName } from './dialects/dialect.ts';
export type { Endpoint, Operation } from './dialects/endpoint.ts';
export {
  GatewayError,
  type GatewayErrorCode,
  type GatewayErrorOptions,
  isGatewayError,
  toGatewayError,
} from './errors.ts';
export type { Explanation } from './explain.ts';
export { createGateway, type Gateway, type GatewayOptions, type PipelineParts } from './gateway.ts';
export { type CreatedKey, createKey, keyPattern, type ParsedKey, parseKey } from './keys/key-format.ts';
export { createPepperRing, hashSecret, type PepperRing, type PepperRingOptions } from './keys/key-hash.ts';
export { createNoPepperRing } from './keys/no-pepper.ts';
export { createKeyResolver, type KeyResolver, type KeyResolverOptions } from './keys/resolver.ts';
export type { Ledger, LedgerScope, LimitUnit, ReserveResult, ScopeState } from './limits/ledger.ts';
export type { GatewayReply, GatewayRequest, HeaderMap, Outcome, ReplyBody, Usage } from './message.ts';
export { createPipeline, nothing, type OpenPipeline, type Pipeline, type Stage } from './pipeline.ts';
export type { Principal } from './principal.ts';
export type { Provider, ProviderFailure } from './providers/provider.ts';
export { toReply } from './reply.ts';
export type { Candidate, Plan } from './routing/plan.ts';
export { createRuntime, type Runtime } from './runtime.ts';
export { attribute } from './stages/attribute.ts';
export { authorizeModel } from './stages/authorize-model.ts';
export { forwardWithFallback } from './stages/forward-with-fallback.ts';
export { listModels } from './stages/list-models.ts';
export { rateLimit } from './stages/rate-limit.ts';
export { readCall } from './stages/read-call.ts';
export { replayIdempotent } from './stages/replay-idempotent.ts';
export { resolveKey } from './stages/resolve-key.ts';
export { route } from './stages/route.ts';
export type { KeyRecord, KeyStore } from './stores/key-store.ts';
export { createMemoryKeyStore } from './stores/memory/memory-key-store.ts';
export { createMemoryLedger, type MemoryLedgerOptions } from './stores/memory/memory-ledger.ts';
export type { AttemptRecord, RequestRecord } from './telemetry/record.ts';
export {
  createFunctionSink,
  createJsonlSink,
  createMemorySink,
  type MemorySink,
  type UsageSink,
} from './telemetry/sink.ts';
export type { Egress, EgressBody, EgressReply, EgressRequest } from './upstream/egress.ts';
export { createFetchEgress } from './upstream/fetch-egress.ts';
export { createUndiciEgress } from './upstream/undici-egress.ts';
export { createUpstream, type Upstream } from './upstream/upstream.ts';
