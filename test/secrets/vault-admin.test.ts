import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { NewSecret } from '../../src/secrets/new-secret.ts';
import type { Secret } from '../../src/secrets/secret.ts';
import { createVaultAdmin } from '../../src/secrets/vault-admin.ts';
import { createMemorySecretStore } from '../../src/stores/memory/memory-secret-store.ts';
import type { SecretStore } from '../../src/stores/secret-store.ts';
import { canary, createRing, createTestVault, keyBytes } from './fixture.ts';

const main: NewSecret = { id: 'openai-main', provider: 'openai', text: canary, author: 'alice' };

describe('storing a secret', () => {
  it('tells what is known of it and nothing of the text', async () => {
    const { vault, runtime } = createTestVault();
    const info = await vault.put({ ...main, label: 'main account' });
    const nowMs = runtime.now();
    expect(info).toEqual({
      id: 'openai-main',
      provider: 'openai',
      scope: 'gateway',
      label: 'main account',
      createdAtMs: nowMs,
      createdBy: 'alice',
      rotatedAtMs: nowMs,
      version: 1,
      keyId: 'k1',
    });
    expect(await vault.list()).toEqual([info]);
  });

  it('again replaces the text, keeps label and maker, and counts on', async () => {
    const { vault, runtime } = createTestVault();
    const first = await vault.put({ ...main, label: 'main account' });
    runtime.advance(5_000);
    const second = await vault.put({ ...main, text: 'sk-new', author: 'bob' });
    expect(second).toEqual({ ...first, rotatedAtMs: first.rotatedAtMs + 5_000, version: 2 });
    expect(await vault.put({ ...main, label: 'other' })).toMatchObject({ label: 'other', version: 3 });
  });

  it('takes a text with a line end as the text without it', async () => {
    const { vault } = createTestVault();
    await vault.put({ ...main, text: ` ${canary}\r\n` });
    await vault.load();
    expect((vault.get('openai-main') as Secret).reveal()).toBe(canary);
  });

  it.each<[string, Partial<Record<keyof NewSecret, unknown>>, RegExp]>([
    ['an empty id', { id: '' }, /"id" must be/],
    ['an id with a space', { id: 'a b' }, /"id" must be/],
    ['an id of 129 characters', { id: 'a'.repeat(129) }, /"id" must be/],
    ['no id', { id: undefined }, /"id" must be/],
    ['an id with a line end', { id: 'a\n' }, /"id" must be/],
    ['a provider with a slash', { provider: 'a/b' }, /"provider" must be/],
    ['another scope', { scope: 'team' }, /"scope" must be/],
    ['a subject of the gateway', { subject: 'alice' }, /"subject" must be left out/],
    ['no subject of a user', { scope: 'user' }, /"subject" must be the user/],
    ['an empty subject', { scope: 'project', subject: '' }, /"subject" must be the project/],
    [
      'a subject with a control character',
      { scope: 'user', subject: 'a\u0000' },
      /"subject" must be the user/,
    ],
    ['half a surrogate pair', { scope: 'user', subject: 'a\ud800' }, /"subject" must be the user/],
    ['a label that is too long', { label: 'a'.repeat(201) }, /"label" must be/],
    ['an empty text', { text: ' \n' }, /the secret is empty/],
    ['a text with a line inside', { text: `${canary}\nx: y` }, /characters that no header can carry/],
    ['a text that is too long', { text: 'a'.repeat(16_385) }, /longer than 16384/],
    ['no text', { text: undefined }, /"text" must be/],
  ])('is refused with %s, naming it', async (_, change, message) => {
    const { vault } = createTestVault();
    const error = await Promise.resolve()
      .then(() => vault.put({ ...main, ...change } as NewSecret))
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'secret_invalid', message: expect.stringMatching(message) });
    expect(inspect(error, { depth: 9 })).not.toContain('canary');
    expect(await vault.list()).toEqual([]);
  });

  it('is refused when the id belongs to another provider or owner', async () => {
    const { vault } = createTestVault();
    await vault.put({ ...main, id: 'x', scope: 'user', subject: 'alice' });
    for (const change of [
      { scope: 'user', subject: 'bob' },
      { scope: 'project', subject: 'alice' },
      {},
      { scope: 'user', subject: 'alice', provider: 'anthropic' },
    ] as const) {
      await expect(vault.put({ ...main, id: 'x', ...change })).rejects.toMatchObject({
        code: 'secret_mismatch',
      });
    }
    expect(await vault.list()).toHaveLength(1);
  });

  it('by several at once ends in one version for each that was told of success', async () => {
    const store = createMemorySecretStore();
    const ring = createRing();
    const admins = Array.from({ length: 20 }, () => createVaultAdmin({ store, ring }));
    const outcomes = await Promise.allSettled(
      admins.map((admin, index) => admin.put({ ...main, text: `sk-${index}` })),
    );
    const won = outcomes
      .filter((outcome) => outcome.status === 'fulfilled')
      .map(({ value }) => value.version);
    const lost = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => reason.code);
    expect(won.sort((one, other) => one - other)).toEqual(won.map((_, index) => index + 1));
    expect(new Set(lost)).toEqual(new Set(lost.length > 0 ? ['secret_conflict'] : []));
    expect((await store.findSecret('openai-main'))?.version).toBe(won.length);
  });

  it('gives up after five tries when others are always faster', async () => {
    let tries = 0;
    const putSecret: SecretStore['putSecret'] = async () => {
      tries++;
      return false;
    };
    const admin = createVaultAdmin({
      store: { ...createMemorySecretStore(), putSecret },
      ring: createRing(),
    });
    await expect(admin.put(main)).rejects.toMatchObject({ code: 'secret_conflict' });
    expect(tries).toBe(5);
  });

  it('throws what the store throws', async () => {
    const { vault, gate } = createTestVault();
    gate.break();
    await expect(vault.put(main)).rejects.toThrow('connection refused');
    await expect(vault.remove('openai-main')).rejects.toThrow('connection refused');
    await expect(vault.list()).rejects.toThrow('connection refused');
    await expect(vault.rewrapAll()).rejects.toThrow('connection refused');
  });
});

