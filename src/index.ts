export type { Load, LoadMonitor } from './admission/load-monitor.ts';
export type { Run } from './agent-runs.ts';
export type { Call } from './call.ts';
export {
  ConfigChangeError,
  type ConfigChangeErrorCode,
  isConfigChangeError,
} from './config/config-change-error.ts';
export { ConfigError, type ConfigIssue } from './config/config-error.ts';
export {
  type AppliedConfig,
  type ApplyOptions,
  type ConfigService,
  type ConfigServiceOptions,
  createConfigService,
} from './config/config-service.ts';
export { type ConfigDifference, diffConfig } from './config/diff-config.ts';
export { type ConfigFollower, type FollowConfigOptions, followConfig } from './config/follow-config.ts';
export {
  defineConfig,
  type GatewayConfig,
  type LimitConfig,
  type ModelConfig,
  type ParsedConfig,
  type ProfileConfig,
  type ProviderConfig,
  type RouteConfig,
} from './config/schema.ts';
export type {
  Billing,
  Capture,
  ConfiguredProvider,
  Credential,
  CredentialSource,
  Deprecation,
  ListedModel,
  Model,
  Narrowing,
  Pin,
  Policy,
  PolicyOrigins,
  Resolution,
  ResolutionStep,
  Snapshot,
  Target,
  TargetOverrides,
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
export type { Explained, ExplainedPolicy, Explanation } from './explanation.ts';
export { createGateway, type Gateway } from './gateway.ts';
export type { GatewayOptions, PipelineParts } from './gateway-options.ts';
export { afterPromises, atEndOfTurn, Gathered, gather } from './gather.ts';
export type { Degradation, GatewayHealth } from './health.ts';
export { countFailures } from './identity/count-failures.ts';
export {
  createHostIdentity,
  type FindHostFacts,
  type HostFacts,
  type HostIdentityOptions,
} from './identity/host-identity.ts';
export type { Identity } from './identity/identity.ts';
export { createJwtIdentity, type JwtIdentity } from './identity/jwt-identity.ts';
export type { JwtIdentityOptions } from './identity/jwt-options.ts';
export type { CountFailure, FailedKeysOptions } from './keys/failed-keys.ts';
export { followKeys } from './keys/follow-keys.ts';
export type { IssuedKey } from './keys/issue-key.ts';
export { isKeyError, KeyError, type KeyErrorCode } from './keys/key-error.ts';
export { type CreatedKey, createKey, keyPattern, type ParsedKey, parseKey } from './keys/key-format.ts';
export { createPepperRing, hashSecret, type PepperRing, type PepperRingOptions } from './keys/key-hash.ts';
export type { KeyChange, KeyRequest } from './keys/key-request.ts';
export {
  createKeyService,
  type KeyAuthor,
  type KeyService,
  type KeyServiceOptions,
  type RotateOptions,
  type UpdateOptions,
} from './keys/key-service.ts';
export type { KeySummary } from './keys/key-summary.ts';
export { createNoPepperRing } from './keys/no-pepper.ts';
export { createKeyResolver, type KeyResolver, type KeyResolverOptions } from './keys/resolver.ts';
export {
  createFailurePolicy,
  type FailurePolicyChange,
  type FailurePolicyLedger,
  type FailurePolicyOptions,
  type FailurePolicyReport,
} from './limits/failure/failure-policy.ts';
export type { FailureMode } from './limits/failure/fallback.ts';
export type { LimitsHealth } from './limits/gateway-ledger.ts';
export {
  createLeasingLedger,
  type LeasedScope,
  type LeasingLedger,
  type LeasingLedgerOptions,
  type LeasingReport,
} from './limits/leasing/leasing-ledger.ts';
export type {
  Awaitable,
  Ledger,
  LedgerScope,
  LimitUnit,
  ReadScope,
  ReserveResult,
  ScopeState,
  Span,
} from './limits/ledger.ts';
export type { Limit, Raise } from './limits/limit.ts';
export type { LimitEvent } from './limits/limit-event.ts';
export type { FailureBounds, LeasingBounds, LimitOptions } from './limits/limit-options.ts';
export type { LimitState, LimitStates } from './limits/limit-states.ts';
export { createLimitWebhook, type LimitWebhook, type LimitWebhookOptions } from './limits/limit-webhook.ts';
export type { RunOptions, RunScope, Runs } from './limits/run.ts';
export type {
  ChunkReceiver,
  GatewayReply,
  GatewayRequest,
  HeaderMap,
  Outcome,
  PulledBody,
  ReplyBody,
  Usage,
} from './message.ts';
export { isPulledBody } from './message.ts';
export { type Metadata, readMetadata } from './metadata.ts';
export { type OpenGateway, type OpenGatewayOptions, openGateway } from './open-gateway.ts';
export { createPipeline, nothing, type OpenPipeline, type Pipeline, type Stage } from './pipeline.ts';
export {
  createPrincipal,
  isPrincipal,
  type Principal,
  type PrincipalInput,
  type PrincipalSource,
} from './principal.ts';
export type { Provider, ProviderFailure } from './providers/provider.ts';
export { toReply } from './reply.ts';
export type { FailureAction, FailureClass, ForwardingPolicy, Timeouts } from './routing/forwarding.ts';
export type { Observations, Observed, ObservedAttempt } from './routing/observations.ts';
export type { Candidate, Plan } from './routing/plan.ts';
export { createRouter, type Router, type RouterOptions, type RouteTrace } from './routing/router.ts';
export type { RouteFacts } from './routing/rules/facts.ts';
export type { RuleAnswer } from './routing/rules/rules.ts';
export type { ExplainedTarget, TracedTarget } from './routing/trace.ts';
export { createRuntime, type Runtime } from './runtime.ts';
export { openSecret, rewrapSecret, type SecretBinding, sealSecret } from './secrets/envelope.ts';
export type { KeyEncryptionKey } from './secrets/key-encryption-key.ts';
export {
  createKeyEncryptionRing,
  type KeyEncryptionRing,
  type KeyEncryptionRingOptions,
} from './secrets/key-encryption-ring.ts';
export type { KeyEncryptionService } from './secrets/key-encryption-service.ts';
export type { NewSecret } from './secrets/new-secret.ts';
export type { SecretResult } from './secrets/opened-secrets.ts';
export type { RewrapOptions, RewrapReport } from './secrets/rewrap-all.ts';
export { Secret } from './secrets/secret.ts';
export { isSecretError, SecretError, type SecretErrorCode } from './secrets/secret-error.ts';
export {
  createSecretSource,
  type SecretSource,
  type SecretSourceConfig,
  type SecretSourceOptions,
} from './secrets/secret-source.ts';
export { createVault, type OwnSecret, type Vault, type VaultOptions } from './secrets/vault.ts';
export { createVaultAdmin, type SecretInfo, type VaultAdmin } from './secrets/vault-admin.ts';
export { admit } from './stages/admit.ts';
export { attribute } from './stages/attribute.ts';
export { authorizeModel } from './stages/authorize-model.ts';
export { forwardWithFallback } from './stages/forward-with-fallback.ts';
export { guardStored } from './stages/guard-stored.ts';
export { listModels } from './stages/list-models.ts';
export { createMirrors, type MirrorOptions, type MirrorReport, type Mirrors } from './stages/mirror.ts';
export { type RateLimitOptions, rateLimit } from './stages/rate-limit.ts';
export { readCall } from './stages/read-call.ts';
export { replayIdempotent } from './stages/replay-idempotent.ts';
export { type ResolveKeyOptions, resolveKey } from './stages/resolve-key.ts';
export { type RouteOptions, route } from './stages/route.ts';
export {
  createMemoryStoredOwners,
  type MemoryStoredOwnersOptions,
  type StoredOwner,
  type StoredOwners,
} from './stored/stored-owners.ts';
export type {
  ConfigStore,
  ConfigVersion,
  ConfigVersionInfo,
  NewConfigVersion,
} from './stores/config-store.ts';
export type { Hints } from './stores/hints.ts';
export type {
  KeyQuery,
  KeyRecord,
  KeyStore,
  KeyUse,
  PreviousSecret,
  WritableKeyStore,
} from './stores/key-store.ts';
export { createMemoryConfigStore } from './stores/memory/memory-config-store.ts';
export { createMemoryKeyStore, type MemoryKeyStore } from './stores/memory/memory-key-store.ts';
export { createMemoryLedger, type MemoryLedgerOptions } from './stores/memory/memory-ledger.ts';
export { createMemorySecretStore } from './stores/memory/memory-secret-store.ts';
export { createMemoryStores } from './stores/memory/memory-stores.ts';
export type { SecretRecord, SecretStore } from './stores/secret-store.ts';
export type { Stores } from './stores/stores.ts';
export type { ChangeListener, Unwatch } from './stores/watch.ts';
export type { AttemptRecord, RequestRecord } from './telemetry/record.ts';
export {
  createFunctionSink,
  createJsonlSink,
  createMemorySink,
  type MemorySink,
  type UsageSink,
} from './telemetry/sink.ts';
export type { Collected, Egress, EgressBody, EgressReply, EgressRequest } from './upstream/egress.ts';
export { createFetchEgress } from './upstream/fetch-egress.ts';
export type { HealthReport } from './upstream/health/target-health.ts';
export { createUndiciEgress } from './upstream/undici-egress.ts';
export { createUpstream, type Upstream } from './upstream/upstream.ts';
