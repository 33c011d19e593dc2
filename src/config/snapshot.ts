import type { DialectFamily } from '../dialects/dialect.ts';
import type { Limit } from '../limits/limit.ts';
import { type Price, toPrice } from '../limits/price.ts';
import type { Provider } from '../providers/provider.ts';
import { ConfigError, type ConfigIssue, toPath } from './config-error.ts';
import { matchesPattern } from './patterns.ts';
import { checkKeys, checkPrices, compilePolicies } from './policies.ts';
import {
  configSchema,
  type GatewayConfig,
  type ModelConfig,
  type ParsedConfig,
  type ProviderConfig,
} from './schema.ts';
import { resolveSecret, type Secret } from './secret.ts';

/** A credential of a provider. */
export interface Credential {
  /** `provider#credential`. */
  readonly id: string;
  readonly secret: Secret;
  /** Requests of different pools share no connection. Changes with the secret, so that a rotated one starts afresh. */
  readonly pool: string;
}

/** A provider entry of the configuration, ready for use. */
export interface ConfiguredProvider {
  readonly id: string;
  readonly provider: Provider;
  readonly origin: string;
  /** Path of the base URL without a trailing slash. */
  readonly basePath: string;
  readonly credentials: readonly Credential[];
  readonly config: ProviderConfig;
}

/** One way to serve a model: provider and upstream model name. */
export interface Target {
  /** `provider/upstream-model`. */
  readonly id: string;
  readonly provider: ConfiguredProvider;
  /** Undefined for calls that name no model. */
  readonly model: string | undefined;
}

/** A model of the catalog as a request found it. */
export interface Model {
  /** The public name that profiles and limits speak of. */
  readonly name: string;
  readonly targets: readonly Target[];
  readonly price: Price | undefined;
  readonly maxOutputTokens: number | undefined;
}

/** A model as the models list shows it. */
export interface ListedModel {
  readonly id: string;
  readonly displayName?: string;
  readonly ownedBy?: string;
}

/** What a team may do. */
export interface TeamPolicy {
  readonly team: string;
  readonly profile: string;
  readonly models: readonly string[];
  /** Limits of the organisation, the team and the profile, in this order. */
  readonly limits: readonly Limit[];
}

/** One version of the configuration, compiled; immutable. A request is decided by the snapshot it began with. */
export interface Snapshot {
  readonly id: string;
  readonly config: ParsedConfig;
  readonly providers: ReadonlyMap<string, ConfiguredProvider>;
  readonly listedModels: readonly ListedModel[];
  /** Finds an enabled model by name, alias or longest pattern. */
  findModel(name: string): Model | undefined;
  /** Undefined for a team that the configuration does not know. */
  policyOf(team: string): TeamPolicy | undefined;
  /** The first provider of a family, for calls that name no model. */
  providerOf(family: DialectFamily): ConfiguredProvider | undefined;
}

