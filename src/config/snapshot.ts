import type { DialectFamily } from '../dialects/dialect.ts';
import type { ListedModel } from '../dialects/models-list.ts';
import type { Principal } from '../principal.ts';
import type { Provider } from '../providers/provider.ts';
import type { Runtime } from '../runtime.ts';
import type { SecretError } from '../secrets/secret-error.ts';
import type { Vault } from '../secrets/vault.ts';
import type { ConfigVersionInfo } from '../stores/config-store.ts';
import { compileCatalog, type Resolution } from './catalog.ts';
import { checkLockout } from './check-lockout.ts';
import { checkPrices } from './check-prices.ts';
import { checkKeys, checkReferences } from './check-references.ts';
import { ConfigError, type ConfigIssue } from './config-error.ts';
import type { Model } from './model.ts';
import { compilePolicies } from './policies.ts';
import type { Policy } from './policy.ts';
import { type ConfiguredProvider, compileProviders, firstOfFamilies, withoutSecrets } from './providers.ts';
import { createModelResolver } from './resolve-model.ts';
import type { Route } from './route.ts';
import { compileRoutes } from './routes.ts';
import { configSchema, type GatewayConfig, type ParsedConfig } from './schema.ts';
import { toConfigIssues } from './schema-issues.ts';
import { findUnreachable } from './unreachable-routes.ts';

export type { ListedModel } from '../dialects/models-list.ts';
export type { Resolution, ResolutionStep } from './catalog.ts';
export type { Deprecation } from './deprecation.ts';
export type { Model, Target } from './model.ts';
export type {
  Billing,
  Capture,
  Narrowing,
  Pin,
  Policy,
  Policy as TeamPolicy,
  PolicyOrigins,
  Priority,
} from './policy.ts';
export type { ConfiguredProvider, Credential, CredentialSource } from './providers.ts';
export type {
  Affinity,
  Choice,
  MirrorRule,
  Route,
  RouteMatch,
  RouteTarget,
  Strategy,
  Tier,
} from './route.ts';
export type { TargetOverrides } from './target.ts';

/** One version of the configuration, compiled; immutable. A request keeps the snapshot it began with. */
export interface Snapshot {
  readonly id: string;
  /** The stored version that it was compiled from; undefined if it did not come from a store. */
  readonly version: ConfigVersionInfo | undefined;
  readonly config: ParsedConfig;
  readonly providers: ReadonlyMap<string, ConfiguredProvider>;
  /** The active routes, in the order they are tried. */
  readonly routes: readonly Route[];
  /** What is allowed but probably a mistake: routes that no request can reach. */
  readonly warnings: readonly ConfigIssue[];
  /** Finds an enabled model by name, alias or longest pattern, regardless of caller and time. */
  findModel(name: string): Model | undefined;
  /**
   * Finds the model that a caller gets for a name now, including by pin or family. Undefined if there is none, or if
   * the caller may not use it, it is not released yet, or it is retired.
   *
   * @param nowMs milliseconds since the epoch
   */
  resolveModel(name: string, policy: Policy, nowMs: number): Resolution | undefined;
  /**
   * Every name that gives a caller a model now: models with their aliases, in catalog order, then families. Names that
   * only patterns match are not listed.
   */
  listModels(policy: Policy, nowMs: number): readonly ListedModel[];
  /** What a team may do, regardless of project, user and key. Undefined for a team that is not configured. */
  policyOf(team: string): Policy | undefined;
  /**
   * What a caller may do. Undefined if its team is not configured, or, once there are projects, if its project is not
   * one of that team's. The same object for the same principal.
   */
  policyFor(principal: Principal): Policy | undefined;
  /** The first provider of a family, for calls that name no model. */
  providerOf(family: DialectFamily): ConfiguredProvider | undefined;
  /** Stops watching the sources of its secrets. To be called when no request uses it any more. */
  close(): void;
}

/** What compiling needs besides the configuration itself. */
export interface CompileOptions {
  readonly id: string;
  readonly version?: ConfigVersionInfo | undefined;
  readonly providers: readonly Provider[];
  readonly environment: NodeJS.ProcessEnv;
  readonly runtime?: Runtime | undefined;
  /** Where `{ store }` secrets are. */
  readonly vault?: Vault | undefined;
  /** Called when a secret cannot be fetched any more. */
  readonly onSecretError?: ((error: SecretError) => void) | undefined;
  /** Names matched by the catalog's patterns that are cached; others are recomputed. @default 1_000 */
  readonly maxPatternModels?: number;
  /** Combinations of team, project and user whose policies are cached. @default 10_000 */
  readonly maxPolicies?: number;
}

/**
 * Checks a configuration and compiles it.
 *
 * @throws ConfigError (a TypeError) listing every problem with its path
 */
export function compileConfig(input: GatewayConfig, options: CompileOptions): Snapshot {
  const parsed = configSchema().safeParse(input);
  if (!parsed.success) throw new ConfigError(toConfigIssues(parsed.error, configSchema(), input));
  const config = parsed.data;
  const issues: ConfigIssue[] = [];
  const providers = compileProviders(config, options, issues);
  const catalog = compileCatalog(config, providers, options.maxPatternModels ?? 1_000, issues);
  const policies = compilePolicies(config, catalog, options.maxPolicies ?? 10_000, issues);
  const routes = compileRoutes(config, catalog, providers, issues);
  checkReferences(config, catalog, policies, issues);
  checkKeys(config, issues);
  checkPrices(catalog, policies, issues);
  // it would report again what is missing elsewhere
  if (issues.length === 0) checkLockout(config, catalog, policies, issues);
  if (issues.length > 0) {
    closeSources(providers);
    throw new ConfigError(issues);
  }

  const models = createModelResolver(catalog);
  const families = firstOfFamilies(providers);
  return {
    id: options.id,
    version: options.version,
    config: withoutSecrets(config),
    providers,
    routes: routes.active,
    warnings: findUnreachable(routes.active),
    findModel: (name) => catalog.find(name)?.model,
    resolveModel: models.resolve,
    listModels: models.list,
    policyOf: policies.ofTeam,
    policyFor: policies.of,
    providerOf: (family) => families.get(family),
    close: () => closeSources(providers),
  };
}

function closeSources(providers: ReadonlyMap<string, ConfiguredProvider>): void {
  for (const { credentials } of providers.values()) for (const { source } of credentials) source.close();
}
