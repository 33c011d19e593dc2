import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/secrets/secret.ts';
import { isSecretError, SecretError } from '../../src/secrets/secret-error.ts';
import { createVault } from '../../src/secrets/vault.ts';
import type { ChangeListener } from '../../src/stores/watch.ts';
import { canary, createRing, createTestStore, createTestVault, keyBytes } from './fixture.ts';

const main = { id: 'openai-main', provider: 'openai', text: canary, author: 'alice' };

async function loaded(options: Parameters<typeof createTestVault>[0] = {}) {
  const made = createTestVault(options);
  await made.vault.put(main);
  await made.vault.load();
  return made;
}

/** The text behind an answer, or the code of the error. */
async function shown(answer: unknown) {
  const result = await answer;
  if (result instanceof Secret) return result.reveal();
  return isSecretError(result) ? result.code : result;
}

describe('a vault', () => {
  it('gives a secret at once, the same object each time, and opens it once', async () => {
    const { vault } = await loaded();
    const secret = vault.get('openai-main');
    expect(secret).toBeInstanceOf(Secret);
    expect((secret as Secret).reveal()).toBe(canary);
    for (let times = 0; times < 100; times++) expect(vault.get('openai-main')).toBe(secret);
  });

  it('gives undefined for an id that the store does not have', async () => {
    const { vault } = await loaded();
    expect(vault.get('nothing')).toBeUndefined();
  });

  it('does not give a secret for another provider, nor one that belongs to a project or user', async () => {
    const { vault } = await loaded();
    await vault.put({ id: 'own', provider: 'openai', scope: 'user', subject: 'alice', text: 'sk-own' });
    expect(await shown(vault.get('openai-main', 'openai'))).toBe(canary);
    expect(await shown(vault.get('openai-main', 'evil'))).toBe('secret_mismatch');
    expect(await shown(vault.get('own'))).toBe('secret_mismatch');
    expect(await shown(vault.get('own', 'openai'))).toBe('secret_mismatch');
  });

  it('reads a store of many pages and shows every one of its secrets', async () => {
    const testStore = createTestStore();
    const ring = createRing();
    const writer = createTestVault({ testStore, ring }).vault;
    for (let index = 0; index < 25; index++) {
      await writer.put({ id: `s${String(index).padStart(2, '0')}`, provider: 'p', text: `text-${index}` });
    }
    for (const pageSize of [1, 5, 24, 25, 26]) {
      const { vault } = createTestVault({ testStore, ring, pageSize });
      await vault.load();
      const texts = await Promise.all(
        Array.from({ length: 25 }, (_, index) => shown(vault.get(`s${String(index).padStart(2, '0')}`))),
      );
      expect(texts).toEqual(Array.from({ length: 25 }, (_, index) => `text-${index}`));
    }
  });

  it('refuses a store with more secrets than its bound rather than knowing some of them', async () => {
    const testStore = createTestStore();
    const writer = createTestVault({ testStore }).vault;
    for (const id of ['a', 'b', 'c', 'd']) await writer.put({ id, provider: 'p', text: 'text' });
    await createTestVault({ testStore, maxRecords: 4, pageSize: 2 }).vault.load();
    const { vault, codes } = createTestVault({ testStore, maxRecords: 3, pageSize: 2 });
    await expect(vault.load()).rejects.toMatchObject({ code: 'secret_store_unavailable' });
    expect(codes()).toEqual(['secret_store_unavailable']);
  });

  it('does not go round in circles when a store repeats its page', async () => {
    const testStore = createTestStore();
    const { vault } = createTestVault({ testStore, pageSize: 1 });
    await vault.put(main);
    const listSecrets = () => testStore.record('openai-main').then((record) => [record]);
    const looping = createVault({
      store: { ...testStore.store, listSecrets },
      ring: createRing(),
      pageSize: 1,
    });
    await expect(looping.load()).rejects.toMatchObject({ cause: { message: /must go forward/ } });
    await looping.close();
  });

  it('holds nothing open that shows when it is printed', async () => {
    const made = await loaded();
    made.vault.get('openai-main');
    expect(inspect(made, { depth: 20, showHidden: true })).not.toContain('canary');
    expect(JSON.stringify(await made.vault.list())).not.toContain('canary');
    expect(JSON.stringify(await made.record('openai-main'))).not.toContain('canary');
  });

  it.each(['pollMs', 'openTtlMs', 'maxOpen', 'maxRecords', 'deadlineMs', 'maxStaleMs'])(
    'names %s when it is out of range',
    (name) => {
      const make = () => createVault({ store: createTestStore().store, ring: createRing(), [name]: 0 });
      expect(make).toThrow(new RegExp(`^createVault: "${name}" must be`));
    },
  );
});

