import { describe, expect, it } from 'vitest';
import { isKeyError } from '../../src/keys/key-error.ts';
import { parseKey } from '../../src/keys/key-format.ts';
import { verifySecret } from '../../src/keys/key-hash.ts';
import { createKeyService, type KeyServiceOptions } from '../../src/keys/key-service.ts';
import { createKeyResolver } from '../../src/keys/resolver.ts';
import type { KeyRecord } from '../../src/stores/key-store.ts';
import { createVirtualRuntime, type VirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { peppers } from './key-fixture.ts';
import { createPlainKeyStore } from './plain-key-store.ts';

const dayMs = 86_400_000;

function createSite(options: Partial<KeyServiceOptions> = {}) {
  const runtime = createVirtualRuntime();
  const plain = createPlainKeyStore();
  const service = createKeyService({ store: plain.store, peppers, runtime, ...options });
  return { runtime, ...plain, service };
}

/** Runs virtual time until a promise settles, for what waits between retries. */
async function settle<T>(runtime: VirtualRuntime, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const done = promise.finally(() => {
    isSettled = true;
  });
  done.catch(() => undefined);
  for (let step = 0; step < 5_000 && !isSettled; step++) await runtime.advanceAsync(100);
  return await done;
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
    return 'done';
  } catch (error) {
    if (isKeyError(error)) return error.code;
    throw error;
  }
}

describe('making a key', () => {
  it('stores a record that proves the key, says who made it, and gives the key away once', async () => {
    const { service, records, runtime } = createSite();
    const limits = [{ unit: 'requests', amount: 10, window: '1m', mode: 'block' }] as const;
    const { key, record } = await service.create(
      {
        team: 'web',
        project: 'checkout',
        owner: 'ana@example.com',
        application: 'review-agent',
        environment: 'test',
        name: "Ana's laptop",
        labels: { centre: '42' },
        models: ['gpt-*'],
        limits,
        lifetimeMs: 90 * dayMs,
      },
      'ops',
    );
    const parsed = parseKey(key);
    expect(records.get(record.kid)).toEqual({
      ...record,
      version: 1,
      team: 'web',
      project: 'checkout',
      owner: 'ana@example.com',
      application: 'review-agent',
      environment: 'test',
      name: "Ana's laptop",
      labels: { centre: '42' },
      models: ['gpt-*'],
      limits,
      createdBy: 'ops',
      createdAtMs: runtime.now(),
      expiresAtMs: runtime.now() + 90 * dayMs,
      last4: parsed?.secret.slice(-4),
    });
    expect(verifySecret(peppers, record, parsed?.secret ?? '')).toBe(true);
    expect(JSON.stringify([...records.values()])).not.toContain(parsed?.secret);
  });

  it('takes another kid when one is taken, five times at most, and overwrites nobody', async () => {
    const { service, records, faults, runtime } = createSite();
    let taken = 0;
    faults.beforePut = (record) => {
      if (taken++ < 5) records.set(record.kid, { ...record, team: 'other', version: 1 });
    };
    const { record } = await settle(runtime, service.create({ team: 'web' }, 'ops'));
    expect([...records.values()].filter(({ team }) => team === 'other').length).toBe(5);
    expect(records.get(record.kid)?.team).toBe('web');
    taken = -100;
    expect(await codeOf(settle(runtime, service.create({ team: 'web' }, 'ops')))).toBe('key_conflict');
  });

  it.each<[string, object]>([
    ['"team"', { team: 'not a name' }],
    ['"project"', { project: '' }],
    ['"models[1]"', { models: ['gpt-*', '*gpt'] }],
    ['"limits[0].window"', { limits: [{ unit: 'requests', amount: 1, mode: 'block' }] }],
    ['"environment"', { environment: 'PROD' }],
    ['"name"', { name: 'a\nb' }],
    ['"labels"', { labels: Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`l${index}`, ''])) }],
    ['"labels.x"', { labels: { x: 'a'.repeat(257) } }],
    ['"lifetimeMs"', { lifetimeMs: 0 }],
    ['"expiresAtMs" or "lifetimeMs"', { lifetimeMs: 1, expiresAtMs: 1 }],
    ['"kid"', { kid: 'chosenByMe12' }],
    ['"secretHash"', { secretHash: 'a'.repeat(64) }],
    ['"previous"', { previous: { graceUntilMs: 9e15 } }],
    ['"revokedAtMs"', { revokedAtMs: 1 }],
  ])('is a TypeError that names %s, and stores nothing', async (message, change) => {
    const { service, records } = createSite();
    const attempt = service.create({ team: 'web', ...change }, 'ops');
    await expect(attempt).rejects.toThrow(TypeError);
    await expect(attempt).rejects.toThrow(message);
    expect(records.size).toBe(0);
  });

  it('keeps to the policy of lifetimes, to the millisecond', async () => {
    const { service, runtime } = createSite({ policy: { maxTtlMs: 10_000 } });
    const make = (more: object) => codeOf(service.create({ team: 'web', ...more }, 'ops'));
    expect(await make({})).toBe('key_policy');
    expect(await make({ lifetimeMs: 10_000 })).toBe('done');
    expect(await make({ lifetimeMs: 10_001 })).toBe('key_policy');
    expect(await make({ expiresAtMs: runtime.now() })).toBe('key_policy');
    const strict = createSite({ policy: { requireExpiry: true } }).service;
    expect(await codeOf(strict.create({ team: 'web' }, 'ops'))).toBe('key_policy');
    expect(await codeOf(strict.create({ team: 'web', lifetimeMs: 1e12 }, 'ops'))).toBe('done');
  });
});

