import { describe, expect, it } from 'vitest';
import { createKeyEncryptionRing } from '../../src/secrets/key-encryption-ring.ts';
import { Secret } from '../../src/secrets/secret.ts';
import { canary, createService, createTestStore, createTestVault } from './fixture.ts';

const main = { id: 'openai-main', provider: 'openai', text: canary };

/** A vault whose key is held by a service, loaded, with nothing open; and another node's, whose way to the service is its own. */
async function remote(options: Parameters<typeof createTestVault>[0] = {}) {
  const service = createService();
  const ring = createKeyEncryptionRing({ current: 'kms', keys: { kms: service } });
  const testStore = createTestStore();
  const elsewhere = createTestVault({
    testStore,
    ring: createKeyEncryptionRing({ current: 'kms', keys: { kms: service.direct } }),
  });
  await elsewhere.vault.put(main);
  elsewhere.runtime.advance(1);
  const made = createTestVault({ testStore, ring, ...options });
  await made.vault.load();
  return { ...made, service, elsewhere: elsewhere.vault };
}

describe('a vault whose key a service holds', () => {
  it('gives a promise for a secret that is not open, asks the service once for all, then gives it at once', async () => {
    const { vault, service } = await remote();
    const answers = Array.from({ length: 50 }, () => vault.get('openai-main'));
    expect(answers.every((answer) => answer instanceof Promise)).toBe(true);
    const secrets = await Promise.all(answers);
    expect(new Set(secrets).size).toBe(1);
    expect((secrets[0] as Secret).reveal()).toBe(canary);
    expect(vault.get('openai-main')).toBe(secrets[0]);
    expect(service.calls.unwrap).toBe(1);
  });

  it('opens a secret in use again in the background, so that nobody waits', async () => {
    const { vault, service, runtime } = await remote({ openTtlMs: 60_000 });
    const secret = await vault.get('openai-main');
    for (let seconds = 0; seconds < 180; seconds++) {
      await runtime.advanceAsync(1_000);
      expect(vault.get('openai-main')).toBe(secret);
    }
    expect(service.calls.unwrap).toBe(4);
  });

  it('opens a new version of a secret in use when it sees it, and gives the one before until then', async () => {
    const { vault, service, elsewhere, runtime } = await remote();
    const before = await vault.get('openai-main');
    const thaw = service.gate.freeze();
    await elsewhere.put({ ...main, text: 'sk-new' });
    await runtime.advanceAsync(0);
    expect(vault.get('openai-main')).toBe(before);
    thaw();
    await runtime.advanceAsync(0);
    expect(vault.get('openai-main')).toBeInstanceOf(Secret);
    expect((vault.get('openai-main') as Secret).reveal()).toBe('sk-new');
  });

  it('keeps what is open while the service fails, tells once, and tries again every second', async () => {
    const { vault, service, runtime, codes } = await remote({ openTtlMs: 10_000 });
    const secret = await vault.get('openai-main');
    const mend = service.gate.break();
    for (let seconds = 0; seconds < 30; seconds++) {
      await runtime.advanceAsync(1_000);
      expect(vault.get('openai-main')).toBe(secret);
    }
    expect(codes()).toEqual(['key_encryption_key_unavailable']);
    await runtime.advanceAsync(0);
    const calls = service.calls.unwrap;
    expect(calls).toBeGreaterThan(15);
    expect(calls).toBeLessThan(30);
    mend();
    await runtime.advanceAsync(2_000);
    vault.get('openai-main');
    await runtime.advanceAsync(1_000);
    expect(vault.get('openai-main')).toBe(secret);
    expect(service.calls.unwrap).toBe(calls + 1);
  });

  it('opens a version that came while the service failed as soon as it is back', async () => {
    const { vault, service, elsewhere, runtime } = await remote();
    const before = await vault.get('openai-main');
    const mend = service.gate.break();
    await elsewhere.put({ ...main, text: 'sk-new' });
    for (let seconds = 0; seconds < 3; seconds++) {
      await runtime.advanceAsync(1_000);
      expect(vault.get('openai-main')).toBe(before);
    }
    await runtime.advanceAsync(0);
    mend();
    await runtime.advanceAsync(1_000);
    vault.get('openai-main');
    await runtime.advanceAsync(0);
    expect((vault.get('openai-main') as Secret).reveal()).toBe('sk-new');
  });

  it('opens a version that came while too much was being opened as soon as there is room', async () => {
    const { vault, service, elsewhere, runtime } = await remote({ maxOpening: 1 });
    const before = await vault.get('openai-main');
    await elsewhere.put({ ...main, id: 'b' });
    await runtime.advanceAsync(0);
    const thaw = service.gate.freeze();
    const waiting = vault.get('b');
    expect(waiting).toBeInstanceOf(Promise);
    await elsewhere.put({ ...main, text: 'sk-new' });
    await runtime.advanceAsync(0);
    expect(vault.get('openai-main')).toBe(before);
    thaw();
    await waiting;
    vault.get('openai-main');
    await runtime.advanceAsync(0);
    expect((vault.get('openai-main') as Secret).reveal()).toBe('sk-new');
  });

  it('has an error for what is not open while the service fails, and the secret when it is back', async () => {
    const { vault, service, runtime, codes } = await remote();
    const mend = service.gate.break();
    const code = 'key_encryption_key_unavailable';
    expect(await vault.get('openai-main')).toMatchObject({ code });
    for (let times = 0; times < 100; times++) expect(vault.get('openai-main')).toMatchObject({ code });
    expect(service.calls.unwrap).toBe(1);
    expect(codes()).toEqual([code]);
    mend();
    await runtime.advanceAsync(1_000);
    expect(await vault.get('openai-main')).toBeInstanceOf(Secret);
  });

  it('does not give the secret of a removed record for another one under its id', async () => {
    const { vault, service, testStore, elsewhere, runtime } = await remote();
    await vault.get('openai-main');
    testStore.cutPush();
    const mine = {
      id: 'openai-main',
      provider: 'openai',
      scope: 'user',
      subject: 'alice',
      text: 'sk-alice',
    } as const;
    await elsewhere.remove('openai-main');
    await elsewhere.put(mine);
    service.gate.break();
    await runtime.advanceAsync(1_000);
    const found = vault.findOwn('openai', { user: 'alice' });
    expect(await found?.secret).toMatchObject({ code: 'key_encryption_key_unavailable' });
  });

  it('opens no more at once than the bound; one more is unavailable for the moment', async () => {
    const { vault, service } = await remote({ maxOpening: 2 });
    await vault.put({ ...main, id: 'b' });
    await vault.put({ ...main, id: 'c' });
    const thaw = service.gate.freeze();
    const first = [vault.get('openai-main'), vault.get('b')];
    expect(vault.get('c')).toMatchObject({ code: 'secret_unavailable' });
    thaw();
    await Promise.all(first);
    expect(await vault.get('c')).toBeInstanceOf(Secret);
  });
});
