import type { DialectFamily } from '../dialects/dialect.ts';
import type { Limit } from '../limits/limit.ts';
import type { Provider } from '../providers/provider.ts';
import type { Runtime } from '../runtime.ts';
import { Secret } from '../secrets/secret.ts';
import type { SecretError } from '../secrets/secret-error.ts';
import { createSecretSource } from '../secrets/secret-source.ts';
import type { Vault } from '../secrets/vault.ts';
import { compileLimits } from './compile-limits.ts';
import type { ConfigIssue } from './config-error.ts';
import { suggest } from './nearest-name.ts';
import { hiddenSecret } from './plain-config.ts';
import type { ParsedConfig, ProviderConfig } from './schema.ts';

/** Where a credential's secret comes from; `SecretSource` is one. */
export interface CredentialSource {
  /** The current secret, read at each attempt. @throws SecretError */
  current(): Secret;
  /** Resolves when there is one. @throws SecretError */
  ready(): Promise<void>;
  close(): void;
}

/** A credential of a provider. */
export interface Credential {
  /** `provider#credential`. */
  readonly id: string;
  readonly source: CredentialSource;
  /** Header that it is sent in as is, instead of the provider's own way. */
  readonly header?: string;
  /** Its share relative to the provider's other credentials. Undefined for all of them: they are used in order. */
  readonly weight?: number | undefined;
  /** Where requests with it are handled. Undefined: its provider's region. */
  readonly region?: string | undefined;
  readonly labels?: Readonly<Record<string, string>>;
  /** On what is sent with it: reserved for each attempt. @default none */
  readonly limits?: readonly Limit[];
}

/** A provider entry of the configuration, ready for use. */
export interface ConfiguredProvider {
  readonly id: string;
  readonly provider: Provider;
  readonly origin: string;
  /** Path of the base URL without a trailing slash. */
  readonly basePath: string;
  readonly credentials: readonly Credential[];
  /** Headers that every request carries; any of them may be a credential. */
  readonly headers: Readonly<Record<string, Secret>>;
  /** On what is sent with all its credentials together: reserved for each attempt, besides the credential's. */
  readonly limits: readonly Limit[];
  readonly config: ProviderConfig;
}

/** What compiling providers needs besides the configuration. */
export interface ProviderOptions {
  /** Id of the snapshot. */
  readonly id: string;
  readonly providers: readonly Provider[];
  readonly environment: NodeJS.ProcessEnv;
  readonly runtime?: Runtime | undefined;
  /** Where `{ store }` secrets are. */
  readonly vault?: Vault | undefined;
  /** Called when a secret cannot be fetched any more. */
  readonly onSecretError?: ((error: SecretError) => void) | undefined;
}

/** The providers of a configuration by id, with their secrets resolved. */
export function compileProviders(
  config: ParsedConfig,
  options: ProviderOptions,
  issues: ConfigIssue[],
): Map<string, ConfiguredProvider> {
  const known = new Map(options.providers.map((provider) => [provider.type, provider]));
  const compiled = new Map<string, ConfiguredProvider>();
  for (const [id, entry] of Object.entries(config.providers)) {
    // any stands in for a wrong type: only the type is reported, not also its targets without a provider
    const provider = known.get(entry.type) ?? (options.providers[0] as Provider);
    if (provider.type !== entry.type) {
      const types = [...known.keys()].join(', ');
      issues.push({
        path: `providers.${id}.type`,
        message: `no provider type "${entry.type}"; there are: ${types}${suggest(entry.type, known.keys())}`,
      });
    }
    const url = new URL(entry.baseUrl ?? provider.defaultBaseUrl);
    if (url.username || url.password || url.search || url.hash) {
      issues.push({
        path: `providers.${id}.baseUrl`,
        message: 'must be scheme, host and path only: no user, query or fragment',
      });
    }
    compiled.set(id, {
      id,
      provider,
      origin: url.origin,
      basePath: url.pathname.replace(/\/+$/, '').replace(provider.surplus ?? '', ''),
      credentials: compileCredentials(id, entry, options, issues),
      limits: compileLimits(entry.limits, `providers.${id}.limits`, `provider ${id}`, 'provider', issues),
      headers: mapValues(entry.headers, (text, name) => new Secret(`providers.${id}.headers.${name}`, text)),
      config: withoutKeys(entry),
    });
  }
  return compiled;
}

function compileCredentials(
  id: string,
  entry: ProviderConfig,
  options: ProviderOptions,
  issues: ConfigIssue[],
): Credential[] {
  const entries =
    entry.credentials ??
    (entry.apiKey === undefined
      ? []
      : [
          {
            id: 'default',
            apiKey: entry.apiKey,
            weight: undefined,
            region: undefined,
            labels: {},
            limits: [],
          },
        ]);
  if (entries.length === 0) issues.push({ path: `providers.${id}`, message: 'needs apiKey or credentials' });
  const seen = new Set<string>();
  return entries.flatMap((credential, index) => {
    const place = `providers.${id}.credentials[${index}]`;
    const path = entry.credentials ? `${place}.apiKey` : `providers.${id}.apiKey`;
    // breakers, cool-downs and records are keyed by it
    if (seen.has(credential.id)) {
      issues.push({
        path: `${place}.id`,
        message: `the id "${credential.id}" is used twice; give each its own`,
      });
    }
    seen.add(credential.id);
    try {
      const { environment, runtime, vault, onSecretError } = options;
      const source = createSecretSource(path, credential.apiKey, {
        environment,
        provider: id,
        ...(runtime && { runtime }),
        ...(vault && { vault }),
        ...(onSecretError && { onError: onSecretError }),
      });
      const { weight, region, labels } = credential;
      const name = `${id}#${credential.id}`;
      const origin = `credential ${name}`;
      const limits = compileLimits(credential.limits, `${place}.limits`, origin, 'credential', issues);
      return [{ id: name, source, weight, region, labels, limits }];
    } catch (error) {
      issues.push({ path, message: (error as Error).message.replace(`${path}: `, '') });
      return [];
    }
  });
}

/** The part of the configuration that may be shown: only the credentials hold secrets. */
export function withoutSecrets(config: ParsedConfig): ParsedConfig {
  const providers = Object.entries(config.providers).map(([id, entry]) => [id, withoutKeys(entry)]);
  return { ...config, providers: Object.fromEntries(providers) };
}

function withoutKeys({
  apiKey: _apiKey,
  credentials: _credentials,
  ...entry
}: ProviderConfig): ProviderConfig {
  return { ...entry, headers: mapValues(entry.headers, () => hiddenSecret) };
}

function mapValues<Value>(
  of: Readonly<Record<string, string>>,
  to: (value: string, name: string) => Value,
): Record<string, Value> {
  return Object.fromEntries(Object.entries(of).map(([name, value]) => [name, to(value, name)]));
}

/** The first provider of each family, for calls that name no model. */
export function firstOfFamilies(
  providers: ReadonlyMap<string, ConfiguredProvider>,
): ReadonlyMap<DialectFamily, ConfiguredProvider> {
  const first = new Map<DialectFamily, ConfiguredProvider>();
  for (const entry of providers.values()) {
    if (!first.has(entry.provider.family)) first.set(entry.provider.family, entry);
  }
  return first;
}
