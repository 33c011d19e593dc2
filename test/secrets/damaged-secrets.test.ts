import {
  createKeyEncryptionRing,
  createNoPepperRing,
  createVault,
  isSecretError,
  openGateway,
  type SecretRecord,
  type Stores,
} from 'headgate';
import { createFakeUpstream } from 'headgate/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { administer, backends, sendTo } from '../backends.ts';
import { chat, readText } from '../harness.ts';

const keys = { k1: new Uint8Array(32).fill(7), k2: new Uint8Array(32).fill(8) };
const secrets = { main: 'sk-canary-of-main', spare: 'sk-canary-of-spare' };

type Damage = (record: SecretRecord, stores: Stores) => Promise<string>;

/** What becomes of the row of the first credential, by how it is damaged. */
const damages: Readonly<Record<string, Damage>> = {
  'swapped with another row': async (_, { secrets }) =>
    ((await secrets.findSecret('spare')) as SecretRecord).sealed,
  'with a byte flipped': async ({ sealed }) => {
    const at = sealed.length - 10;
    return `${sealed.slice(0, at)}${sealed[at] === 'A' ? 'B' : 'A'}${sealed.slice(at + 1)}`;
  },
  'cut short': async ({ sealed }) => sealed.slice(0, -4),
  'in plain text': async () => secrets.main,
};

/** A gateway whose model has two credentials from the store, one for each provider entry. */
async function start(place: Awaited<ReturnType<(typeof backends)[string]>>, damage: Damage | undefined) {
  const upstream = await createFakeUpstream();
  onTestFinished(() => upstream.close());
  const stores = place.open();
  await stores.migrate();
  const operator = administer(stores);
  const entry = (id: string) =>
    ({ type: 'openai', apiKey: { store: id }, baseUrl: `${upstream.url}/v1` }) as const;
  await operator.apply({
    providers: { main: entry('main'), spare: entry('spare') },
    models: {
      'gpt-4.1': { targets: ['main/gpt-4.1', 'spare/gpt-4.1'] },
      'gpt-4.1-mini': { targets: ['main'] },
    },
    profiles: { standard: {} },
    teams: { web: { profile: 'standard' } },
  });
  const sealing = (current: 'k1' | 'k2') => createKeyEncryptionRing({ current, keys });
  for (const [id, text] of Object.entries(secrets)) {
    const vault = createVault({ store: stores.secrets, ring: sealing(id === 'main' ? 'k1' : 'k2') });
    await vault.put({ id, provider: id, text });
    await vault.close();
  }
  if (damage) {
    const record = (await stores.secrets.findSecret('main')) as SecretRecord;
    const changed = { ...record, sealed: await damage(record, stores), version: record.version + 1 };
    expect(await stores.secrets.putSecret(changed, record.version)).toBe(true);
  }
  const { key } = await operator.keys.create({ team: 'web' }, 'ops');
  const errors: unknown[] = [];
  const gateway = await openGateway({
    stores,
    peppers: createNoPepperRing(),
    // without damage it is the key of the first one that is gone
    secretKeys: createKeyEncryptionRing({ current: 'k2', keys: damage ? keys : { k2: keys.k2 } }),
    onError: (error) => errors.push(error),
  });
  onTestFinished(() => gateway.close());
  const ask = async (model: string) => {
    const reply = await sendTo(gateway, '/v1/chat/completions', chat({ model }), {
      authorization: `Bearer ${key}`,
    });
    return { status: reply.status, text: await readText(reply) };
  };
  return { upstream, gateway, errors, ask };
}

describe.each(Object.entries(backends))('a stored credential, in %s', (_, createPlace) => {
  it.each([...Object.entries(damages), ['whose key is gone', undefined] as const])(
    '%s: nothing is sent with it, another one serves, and the operator is told once',
    async (_, damage) => {
      const { upstream, gateway, errors, ask } = await start(await createPlace(), damage);
      for (let time = 0; time < 3; time++) {
        expect((await ask('gpt-4.1')).status).toBe(200);
        const refused = await ask('gpt-4.1-mini');
        expect(refused.status).toBe(503);
        expect(refused.text).toContain('credential for this provider cannot be used');
        expect(refused.text).not.toContain('canary');
      }
      const sent = upstream.requests.map(({ headers }) => headers.authorization);
      expect(sent).toEqual(Array.from({ length: 3 }, () => `Bearer ${secrets.spare}`));
      const told = errors.filter((error) => isSecretError(error));
      expect(told.map(({ secret }) => secret)).toEqual(['main']);
      expect(JSON.stringify([gateway.records, errors.map(String)])).not.toContain('canary');
    },
  );
});