describe('removing a secret', () => {
  it('tells whether there was one', async () => {
    const { vault } = createTestVault();
    await vault.put(main);
    expect(await vault.remove('openai-main')).toBe(true);
    expect(await vault.remove('openai-main')).toBe(false);
    expect(await vault.list()).toEqual([]);
  });

  it('by several at once succeeds for one', async () => {
    const admin = createVaultAdmin({ store: createMemorySecretStore(), ring: createRing() });
    await admin.put(main);
    const removed = await Promise.all(Array.from({ length: 10 }, () => admin.remove('openai-main')));
    expect(removed.filter(Boolean)).toHaveLength(1);
  });
});

describe('listing secrets', () => {
  it('goes page by page in the order of ids and says which key each is sealed under', async () => {
    const { vault, tamper, record } = createTestVault();
    for (const id of ['c', 'a', 'b']) await vault.put({ ...main, id });
    tamper({ ...(await record('c')), sealed: canary });
    const page = await vault.list({ limit: 2 });
    expect(page.map(({ id, keyId }) => [id, keyId])).toEqual([
      ['a', 'k1'],
      ['b', 'k1'],
    ]);
    const rest = await vault.list({ after: 'b' });
    expect(rest.map(({ id, keyId }) => [id, keyId])).toEqual([['c', undefined]]);
    expect(inspect([page, rest], { depth: 9 })).not.toMatch(/canary|hgs1/);
  });
});