describe('opened secrets', () => {
  it('are forgotten when nobody asked for them for the TTL, and opened again when somebody does', async () => {
    const { vault, runtime } = await loaded({ openTtlMs: 60_000 });
    const before = vault.get('openai-main');
    await runtime.advanceAsync(59_000);
    expect(vault.get('openai-main')).toBe(before);
    await runtime.advanceAsync(61_000);
    const after = vault.get('openai-main') as Secret;
    expect(after).not.toBe(before);
    expect(after.reveal()).toBe(canary);
    expect(after.fingerprint).toBe((before as Secret).fingerprint);
  });

  it('in use stay the same object beyond the TTL', async () => {
    const { vault, runtime } = await loaded({ openTtlMs: 5_000 });
    const before = vault.get('openai-main');
    for (let seconds = 0; seconds < 30; seconds++) {
      await runtime.advanceAsync(1_000);
      expect(vault.get('openai-main')).toBe(before);
    }
  });

  it('that are held stay open', async () => {
    const { vault, runtime } = await loaded({ openTtlMs: 5_000 });
    const release = vault.hold('openai-main');
    const before = vault.get('openai-main');
    await runtime.advanceAsync(60_000);
    expect(vault.get('openai-main')).toBe(before);
    release();
    release();
    await runtime.advanceAsync(60_000);
    expect(vault.get('openai-main')).not.toBe(before);
  });

  it('are no more than the bound', async () => {
    const { vault } = await loaded({ maxOpen: 2 });
    await vault.put({ ...main, id: 'b' });
    await vault.put({ ...main, id: 'c' });
    const [a, b] = [vault.get('openai-main'), vault.get('b')];
    expect(vault.get('openai-main')).toBe(a);
    vault.get('c');
    expect(vault.get('openai-main')).toBe(a);
    expect(vault.get('b')).not.toBe(b);
  });
});

describe('a secret that does not open', () => {
  it('is an error with its reason, told once for each version, and the others go on', async () => {
    const { vault, tamper, record, errors, codes, runtime } = await loaded();
    await vault.put({ ...main, id: 'other', text: 'sk-other' });
    const good = await record('openai-main');
    const other = await record('other');
    tamper({ ...good, sealed: other.sealed });
    tamper({ ...other, sealed: good.sealed });
    await vault.put({ ...main, id: 'third', text: 'sk-third' });
    await runtime.advanceAsync(1_000);
    for (let times = 0; times < 10; times++) {
      expect(await shown(vault.get('openai-main'))).toBe('secret_not_authentic');
      expect(await shown(vault.get('other'))).toBe('secret_not_authentic');
      expect(await shown(vault.get('third'))).toBe('sk-third');
      await runtime.advanceAsync(100_000);
    }
    expect(codes()).toEqual(['secret_not_authentic', 'secret_not_authentic']);
    expect(errors.map(({ secret }) => secret).sort()).toEqual(['openai-main', 'other']);
    expect(inspect(errors, { depth: 9 })).not.toContain('canary');
  });

  it('is never taken as it stands: plaintext in place of the seal is an error', async () => {
    const { vault, tamper, record, codes, runtime } = await loaded();
    tamper({ ...(await record('openai-main')), sealed: canary });
    await runtime.advanceAsync(1_000);
    expect(await shown(vault.get('openai-main'))).toBe('secret_malformed');
    expect(codes()).toEqual(['secret_malformed']);
  });

  it('is available again when its record is mended', async () => {
    const { vault, tamper, restore, record, runtime } = await loaded();
    tamper({ ...(await record('openai-main')), provider: 'anthropic' });
    await runtime.advanceAsync(1_000);
    expect(await shown(vault.get('openai-main'))).toBe('secret_not_authentic');
    restore('openai-main');
    await runtime.advanceAsync(1_000);
    expect(await shown(vault.get('openai-main'))).toBe(canary);
  });

  it('because its key was dropped from the ring says so after a restart', async () => {
    const { testStore } = await loaded();
    const { vault, codes } = createTestVault({ testStore, ring: createRing('k2', { k2: keyBytes() }) });
    await vault.load();
    expect(await shown(vault.get('openai-main'))).toBe('key_encryption_key_unknown');
    expect(codes()).toEqual(['key_encryption_key_unknown']);
  });

  it('with an older seal under the present version is not taken', async () => {
    const { vault, tamper, record, runtime } = await loaded();
    const old = await record('openai-main');
    await vault.put({ ...main, text: 'sk-new' });
    tamper({ ...(await record('openai-main')), sealed: old.sealed });
    await runtime.advanceAsync(1_000);
    expect(await shown(vault.get('openai-main'))).toBe('secret_not_authentic');
  });

  it('is not there when the whole row was set back: the newer one stays in use and it is told once', async () => {
    const { vault, tamper, record, codes, runtime } = await loaded();
    const old = await record('openai-main');
    await vault.put({ ...main, text: 'sk-new' });
    tamper(old);
    for (let times = 0; times < 5; times++) {
      await vault.refresh();
      await runtime.advanceAsync(1_000);
      expect(await shown(vault.get('openai-main'))).toBe('sk-new');
    }
    expect(codes()).toEqual(['secret_rolled_back']);
  });

  it('of a damaged record is told once and the others go on', async () => {
    const { vault, tamper, record, codes, runtime } = await loaded();
    await vault.put({ ...main, id: 'other', text: 'sk-other' });
    tamper({ ...(await record('openai-main')), scope: 'everybody' as never });
    for (let times = 0; times < 3; times++) {
      await vault.refresh();
      await runtime.advanceAsync(1_000);
    }
    expect(vault.get('openai-main')).toBeUndefined();
    expect(await shown(vault.get('other'))).toBe('sk-other');
    expect(codes()).toEqual(['secret_malformed']);
  });

  it('does no harm through a listener that throws', async () => {
    const { vault, tamper, record, runtime } = await loaded({
      onError: () => {
        throw new Error('no');
      },
    });
    tamper({ ...(await record('openai-main')), sealed: 'x' });
    await runtime.advanceAsync(1_000);
    expect(await shown(vault.get('openai-main'))).toBe('secret_malformed');
  });
});

