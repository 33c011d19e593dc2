import { createConfigService } from '../../../src/config/config-service.ts';
import type { GatewayConfig } from '../../../src/config/schema.ts';
import { compileConfig } from '../../../src/config/snapshot.ts';
import type { IssuedKey } from '../../../src/keys/issue-key.ts';
import { createKeyService } from '../../../src/keys/key-service.ts';
import { createNoPepperRing } from '../../../src/keys/no-pepper.ts';
import { builtInProviders } from '../../../src/providers/index.ts';
import type { KeyEncryptionRing } from '../../../src/secrets/key-encryption-ring.ts';
import { createVaultAdmin } from '../../../src/secrets/vault-admin.ts';
import type { Stores } from '../../../src/stores/stores.ts';
import { toSecretText } from './client.ts';
import { insist } from './insist.ts';

/** Who changes what the nodes follow: a process of its own beside them, with its own connections. */
export interface Site {
  createKey(): Promise<IssuedKey>;
  revoke(kid: string): Promise<void>;
  /** A new secret; the old one ends at once. */
  rotate(kid: string): Promise<IssuedKey>;
  /** Puts a model into the catalog and the profile. One at a time. */
  addModel(name: string): Promise<void>;
  /** Takes it out of the profile. It stays in the catalog until the next one comes. */
  removeModel(name: string): Promise<void>;
  /** Replaces the provider's secret by the one with this number. */
  putSecret(number: number): Promise<void>;
}

/** A model that is always there. */
export const steadyModel = 'steady';

const author = 'verify';
const secretId = 'main';

/** Stores what the nodes begin with. */
export async function createSite(
  stores: Stores,
  ring: KeyEncryptionRing,
  upstreamUrl: string,
): Promise<Site> {
  await stores.migrate();
  const keys = createKeyService({ store: stores.keys, peppers: createNoPepperRing() });
  const vault = createVaultAdmin({ store: stores.secrets, ring });
  const config = createConfigService({
    store: stores.config,
    keys: stores.keys,
    secrets: stores.secrets,
    check,
  });
  const apply = async (catalog: readonly string[], allowed: readonly string[]): Promise<void> => {
    const version = toConfig(upstreamUrl, { store: secretId }, catalog, allowed);
    await insist(() => config.apply(version, { author }));
  };
  const putSecret = async (number: number): Promise<void> => {
    await insist(() => vault.put({ id: secretId, provider: 'main', text: toSecretText(number), author }));
  };
  await putSecret(0);
  await apply([], []);
  return {
    createKey: () => insist(() => keys.create({ team: 'payments' }, author)),
    async revoke(kid) {
      await insist(() => keys.revoke(kid));
    },
    rotate: (kid) => insist(() => keys.rotate(kid, { graceMs: 0 })),
    addModel: (name) => apply([name], [name]),
    removeModel: (name) => apply([name], []),
    putSecret,
  };
}

/** One provider, one team, and the models besides the steady one. */
export function toConfig(
  upstreamUrl: string,
  apiKey: string | { readonly store: string },
  catalog: readonly string[],
  allowed: readonly string[],
): GatewayConfig {
  const entries = [steadyModel, ...catalog].map((name) => [name, { targets: ['main/gpt-4.1'] }]);
  return {
    providers: { main: { type: 'openai', baseUrl: `${upstreamUrl}/v1`, apiKey } },
    models: Object.fromEntries(entries),
    profiles: { standard: { models: [steadyModel, ...allowed] } },
    teams: { payments: { profile: 'standard' } },
  };
}

/** What no gateway could use is not stored. Secrets are not opened for it. */
function check(config: GatewayConfig): void {
  const providers = Object.entries(config.providers).map(([name, provider]) => [
    name,
    { ...provider, apiKey: 'not-opened-here' },
  ]);
  const readable = { ...config, providers: Object.fromEntries(providers) };
  compileConfig(readable, { id: 'check', providers: builtInProviders, environment: {} }).close();
}