describe('rewrapping all', () => {
  const keys = { k1: keyBytes(), k2: keyBytes() };

  async function filled(count: number) {
    const old = createTestVault({ ring: createRing('k1', keys) });
    for (let index = 0; index < count; index++) {
      await old.vault.put({ ...main, id: `s${String(index).padStart(4, '0')}`, text: `text-${index}` });
    }
    const { testStore } = old;
    return { testStore, next: createTestVault({ testStore, ring: createRing('k2', keys) }) };
  }

  it('seals every secret under the current key, after which the old key is not needed', async () => {
    const { testStore, next } = await filled(250);
    const progress: number[] = [];
    const report = await next.vault.rewrapAll({ onProgress: ({ scanned }) => progress.push(scanned) });
    expect(report).toEqual({
      scanned: 250,
      rewrapped: 250,
      skipped: 0,
      failed: 0,
      failures: [],
      last: 's0249',
      complete: true,
    });
    expect(progress).toEqual([100, 200, 250]);
    const without = createTestVault({ testStore, ring: createRing('k2', { k2: keys.k2 }) }).vault;
    await without.load();
    for (let index = 0; index < 250; index++) {
      const secret = without.get(`s${String(index).padStart(4, '0')}`) as Secret;
      expect(secret.reveal()).toBe(`text-${index}`);
    }
    expect(await next.vault.rewrapAll()).toMatchObject({ scanned: 250, rewrapped: 0, skipped: 250 });
  });

  it('leaves secrets in use untouched for those who use them', async () => {
    const { testStore, next } = await filled(3);
    const user = createTestVault({ testStore, ring: createRing('k1', keys) });
    await user.vault.load();
    const before = user.vault.get('s0001');
    await next.vault.rewrapAll();
    await user.runtime.advanceAsync(1_000);
    expect(user.vault.get('s0001')).toBe(before);
    expect((await testStore.record('s0001')).rotatedAtMs).toBe((await testStore.record('s0001')).createdAtMs);
    expect(user.codes()).toEqual([]);
  });

  it('can be stopped, and goes on where it ended', async () => {
    const { next } = await filled(250);
    const stop = new AbortController();
    const first = await next.vault.rewrapAll({ signal: stop.signal, onProgress: () => stop.abort() });
    expect(first).toMatchObject({ scanned: 100, rewrapped: 100, last: 's0099', complete: false });
    const second = await next.vault.rewrapAll({ after: first.last ?? '' });
    expect(second).toMatchObject({ scanned: 150, rewrapped: 150, complete: true });
  });

  it('names what it could not open and goes on', async () => {
    const { testStore, next } = await filled(5);
    testStore.tamper({ ...(await testStore.record('s0002')), sealed: canary });
    testStore.tamper({ ...(await testStore.record('s0003')), provider: 'other' });
    const report = await next.vault.rewrapAll();
    expect(report).toMatchObject({ scanned: 5, rewrapped: 3, failed: 2, complete: true });
    expect(report.failures).toEqual(
      expect.arrayContaining([
        { id: 's0002', code: 'secret_malformed' },
        { id: 's0003', code: 'secret_not_authentic' },
      ]),
    );
    expect(inspect(report)).not.toContain('canary');
  });

  it('loses no change that is made meanwhile, and two runs at once do no harm', async () => {
    const { testStore } = await filled(40);
    const ring = createRing('k2', keys);
    const { store } = testStore;
    const admins = Array.from({ length: 3 }, () => createVaultAdmin({ store, ring }));
    const [writer] = admins;
    const runs = admins.slice(1).map((admin) => admin.rewrapAll({ concurrency: 8 }));
    const puts = Array.from({ length: 40 }, (_, index) =>
      writer?.put({ ...main, id: `s${String(index).padStart(4, '0')}`, text: `new-${index}` }),
    );
    await Promise.all([...runs, ...puts]);
    const { vault } = createTestVault({ testStore, ring: createRing('k2', { k2: keys.k2 }) });
    await vault.load();
    for (let index = 0; index < 40; index++) {
      expect((vault.get(`s${String(index).padStart(4, '0')}`) as Secret).reveal()).toBe(`new-${index}`);
    }
  });
});
