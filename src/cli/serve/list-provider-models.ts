import { modelNameSchema } from '../../config/schema/parts.ts';
import type { GatewayConfig } from '../../config/schema.ts';
import type { ConfiguredProvider, Snapshot } from '../../config/snapshot.ts';
import type { DialectFamily } from '../../dialects/dialect.ts';
import { fetchJson } from '../../identity/fetch-json.ts';
import type { Runtime } from '../../runtime.ts';
import type { Egress } from '../../upstream/egress.ts';

/** What providers say about their models. */
export interface ProviderModels {
  /** Catalog entries, for the names that match its patterns. */
  readonly models: GatewayConfig['models'];
  /** Why some could not be asked, one text for each provider. */
  readonly failures: readonly string[];
}

/** The time for all providers together, and how much each may return. */
const timeoutMs = 2_000;
const maxBytes = 4 * 1024 * 1024;
const maxModels = 1_000;

const requests: Readonly<
  Record<DialectFamily, { readonly path: string; readonly headers: readonly string[] }>
> = {
  openai: { path: '/models', headers: [] },
  anthropic: { path: '/v1/models?limit=1000', headers: ['anthropic-version', '2023-06-01'] },
  gemini: { path: '/v1beta/models?pageSize=1000', headers: [] },
};

/**
 * Asks every provider which models it has. A catalog of patterns serves them all but can list none of them; with these
 * entries it lists what there is, so that clients that ask have something to choose from.
 */
export async function listProviderModels(
  { providers, findModel }: Pick<Snapshot, 'providers' | 'findModel'>,
  egress: Egress,
  runtime: Runtime,
): Promise<ProviderModels> {
  const models: GatewayConfig['models'] = {};
  const failures: string[] = [];
  const asked = [...providers.values()].map(async (entry) => ({
    entry,
    names: await namesOf(entry, egress, runtime),
  }));
  for (const end of await Promise.allSettled(asked)) {
    if (end.status === 'rejected') {
      failures.push((end.reason as Error).message);
      continue;
    }
    const { entry, names } = end.value;
    for (const name of names) {
      // skips names that the patterns give to another provider, or to none
      const isServed = findModel(name)?.targets.some(({ provider }) => provider.id === entry.id);
      if (isServed) models[name] ??= { targets: [entry.id] };
    }
  }
  return { models, failures };
}

async function namesOf(entry: ConfiguredProvider, egress: Egress, runtime: Runtime): Promise<string[]> {
  const { provider, origin, basePath, credentials } = entry;
  const [credential] = credentials;
  if (!credential) return [];
  const { path, headers } = requests[provider.family];
  const secret = credential.source.current();
  const answer = await fetchJson(
    {
      egress,
      runtime,
      timeoutMs,
      maxBytes,
      pool: `models of ${entry.id}`,
      signal: new AbortController().signal,
      headers: [...provider.authenticate(secret.reveal()), ...headers],
    },
    new URL(origin + basePath + path),
  );
  const { data, models } = (answer ?? {}) as { readonly data?: unknown; readonly models?: unknown };
  const listed = [data, models].find(Array.isArray) ?? [];
  return listed
    .slice(0, maxModels)
    .map((model: { readonly id?: unknown; readonly name?: unknown } | null) =>
      String(model?.id ?? model?.name).replace(/^models\//, ''),
    )
    .filter((name) => !name.includes('*') && modelNameSchema().safeParse(name).success)
    .sort();
}