describe('a change', () => {
  it('made through the vault is in force when it resolves', async () => {
    const { vault } = await loaded();
    for (let times = 0; times < 50; times++) {
      await vault.put({ ...main, text: `sk-${times}` });
      expect(await shown(vault.get('openai-main'))).toBe(`sk-${times}`);
    }
    await vault.remove('openai-main');
    expect(vault.get('openai-main')).toBeUndefined();
  });

  it('made elsewhere is in force as soon as the store pushes it', async () => {
    const testStore = createTestStore();
    const ring = createRing();
    const elsewhere = createTestVault({ testStore, ring }).vault;
    const { vault, runtime } = await loaded({ testStore, ring });
    await elsewhere.put({ ...main, text: 'sk-new' });
    await runtime.advanceAsync(0);
    expect(await shown(vault.get('openai-main'))).toBe('sk-new');
    await elsewhere.remove('openai-main');
    await runtime.advanceAsync(0);
    expect(vault.get('openai-main')).toBeUndefined();
  });

  it('made elsewhere is in force after one poll when nothing is pushed', async () => {
    const testStore = createTestStore();
    const ring = createRing();
    const elsewhere = createTestVault({ testStore, ring }).vault;
    const { vault, runtime } = await loaded({ testStore, ring });
    testStore.cutPush();
    await elsewhere.put({ ...main, text: 'sk-new' });
    await runtime.advanceAsync(999);
    expect(await shown(vault.get('openai-main'))).toBe(canary);
    await runtime.advanceAsync(1);
    expect(await shown(vault.get('openai-main'))).toBe('sk-new');
    await elsewhere.remove('openai-main');
    await runtime.advanceAsync(1_000);
    expect(vault.get('openai-main')).toBeUndefined();
  });

  it('is seen although a read that began before it ends after it', async () => {
    const { vault, gate, runtime } = await loaded();
    const thaw = gate.freeze();
    const slow = vault.refresh();
    await runtime.advanceAsync(0);
    thaw();
    const put = vault.put({ ...main, text: 'sk-new' });
    await Promise.all([slow, put]);
    expect(await shown(vault.get('openai-main'))).toBe('sk-new');
    await vault.refresh();
    expect(await shown(vault.get('openai-main'))).toBe('sk-new');
  });

  it('keeps the object when only the seal is new', async () => {
    const { vault } = await loaded();
    const before = vault.get('openai-main');
    await vault.put(main);
    expect(vault.get('openai-main')).toBe(before);
  });

  it('that removes a secret and makes another under its id is not taken for a store set back', async () => {
    const testStore = createTestStore();
    const ring = createRing();
    const elsewhere = createTestVault({ testStore, ring });
    elsewhere.runtime.advance(1);
    const { vault, runtime, codes } = await loaded({ testStore, ring });
    await vault.put({ ...main, text: 'sk-2' });
    testStore.cutPush();
    await elsewhere.vault.remove('openai-main');
    await elsewhere.vault.put({ id: 'openai-main', provider: 'anthropic', text: 'sk-again' });
    await runtime.advanceAsync(1_000);
    expect(await shown(vault.get('openai-main', 'anthropic'))).toBe('sk-again');
    expect(codes()).toEqual([]);
  });

  it('costs a store that does not change one stamp for each poll and nothing else', async () => {
    const { runtime, calls } = await loaded();
    await runtime.advanceAsync(1_000);
    const before = { ...calls };
    await runtime.advanceAsync(10_000);
    expect(calls).toEqual({ ...before, stamp: before.stamp + 10 });
  });

  it('of which thousands are pushed while the store is slow is read in one turn', async () => {
    const testStore = createTestStore();
    let push: ChangeListener = () => undefined;
    const watchSecrets = (listener: ChangeListener) => {
      push = listener;
      return async () => undefined;
    };
    const { vault, runtime } = await loaded({ testStore, store: { ...testStore.store, watchSecrets } });
    await runtime.advanceAsync(0);
    const before = { ...testStore.calls };
    const thaw = testStore.gate.freeze();
    for (let index = 0; index < 5_000; index++) push(`s${index}`);
    thaw();
    await vault.refresh();
    expect(testStore.calls.find - before.find).toBeLessThanOrEqual(1);
    expect(testStore.calls.list - before.list).toBe(1);
  });
});

