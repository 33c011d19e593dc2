import { parseKey } from '../keys/key-format.ts';
import type { GatewayConfig } from './schema.ts';

/** A provider described by environment variables. */
interface EnvironmentProvider {
  readonly id: string;
  /** Variables that may hold the credential; the first one set is used. */
  readonly keys: readonly string[];
  /** Variables that may hold the address. */
  readonly baseUrls: readonly string[];
  /** Names of the models that it serves. */
  readonly models: readonly string[];
}

const providers: readonly EnvironmentProvider[] = [
  {
    id: 'openai',
    keys: ['OPENAI_API_KEY'],
    baseUrls: ['OPENAI_BASE_URL'],
    models: [
      'gpt-*',
      'chatgpt-*',
      'o*',
      'codex-*',
      'computer-use-*',
      'text-embedding-3-*',
      'text-embedding-ada-002',
      'text-moderation-*',
      'dall-e-*',
      'whisper-*',
      'tts-*',
      'sora-*',
      'babbage-*',
      'davinci-*',
      'ft:*',
    ],
  },
  {
    id: 'anthropic',
    keys: ['ANTHROPIC_API_KEY'],
    baseUrls: ['ANTHROPIC_BASE_URL'],
    models: ['claude-*'],
  },
  {
    id: 'gemini',
    keys: ['GEMINI_API_KEY', 'GOOGLE_API_KEY'],
    baseUrls: ['GEMINI_BASE_URL', 'GOOGLE_GEMINI_BASE_URL'],
    models: ['gemini-*', 'gemma-*', 'imagen-*', 'veo-*', 'text-embedding-004', 'embedding-001'],
  },
];

/** What to do without a file or variable. */
export const environmentHint =
  'none of OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY and GOOGLE_API_KEY is set. Set one, or write a configuration file.';

/** A configuration from environment variables. */
export interface EnvironmentConfig {
  readonly config: GatewayConfig;
  /** Names of the variables that it came from. */
  readonly variables: readonly string[];
}

/**
 * Makes a configuration from the variables that the providers' own SDKs read: `OPENAI_API_KEY`,
 * `ANTHROPIC_API_KEY`, `GEMINI_API_KEY` or `GOOGLE_API_KEY`, with `OPENAI_BASE_URL` (including `/v1`),
 * `ANTHROPIC_BASE_URL` and `GEMINI_BASE_URL` (without version) for other addresses. Each provider serves the models
 * that are named like its own; a single provider serves every name. `HEADGATE_KEYS` may hold a JSON array of key
 * records as `headgate keys create` prints them; every team they name gets a profile for all models.
 *
 * @returns undefined if no provider's key is set
 * @throws TypeError if a variable cannot be used, naming it but never showing its value
 */
export function configFromEnvironment(environment: NodeJS.ProcessEnv): EnvironmentConfig | undefined {
  const found = providers.flatMap((provider) => {
    const key = firstSet(environment, provider.keys);
    return key === undefined ? [] : [{ provider, key, baseUrl: firstSet(environment, provider.baseUrls) }];
  });
  if (found.length === 0) return undefined;
  for (const { key } of found) refuseOwnKey(environment, key);
  const config: GatewayConfig = {
    providers: Object.fromEntries(
      found.map(({ provider, key, baseUrl }) => [
        provider.id,
        {
          type: provider.id,
          apiKey: { env: key },
          ...(baseUrl !== undefined && { baseUrl: environment[baseUrl] as string }),
        },
      ]),
    ),
    models: Object.fromEntries(
      found.flatMap(({ provider }) =>
        [...provider.models, ...(found.length === 1 ? ['*'] : [])].map((name) => [
          name,
          { targets: [provider.id] },
        ]),
      ),
    ),
  };
  const variables = found.flatMap(({ key, baseUrl }) => (baseUrl === undefined ? [key] : [key, baseUrl]));
  const keys = readKeys(environment.HEADGATE_KEYS);
  if (keys === undefined || keys.length === 0) return { config, variables };
  const teams = [...new Set(keys.map((key) => key.team))];
  return {
    config: {
      ...config,
      keys,
      profiles: { default: { models: ['*'] } },
      teams: Object.fromEntries(teams.map((team) => [team, { profile: 'default' }])),
    },
    variables: [...variables, 'HEADGATE_KEYS'],
  };
}

function firstSet(environment: NodeJS.ProcessEnv, names: readonly string[]): string | undefined {
  return names.find((name) => (environment[name] ?? '').trim() !== '');
}

/** What `headgate serve` prints is easily pasted into the shell that starts it. */
function refuseOwnKey(environment: NodeJS.ProcessEnv, name: string): void {
  if (!parseKey((environment[name] as string).trim())) return;
  throw new TypeError(`${name} holds a Headgate key. The gateway needs the provider's own key there.`);
}

function readKeys(text: string | undefined): NonNullable<GatewayConfig['keys']> | undefined {
  if (text === undefined || text.trim() === '') return undefined;
  let keys: unknown;
  try {
    keys = JSON.parse(text);
  } catch {
    throw new TypeError('HEADGATE_KEYS is not valid JSON.');
  }
  const isRecords =
    Array.isArray(keys) &&
    keys.every(
      (key: unknown) =>
        typeof key === 'object' && key !== null && typeof (key as { team?: unknown }).team === 'string',
    );
  if (!isRecords)
    throw new TypeError(
      'HEADGATE_KEYS must be a JSON array of key records, as `headgate keys create` prints them.',
    );
  return keys as NonNullable<GatewayConfig['keys']>;
}
