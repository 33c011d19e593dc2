import type { SecretStore } from '../stores/secret-store.ts';
import type { ConfigIssue } from './config-error.ts';
import type { GatewayConfig } from './schema.ts';

/** Finds where a configuration names a stored secret that is missing or for something else. */
export async function findMissingSecrets(
  config: GatewayConfig,
  secrets: Pick<SecretStore, 'findSecret'>,
): Promise<ConfigIssue[]> {
  const issues: ConfigIssue[] = [];
  for (const [provider, entry] of Object.entries(config.providers ?? {})) {
    const places: [string, unknown][] = [[`providers.${provider}.apiKey`, entry.apiKey]];
    for (const [index, credential] of (entry.credentials ?? []).entries()) {
      places.push([`providers.${provider}.credentials[${index}].apiKey`, credential.apiKey]);
    }
    for (const [path, source] of places) {
      const id = storedId(source);
      if (id === undefined) continue;
      const message = await describeProblem(id, provider, secrets);
      if (message !== undefined) issues.push({ path, message });
    }
  }
  return issues;
}

async function describeProblem(
  id: string,
  provider: string,
  secrets: Pick<SecretStore, 'findSecret'>,
): Promise<string | undefined> {
  const found = await secrets.findSecret(id);
  const name = JSON.stringify(id);
  if (found === null) {
    return `no secret ${name} is stored; store it first: headgate providers set-secret ${provider} --id ${id}`;
  }
  if (found.provider !== provider) return `the secret ${name} is for the provider "${found.provider}"`;
  return found.scope === 'gateway' ? undefined : `the secret ${name} is a ${found.scope}'s own`;
}

function storedId(source: unknown): string | undefined {
  if (typeof source !== 'object' || source === null || !('store' in source)) return undefined;
  return typeof source.store === 'string' ? source.store : undefined;
}