describe('while the store fails', () => {
  it('what is known stays in use, it is told once, and once more when it fails again later', async () => {
    const { vault, gate, codes, runtime } = await loaded();
    for (let outage = 1; outage <= 2; outage++) {
      const mend = gate.break();
      await runtime.advanceAsync(3_600_000);
      expect(await shown(vault.get('openai-main'))).toBe(canary);
      expect(codes()).toEqual(Array(outage).fill('secret_store_unavailable'));
      mend();
      await runtime.advanceAsync(2_000);
    }
  });

  it('changes made meanwhile are seen after the next poll that works', async () => {
    const testStore = createTestStore();
    const ring = createRing();
    const { vault, gate, runtime } = await loaded({ testStore, ring });
    testStore.cutPush();
    const mend = gate.break();
    await runtime.advanceAsync(10_000);
    mend();
    await createTestVault({ testStore, ring }).vault.put({ ...main, text: 'sk-new' });
    await runtime.advanceAsync(1_000);
    expect(await shown(vault.get('openai-main'))).toBe('sk-new');
  });

  it('a store that never answers is given up after the deadline and asked again', async () => {
    const { vault, gate, codes, runtime } = await loaded({ deadlineMs: 500 });
    const thaw = gate.freeze();
    await runtime.advanceAsync(10_000);
    expect(codes()).toEqual(['secret_store_unavailable']);
    expect(await shown(vault.get('openai-main'))).toBe(canary);
    thaw();
    await runtime.advanceAsync(2_000);
    await vault.put({ ...main, text: 'sk-new' });
    expect(await shown(vault.get('openai-main'))).toBe('sk-new');
  });

  it('secrets become unavailable after maxStaleMs when that is set, and are back with the store', async () => {
    const { vault, gate, runtime } = await loaded({ maxStaleMs: 60_000 });
    const mend = gate.break();
    await runtime.advanceAsync(59_000);
    expect(await shown(vault.get('openai-main'))).toBe(canary);
    await runtime.advanceAsync(3_000);
    expect(await shown(vault.get('openai-main'))).toBe('secret_unavailable');
    expect(() => vault.findOwn('openai', { user: 'alice' })).toThrow(SecretError);
    mend();
    await runtime.advanceAsync(2_000);
    expect(await shown(vault.get('openai-main'))).toBe(canary);
  });

  it('loading rejects, nothing is available, and it is there once the store is back', async () => {
    const testStore = createTestStore();
    const ring = createRing();
    await createTestVault({ testStore, ring }).vault.put(main);
    const { vault, gate, runtime } = createTestVault({ testStore, ring });
    expect(await shown(vault.get('openai-main'))).toBe('secret_unavailable');
    const mend = gate.break();
    await expect(vault.load()).rejects.toMatchObject({
      code: 'secret_store_unavailable',
      cause: { message: 'connection refused' },
    });
    expect(await shown(vault.get('openai-main'))).toBe('secret_unavailable');
    mend();
    await runtime.advanceAsync(1_000);
    expect(await shown(vault.get('openai-main'))).toBe(canary);
  });

  it('nothing is left running after close', async () => {
    const { vault, runtime, calls } = await loaded();
    await vault.close();
    const before = { ...calls };
    await runtime.advanceAsync(60_000);
    expect(calls).toEqual(before);
    expect(runtime.pending).toBe(0);
    await expect(vault.refresh()).rejects.toMatchObject({ code: 'secret_unavailable' });
  });
});

