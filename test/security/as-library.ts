import {
  type Arrival,
  createFetchEgress,
  createGateway,
  createKeyEncryptionRing,
  createMemorySecretStore,
  createMemoryStores,
  createPepperRing,
  createPipeline,
  createSecretSource,
  createVault,
  type GatewayConfig,
  type KeyRecord,
  openSecret,
  sealSecret,
} from 'headgate';
import { toConfiguration } from './configuration.ts';
import { explain, lookAt } from './look-at.ts';
import { makeKeys, owners, provisionByServices } from './provisioning.ts';
import { runTraffic, type TrafficKeys } from './traffic.ts';
import type { World } from './world.ts';

/** A gateway whose configuration is code: secrets as they are and of functions, keys in the configuration, records in memory. */
export async function runAsLibrary(world: World): Promise<Map<string, number>> {
  const { sentinels, upstream, peppers } = world;
  const label = 'library';
  const report = world.reportTo(label);
  const literal = sentinels.makeAwkward('provider: as it is (library)');
  const named = sentinels.make('provider: of a credential with a label (library)', 'sk-');
  const called = sentinels.make('provider: of a function (library)', 'sk-ant-');
  const promised = sentinels.makeAwkward('provider: of a function that takes time (library)');
  const inHeader = sentinels.make('provider: in a header of the configuration (library)');
  const ring = createKeyEncryptionRing({ current: 'k1', keys: { k1: world.keyEncryptionKey } });
  const stores = createMemoryStores();
  const vault = createVault({ store: stores.secrets, ring, onError: report });
  await vault.load();
  const provisioner = provisionByServices(stores, peppers.ring, ring);
  const own = sentinels.make('provider: of a user (library)', 'sk-');
  for (const provider of ['openai', 'anthropic']) {
    const scope = { scope: 'user', subject: owners.user } as const;
    await vault.put({ id: `own-${provider}`, provider, ...scope, text: own, author: 'canary' });
  }
  const rings = { current: peppers.ring, old: peppers.old };
  const made = await makeKeys(provisioner, stores, rings, sentinels, label);
  const keys: TrafficKeys = { ...made, tokens: world.tokens, badTokens: world.badTokens };
  const records = await stores.keys.listKeys({ limit: 100 });
  let isFailing = false;
  const config: GatewayConfig = {
    ...toConfiguration({
      openai: {
        type: 'openai',
        baseUrl: `${upstream.url}/v1`,
        credentials: [
          { id: 'one', apiKey: literal },
          { id: 'two', apiKey: named, labels: { for: 'canary' } },
        ],
        headers: { 'x-canary-key': inHeader },
      },
      anthropic: { type: 'anthropic', baseUrl: upstream.url, apiKey: () => called },
      gemini: {
        type: 'gemini',
        baseUrl: upstream.url,
        apiKey: async () => {
          if (isFailing) throw new Error('The vault of the host is sealed.');
          return promised;
        },
      },
    }),
    keys: records as readonly KeyRecord[],
  };
  const options = { peppers: peppers.ring, vault, onError: report };
  const gateway = createGateway(config, { ...options, identities: world.identities(label) });
  const statuses = await runTraffic({ ...world, label, gateway, keys });
  await lookAt(world, label, gateway, stores, keys);
  isFailing = true;
  await refuseUpdates(world, gateway, config, literal);
  await explain(world, `${label}: after refused updates`, gateway, keys.team.standard);
  await gateway.close({ drainMs: 1_000 });

  const second = createGateway(config, { ...options, egress: createFetchEgress() });
  await runTraffic({ ...world, label: `${label} with fetch`, gateway: second, keys });
  await second.close({ drainMs: 1_000 });

  const throwing = createGateway(config, {
    ...options,
    pipeline: () =>
      createPipeline<Arrival>().end({
        name: 'broken',
        run: async ({ request }) => {
          throw new TypeError(`a bug of the host at ${request.path}`);
        },
      }),
  });
  await throwing.fetch(
    new Request('http://gateway.test/v1/models', {
      headers: { authorization: `Bearer ${keys.team.standard}` },
    }),
  );
  await throwing.close({ drainMs: 1 });
  await vault.close();
  await misuseApi(world);
  return statuses;
}