/** What compiling needs besides the configuration itself. */
export interface CompileOptions {
  readonly id: string;
  readonly providers: readonly Provider[];
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * Checks a configuration and compiles it.
 *
 * @throws ConfigError (a TypeError) listing everything that is wrong, each with its path.
 */
export function compileConfig(input: GatewayConfig, options: CompileOptions): Snapshot {
  const parsed = configSchema.safeParse(input);
  if (!parsed.success) {
    throw new ConfigError(
      parsed.error.issues.map((issue) => ({ path: toPath(issue.path), message: issue.message })),
    );
  }
  const config = parsed.data;
  const issues: ConfigIssue[] = [];
  const providers = compileProviders(config, options, issues);
  const models = compileModels(config, providers, issues);
  const policies = compilePolicies(config, issues);
  checkKeys(config, issues);
  checkPrices(config, policies, issues);
  if (issues.length > 0) throw new ConfigError(issues);

  const patterns = [...models.patterns].sort((one, other) => other.name.length - one.name.length);
  return {
    id: options.id,
    config: withoutSecrets(config),
    providers,
    listedModels: models.listed,
    findModel(name) {
      const exact = models.byName.get(name);
      if (exact || models.disabled.has(name)) return exact;
      const found = patterns.find((pattern) => matchesPattern(pattern.name, name));
      return (
        found && {
          ...found,
          name,
          targets: found.targets.map((target) => fillPattern(target, found.name, name)),
        }
      );
    },
    policyOf: (team) => policies.get(team),
    providerOf: (family) => [...providers.values()].find((entry) => entry.provider.family === family),
  };
}

/** What of the configuration may be looked at: secrets are held by the credentials alone. */
function withoutSecrets(config: ParsedConfig): ParsedConfig {
  const providers = Object.entries(config.providers).map(([id, entry]) => [id, withoutKeys(entry)]);
  return { ...config, providers: Object.fromEntries(providers) };
}

function withoutKeys({
  apiKey: _apiKey,
  credentials: _credentials,
  ...entry
}: ProviderConfig): ProviderConfig {
  return entry;
}

function compileProviders(config: ParsedConfig, options: CompileOptions, issues: ConfigIssue[]) {
  const known = new Map(options.providers.map((provider) => [provider.type, provider]));
  const providers = new Map<string, ConfiguredProvider>();
  for (const [id, entry] of Object.entries(config.providers)) {
    const provider = known.get(entry.type);
    if (!provider) {
      const types = [...known.keys()].join(', ');
      issues.push({
        path: `providers.${id}.type`,
        message: `no provider type "${entry.type}"; there are: ${types}`,
      });
      continue;
    }
    const url = new URL(entry.baseUrl ?? provider.defaultBaseUrl);
    if (url.username || url.password || url.search || url.hash) {
      issues.push({
        path: `providers.${id}.baseUrl`,
        message: 'must be scheme, host and path only: no user, query or fragment',
      });
    }
    const entries =
      entry.credentials ?? (entry.apiKey === undefined ? [] : [{ id: 'default', apiKey: entry.apiKey }]);
    if (entries.length === 0)
      issues.push({ path: `providers.${id}`, message: 'needs apiKey or credentials' });
    const credentials: Credential[] = [];
    for (const [index, credential] of entries.entries()) {
      const path = entry.credentials
        ? `providers.${id}.credentials[${index}].apiKey`
        : `providers.${id}.apiKey`;
      try {
        const secret = resolveSecret(path, credential.apiKey, options.environment);
        const name = `${id}#${credential.id}`;
        credentials.push({ id: name, secret, pool: `${name}@${options.id}` });
      } catch (error) {
        issues.push({ path, message: (error as Error).message.replace(`${path}: `, '') });
      }
    }
    const basePath = url.pathname.replace(/\/+$/, '');
    providers.set(id, {
      id,
      provider,
      origin: url.origin,
      basePath,
      credentials,
      config: withoutKeys(entry),
    });
  }
  return providers;
}

function compileModels(
  config: ParsedConfig,
  providers: ReadonlyMap<string, ConfiguredProvider>,
  issues: ConfigIssue[],
) {
  const byName = new Map<string, Model>();
  const patterns: Model[] = [];
  const disabled = new Set<string>();
  const listed: ListedModel[] = [];
  for (const [name, entry] of Object.entries(config.models)) {
    const isPattern = name.endsWith('*');
    if (isPattern && entry.aliases.length > 0) {
      issues.push({ path: `models.${name}.aliases`, message: 'a pattern cannot have aliases' });
    }
    const targets = entry.targets.flatMap((target, index) => {
      const found = compileTarget(target, name, providers);
      if (!found) {
        const wanted = typeof target === 'string' ? target.split('/')[0] : target.provider;
        issues.push({
          path: `models.${name}.targets[${index}]`,
          message: `no provider "${wanted}" is configured`,
        });
      }
      return found ?? [];
    });
    if (!entry.enabled) {
      // a pattern must not bring back what is switched off by name
      for (const alias of [name, ...entry.aliases]) disabled.add(alias);
      continue;
    }
    const model: Model = {
      name,
      targets,
      price: entry.price && toPrice(entry.price),
      maxOutputTokens: entry.maxOutputTokens,
    };
    if (isPattern) {
      patterns.push(model);
      continue;
    }
    for (const alias of [name, ...entry.aliases]) {
      if (byName.has(alias)) {
        issues.push({ path: `models.${name}`, message: `the name "${alias}" is taken by another model` });
      }
      byName.set(alias, model);
    }
    listed.push(toListed(name, entry));
  }
  return { byName, patterns, disabled, listed };
}

function toListed(id: string, entry: ModelConfig): ListedModel {
  return {
    id,
    ...(entry.displayName !== undefined && { displayName: entry.displayName }),
    ...(entry.ownedBy !== undefined && { ownedBy: entry.ownedBy }),
  };
}

function compileTarget(
  target: ModelConfig['targets'][number],
  modelName: string,
  providers: ReadonlyMap<string, ConfiguredProvider>,
): Target | undefined {
  let providerId: string;
  let model: string | undefined;
  if (typeof target === 'string') {
    const slash = target.indexOf('/');
    providerId = slash < 0 ? target : target.slice(0, slash);
    model = slash < 0 ? undefined : target.slice(slash + 1);
  } else {
    providerId = target.provider;
    model = target.model;
  }
  const provider = providers.get(providerId);
  if (!provider) return undefined;
  const upstreamModel = model ?? modelName;
  return { id: `${providerId}/${upstreamModel}`, provider, model: upstreamModel };
}

/** Puts what a pattern's `*` stood for into the target's model name. */
function fillPattern(target: Target, pattern: string, name: string): Target {
  if (!target.model?.endsWith('*')) return target;
  const model = target.model === pattern ? name : target.model.slice(0, -1) + name.slice(pattern.length - 1);
  return { id: `${target.provider.id}/${model}`, provider: target.provider, model };
}