describe('rotating a key', () => {
  it('keeps the kid and all else, and accepts the old secret for the grace and no longer', async () => {
    const { service, records, store, runtime } = createSite();
    const old = await service.create({ team: 'web', owner: 'ana', models: ['gpt-*'] }, 'ops');
    runtime.advance(1_000);
    const made = await service.rotate(old.record.kid, { graceMs: 5_000 });
    expect(parseKey(made.key)?.kid).toBe(old.record.kid);
    const { secretHash, pepperId, last4, ...kept } = old.record;
    const { secretHash: _, pepperId: __, last4: ___, previous, ...rest } = made.record;
    expect(rest).toEqual({ ...kept, version: 2 });
    expect(previous).toEqual({ secretHash, pepperId, last4, graceUntilMs: runtime.now() + 5_000 });
    expect(records.get(old.record.kid)).toEqual(made.record);

    const resolver = createKeyResolver({ store, runtime, peppers });
    const answer = async (key: string) => {
      try {
        await resolver.resolve({ 'x-api-key': key }, '');
        return 'accepted';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect([await answer(old.key), await answer(made.key)]).toEqual(['accepted', 'accepted']);
    runtime.advance(5_000);
    expect([await answer(old.key), await answer(made.key)]).toEqual(['key_rotated', 'accepted']);
  });

  it('never leaves more than two secrets', async () => {
    const { service, records } = createSite();
    const first = await service.create({ team: 'web' }, 'ops');
    const { kid } = first.record;
    const second = await service.rotate(kid);
    const third = await service.rotate(kid);
    const record = records.get(kid) as KeyRecord;
    expect(record.secretHash).toBe(third.record.secretHash);
    expect(record.previous?.secretHash).toBe(second.record.secretHash);
    expect(JSON.stringify(record)).not.toContain(first.record.secretHash);
  });

  it('grants a day unless told otherwise, seven at most, or what the policy says', async () => {
    const { service, runtime } = createSite();
    const { record } = await service.create({ team: 'web' }, 'ops');
    const graceOf = async (rotation: ReturnType<typeof service.rotate>) =>
      ((await rotation).record.previous?.graceUntilMs ?? 0) - runtime.now();
    expect(await graceOf(service.rotate(record.kid))).toBe(dayMs);
    expect(await graceOf(service.rotate(record.kid, { graceMs: 7 * dayMs }))).toBe(7 * dayMs);
    expect(await graceOf(service.rotate(record.kid, { graceMs: 0 }))).toBe(0);
    expect(await codeOf(service.rotate(record.kid, { graceMs: 7 * dayMs + 1 }))).toBe('key_policy');
    const short = createSite({ policy: { maxGraceMs: 60_000 } });
    const other = await short.service.create({ team: 'web' }, 'ops');
    const rotated = await short.service.rotate(other.record.kid);
    expect((rotated.record.previous?.graceUntilMs ?? 0) - short.runtime.now()).toBe(60_000);
  });

  it('is refused for a key that is not there, is revoked or has expired', async () => {
    const { service, runtime } = createSite();
    const { record } = await service.create({ team: 'web' }, 'ops');
    await service.revoke(record.kid);
    const expired = await service.create({ team: 'web', lifetimeMs: 1 }, 'ops');
    runtime.advance(1);
    expect([
      await codeOf(service.rotate('AAAAAAAAAAAA')),
      await codeOf(service.rotate(record.kid)),
      await codeOf(service.rotate(expired.record.kid)),
    ]).toEqual(['key_not_found', 'key_revoked', 'key_expired']);
  });
});

describe('revoking a key', () => {
  it('is final: a rotation or a change that read the key before it fails', async () => {
    for (const change of ['rotate', 'update'] as const) {
      const { service, records, faults, runtime } = createSite();
      const { record } = await service.create({ team: 'web' }, 'ops');
      const { kid } = record;
      faults.beforePut = async () => {
        faults.beforePut = undefined;
        await service.revoke(kid);
      };
      const late = change === 'rotate' ? service.rotate(kid) : service.update(kid, { name: 'x' });
      expect(await codeOf(settle<unknown>(runtime, late)), change).toBe('key_revoked');
      expect(records.get(kid)).toEqual({ ...record, revokedAtMs: expect.any(Number), version: 2 });
    }
  });

  it('holds after any mix of rotations, changes and revocations at once', async () => {
    for (let round = 0; round < 20; round++) {
      const { service, records, runtime } = createSite();
      const { record } = await service.create({ team: 'web' }, 'ops');
      const { kid } = record;
      const attempts = [
        service.rotate(kid),
        service.update(kid, { name: 'a' }),
        service.revoke(kid),
        service.rotate(kid),
        service.update(kid, { name: 'b' }),
      ];
      const codes = await settle(runtime, Promise.all(attempts.map(codeOf)));
      expect(codes[2]).toBe('done');
      for (const code of codes) expect(['done', 'key_revoked']).toContain(code);
      expect(records.get(kid)?.revokedAtMs).toBeDefined();
      expect(records.get(kid)?.version).toBe(1 + codes.filter((code) => code === 'done').length);
    }
  });

  it('keeps the first time when it is done twice', async () => {
    const { service, runtime, records } = createSite();
    const { record } = await service.create({ team: 'web' }, 'ops');
    const first = await service.revoke(record.kid);
    runtime.advance(1_000);
    expect(await service.revoke(record.kid)).toEqual(first);
    expect(records.get(record.kid)?.version).toBe(2);
  });

  it('gives up with key_conflict after five retries, and changes nothing', async () => {
    const { service, records, faults, runtime, calls } = createSite();
    const { record } = await service.create({ team: 'web' }, 'ops');
    faults.beforePut = ({ kid }) => {
      const found = records.get(kid) as KeyRecord;
      records.set(kid, { ...found, version: (found.version ?? 0) + 1 });
    };
    calls.length = 0;
    expect(await codeOf(settle(runtime, service.revoke(record.kid)))).toBe('key_conflict');
    expect(calls.filter((name) => name === 'putKey').length).toBe(6);
    expect(records.get(record.kid)?.revokedAtMs).toBeUndefined();
  });

  it('passes on what the store throws', async () => {
    const { service, faults } = createSite();
    faults.error = new Error('down');
    await expect(service.revoke('AAAAAAAAAAAA')).rejects.toThrow('down');
  });
});

describe('changing a key', () => {
  it('sets what is given, takes away what is null, and leaves the rest and the secret', async () => {
    const { service, records } = createSite();
    const { record } = await service.create(
      { team: 'web', name: 'one', labels: { a: '1' }, application: 'x' },
      'ops',
    );
    await service.update(record.kid, { name: 'two', labels: null, models: ['gpt-4*'] });
    const { labels: _, ...rest } = record;
    expect(records.get(record.kid)).toEqual({ ...rest, name: 'two', models: ['gpt-4*'], version: 2 });
  });

  it.each<[string, object]>([
    ['all models', { models: null }],
    ['more models', { models: ['gpt-*', 'claude-*'] }],
    ['a wider pattern', { models: ['g*'] }],
    ['no limits', { limits: null }],
    ['a higher limit', { limits: [{ unit: 'requests', amount: 11, window: '1m', mode: 'block' }] }],
    ['a softer limit', { limits: [{ unit: 'requests', amount: 10, window: '1m', mode: 'warn' }] }],
    [
      'a limit of fewer models',
      { limits: [{ unit: 'requests', amount: 10, window: '1m', mode: 'block', models: ['gpt-4'] }] },
    ],
    ['no expiry', { expiresAtMs: null }],
    ['a later expiry', { expiresAtMs: Date.UTC(2030, 0, 3) }],
  ])('refuses %s unless wider is allowed', async (_, change) => {
    const { service, records } = createSite();
    const { record } = await service.create(
      {
        team: 'web',
        models: ['gpt-*'],
        limits: [{ unit: 'requests', amount: 10, window: '1m', mode: 'block' }],
        lifetimeMs: dayMs,
      },
      'ops',
    );
    expect(await codeOf(service.update(record.kid, change))).toBe('key_too_wide');
    expect(records.get(record.kid)).toEqual(record);
    expect(await codeOf(service.update(record.kid, change, { allowWider: true }))).toBe('done');
  });

  it('refuses fields that never change, and bad values, as a TypeError', async () => {
    const { service } = createSite();
    const { record } = await service.create({ team: 'web' }, 'ops');
    for (const change of [{ team: 'other' }, { revokedAtMs: null }, { kid: 'x' }, { models: ['*a'] }]) {
      await expect(service.update(record.kid, change as object)).rejects.toThrow(TypeError);
    }
  });
});

describe('listing keys', () => {
  it('shows everything but hashes', async () => {
    const { service } = createSite();
    const { record } = await service.create({ team: 'web', owner: 'ana' }, 'ops');
    await service.rotate(record.kid);
    const shown = [await service.list({ owner: 'ana' }), await service.find(record.kid)];
    expect(shown[0]).toEqual([shown[1]]);
    expect(shown[1]).toMatchObject({
      kid: record.kid,
      pepperId: 'p1',
      state: 'active',
      previous: { last4: record.last4 },
    });
    expect(JSON.stringify(shown)).not.toMatch(/secretHash|[0-9a-f]{64}/);
    expect(await service.find('AAAAAAAAAAAA')).toBeNull();
  });

  it('finds keys that nobody uses: not used for so long, or never and older than that', async () => {
    const { service, records, runtime } = createSite();
    const names = new Map<string, string>();
    for (const name of ['unused', 'used', 'revoked', 'old use']) {
      names.set((await service.create({ team: 'web', name }, 'ops')).record.kid, name);
    }
    const startMs = runtime.now();
    runtime.advance(30 * dayMs);
    for (const [kid, name] of names) {
      const found = records.get(kid) as KeyRecord;
      if (name === 'used') records.set(kid, { ...found, lastUsedAtMs: runtime.now() - dayMs });
      if (name === 'old use') records.set(kid, { ...found, lastUsedAtMs: startMs + dayMs });
      if (name === 'revoked') await service.revoke(kid);
    }
    await service.create({ team: 'web', name: 'new' }, 'ops');
    const stale = await service.stale({ unusedForMs: 20 * dayMs });
    expect(stale.map(({ name }) => name).sort()).toEqual(['old use', 'unused']);
  });
});

describe('createKeyService', () => {
  it.each([
    ['"store"', { store: { findKey: async () => null } as never }],
    ['"peppers"', { peppers: undefined as never }],
    ['"policy.maxTtlMs"', { policy: { maxTtlMs: 0 } }],
    ['"policy.maxGraceMs"', { policy: { maxGraceMs: -1 } }],
  ])('cannot be made with a bad %s', (option, change) => {
    const make = () => createKeyService({ store: createPlainKeyStore().store, peppers, ...change });
    expect(make).toThrow(TypeError);
    expect(make).toThrow(option);
  });
});