describe('own secrets', () => {
  const own = (scope: 'project' | 'user', subject: string, text: string, more = {}) => ({
    id: `${scope}/${subject}`.replace(/[^\w/]/g, '-'),
    provider: 'openai',
    scope,
    subject,
    text,
    ...more,
  });

  it("are the user's before the project's, for the provider asked for, else there is none", async () => {
    const { vault } = await loaded();
    await vault.put(own('user', 'alice', 'sk-alice'));
    await vault.put(own('project', 'search', 'sk-search'));
    const find = async (provider: string, who: object) => shown(vault.findOwn(provider, who)?.secret);
    expect(await find('openai', { user: 'alice', project: 'search' })).toBe('sk-alice');
    expect(await find('openai', { user: 'bob', project: 'search' })).toBe('sk-search');
    expect(await find('openai', { project: 'search' })).toBe('sk-search');
    expect(await find('openai', { user: 'search', project: 'alice' })).toBeUndefined();
    expect(await find('openai', { user: undefined, project: undefined })).toBeUndefined();
    expect(await find('openai', {})).toBeUndefined();
    expect(await find('anthropic', { user: 'alice', project: 'search' })).toBeUndefined();
    expect(vault.findOwn('openai', { user: 'alice' })).toMatchObject({
      id: 'user/alice',
      scope: 'user',
      subject: 'alice',
    });
  });

  it('are not found under a subject that runs into another name', async () => {
    const { vault } = await loaded();
    await vault.put(own('user', 'a:b', 'sk-1', { provider: 'p' }));
    expect(vault.findOwn('p:a', { user: 'b' })).toBeUndefined();
    expect(vault.findOwn('p', { user: 'a' })).toBeUndefined();
    expect(vault.findOwn('p', { user: 'a:b' })?.id).toBe('user/a-b');
    expect(vault.findOwn('__proto__', { user: 'constructor' })).toBeUndefined();
  });

  it('that were removed give way to the next, and come back with a new one', async () => {
    const { vault } = await loaded();
    await vault.put(own('user', 'alice', 'sk-alice'));
    await vault.put(own('project', 'search', 'sk-search'));
    const who = { user: 'alice', project: 'search' };
    await vault.remove('user/alice');
    expect(await shown(vault.findOwn('openai', who)?.secret)).toBe('sk-search');
    await vault.remove('project/search');
    expect(vault.findOwn('openai', who)).toBeUndefined();
    await vault.put(own('user', 'alice', 'sk-new'));
    expect(await shown(vault.findOwn('openai', who)?.secret)).toBe('sk-new');
  });

  it('of which there are several: the one rotated last, then the first id', async () => {
    const { vault, runtime } = await loaded();
    await vault.put(own('user', 'alice', 'sk-b', { id: 'b' }));
    await vault.put(own('user', 'alice', 'sk-a', { id: 'a' }));
    expect(vault.findOwn('openai', { user: 'alice' })?.id).toBe('a');
    await runtime.advanceAsync(10);
    await vault.put(own('user', 'alice', 'sk-b2', { id: 'b' }));
    expect(vault.findOwn('openai', { user: 'alice' })?.id).toBe('b');
    await vault.remove('b');
    expect(vault.findOwn('openai', { user: 'alice' })?.id).toBe('a');
  });

  it("that do not open are an error of that user, not a way to the project's", async () => {
    const { vault, tamper, record, runtime } = await loaded();
    await vault.put(own('user', 'alice', 'sk-alice'));
    await vault.put(own('user', 'bob', 'sk-bob'));
    await vault.put(own('project', 'search', 'sk-search'));
    tamper({ ...(await record('user/alice')), sealed: null as never });
    tamper({ ...(await record('user/bob')), subject: 'mallory' });
    await runtime.advanceAsync(1_000);
    const find = (user: string) => shown(vault.findOwn('openai', { user, project: 'search' })?.secret);
    expect(await find('alice')).toBe('secret_malformed');
    expect(await find('mallory')).toBe('secret_not_authentic');
  });

  it('are not known before the vault is loaded, which is not the same as none', () => {
    const { vault } = createTestVault();
    expect(() => vault.findOwn('openai', { user: 'alice' })).toThrow(SecretError);
  });
});