async function refuseUpdates(
  world: World,
  gateway: ReturnType<typeof createGateway>,
  config: GatewayConfig,
  literal: string,
): Promise<void> {
  const { providers, ...rest } = config;
  const openai = providers.openai as GatewayConfig['providers'][string];
  const entries: readonly object[] = [
    { ...openai, apiKey: literal },
    { ...openai, credentials: [{ id: 'one', apiKey: { value: literal } }] },
    { ...openai, credentials: [{ id: 'one', apiKey: `${literal}\n${literal}` }] },
    { ...openai, credentials: [{ id: 'one', apiKey: { env: literal } }] },
    { ...openai, credentials: [{ id: 'one', apiKey: () => `${literal} ${literal}` }] },
    { ...openai, headers: { Authorization: literal } },
    { ...openai, headers: { authorization: [literal] } },
    { ...openai, type: 'none' },
  ];
  for (const [index, entry] of entries.entries()) {
    const wrong = { ...rest, providers: { ...providers, openai: entry } } as GatewayConfig;
    await world.mustThrow(`library: update ${index}`, () => gateway.update(wrong));
    await world.mustThrow(`library: configuration ${index}`, () => createGateway(wrong));
  }
}

/** Mistakes of a programmer, with secrets in the arguments. */
async function misuseApi(world: World): Promise<void> {
  const { sentinels, mustThrow } = world;
  const short = sentinels.make('pepper: too short');
  const odd = sentinels.makeAwkward('pepper: not base64');
  const text = sentinels.make('provider secret that cannot be stored', 'sk-');
  await mustThrow('peppers', () => createPepperRing({ current: 'p', peppers: { p: short.slice(0, 24) } }));
  await mustThrow('peppers', () => createPepperRing({ current: 'p', peppers: { p: odd } }));
  await mustThrow('peppers', () => createPepperRing({ current: 'q', peppers: { p: `${short}${short}` } }));
  await mustThrow('keys', () => createKeyEncryptionRing({ current: 'k', keys: { k: short } }));
  await mustThrow('keys', () => createKeyEncryptionRing({ current: 'k', keys: { k: Buffer.from(odd) } }));
  await mustThrow('keys', () => createKeyEncryptionRing({ current: 'k', keys: { k: { env: 'NONE' } } }));
  await mustThrow('source', () => createSecretSource('a', `${text}\n${text}`));
  await mustThrow('source', () => createSecretSource('a', () => `${text} ${text}`));
  await mustThrow('source', () => createSecretSource('a', () => Buffer.from(text) as unknown as string));
  const ring = createKeyEncryptionRing({ current: 'k1', keys: { k1: world.keyEncryptionKey } });
  const other = createKeyEncryptionRing({ current: 'k2', keys: { k2: Buffer.alloc(32, 1) } });
  const vault = createVault({ store: createMemorySecretStore(), ring });
  const secret = { id: 'a', provider: 'openai', author: 'canary' };
  await mustThrow('vault', () => vault.put({ ...secret, text: `${text}\r\n${text}` }));
  await mustThrow('vault', () => vault.put({ ...secret, id: 'a b', text }));
  await mustThrow('vault', () => vault.put({ ...secret, text: Buffer.from(text) as unknown as string }));
  await vault.put({ ...secret, text });
  await mustThrow('vault', () => vault.put({ ...secret, provider: 'anthropic', text }));
  await vault.close();
  const binding = { id: 'a', provider: 'openai', scope: 'gateway', createdAtMs: 1, version: 1 } as const;
  const sealed = await sealSecret(ring, text, binding);
  world.evidence.addObject('inspected objects', 'sealed secret', sealed);
  await mustThrow('envelope', () => openSecret(other, sealed, binding));
  await mustThrow('envelope', () => openSecret(ring, sealed, { ...binding, version: 2 }));
  await mustThrow('envelope', () => openSecret(ring, `${sealed.slice(0, -6)}AAAAAA`, binding));
  world.evidence.addObject('inspected objects', 'rings', [ring, other]);
}
