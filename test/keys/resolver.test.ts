import { describe, expect, it } from 'vitest';
import { createKey, parseKey } from '../../src/keys/key-format.ts';
import { createKeyResolver } from '../../src/keys/resolver.ts';
import { createMemoryKeyStore } from '../../src/stores/memory/memory-key-store.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { refusalOf } from '../refusal-of.ts';
import { createFixture, otherSecret, peppers } from './key-fixture.ts';

const stranger = createKey(createVirtualRuntime({ seed: 99 })).key;

describe('a key resolver', () => {
  it('gives the record of a good key, at once when it is cached', async () => {
    const { addKey, resolve, reads } = createFixture();
    const { key, record } = addKey({ labels: { app: 'x' } });
    expect(await resolve(key)).toEqual(record);
    const cached = resolve(key);
    expect(cached).not.toBeInstanceOf(Promise);
    expect(cached).toEqual(record);
    expect(reads).toEqual([record.kid]);
  });

  it('answers an unknown kid, a wrong secret, a wrong environment and a text that is no key alike', async () => {
    const { addKey, resolve, runtime, memory } = createFixture();
    const { record } = addKey();
    const forged = createKey({
      ...runtime,
      randomBytes: (length) => (length === 16 ? new Uint8Array(16) : runtime.randomBytes(length)),
    });
    memory.put({ ...record, kid: forged.kid });
    const elsewhere = addKey({ environment: 'test' });
    const errors = [];
    for (const key of [stranger, forged.key, elsewhere.key, 'sk-whatever']) {
      for (let time = 0; time < 2; time++) errors.push(await refusalOf(() => resolve(key)));
    }
    for (const error of errors) {
      expect({ ...error, message: error.message }).toEqual({ ...errors[0], message: errors[0]?.message });
    }
    expect(errors[0]).toMatchObject({ code: 'invalid_key', status: 401, retryable: false });
  });

  it('computes two HMACs for whoever is refused, and for a good key the first time only', async () => {
    const { addKey, addRotated, answer, digests, runtime } = createFixture();
    const nowMs = runtime.now();
    const keys = {
      unknown: stranger,
      wrong: addKey({ secretHash: '0'.repeat(64) }).key,
      wrongOfTwo: addKey({ secretHash: '0'.repeat(64), previous: otherSecret(nowMs + 1) }).key,
      expired: addKey({ expiresAtMs: nowMs }).key,
      revoked: addKey({ revokedAtMs: nowMs }).key,
      rotated: addRotated(nowMs).key,
      inGrace: addRotated(nowMs + 1).key,
      good: addKey().key,
      goodOfTwo: addKey({ previous: otherSecret(nowMs + 1) }).key,
    };
    const answers: Record<string, string> = {};
    for (const [name, key] of Object.entries(keys)) {
      for (const state of ['cold', 'cached']) {
        digests.length = 0;
        answers[name] = await answer(key);
        const isKnownToBeGood = state === 'cached' && answers[name] === 'accepted';
        expect(digests.length, `${name}, ${state}`).toBe(isKnownToBeGood ? 0 : 2);
      }
    }
    expect(answers).toEqual({
      unknown: 'invalid_key',
      wrong: 'invalid_key',
      wrongOfTwo: 'invalid_key',
      expired: 'expired_key',
      revoked: 'revoked_key',
      rotated: 'key_rotated',
      inGrace: 'accepted',
      good: 'accepted',
      goodOfTwo: 'accepted',
    });
  });

  it('asks a parser of the host each time, which may say otherwise today', async () => {
    const faults = { isOver: false };
    const { addKey, resolve } = createFixture({
      parse: (credential) => (faults.isOver ? undefined : parseKey(credential)),
    });
    const { key, record } = addKey();
    for (let time = 0; time < 2; time++) expect(await resolve(key)).toEqual(record);
    faults.isOver = true;
    expect((await refusalOf(() => resolve(key))).code).toBe('invalid_key');
  });

  it('does the same work for a key that was good a moment ago and is not any more', async () => {
    const { addKey, addRotated, answer, digests, runtime } = createFixture();
    const endMs = runtime.now() + 1;
    const keys = [addKey({ expiresAtMs: endMs }).key, addRotated(endMs).key];
    for (const key of keys) expect(await answer(key)).toBe('accepted');
    runtime.advance(1);
    digests.length = 0;
    for (const key of keys) expect(await answer(key)).toMatch(/expired_key|key_rotated/);
    expect(digests.length).toBe(4);
  });

  it('does not tell that a key is revoked or expired to someone who does not have its secret', async () => {
    const { addKey, answer, runtime } = createFixture();
    const revoked = addKey({ revokedAtMs: 1, secretHash: '0'.repeat(64) });
    const expired = addKey({ expiresAtMs: runtime.now() - 1, secretHash: '0'.repeat(64) });
    expect([await answer(revoked.key), await answer(expired.key)]).toEqual(['invalid_key', 'invalid_key']);
  });

  it('refuses a key from the very millisecond it expires', async () => {
    const { addKey, answer, runtime } = createFixture();
    const { key } = addKey({ expiresAtMs: runtime.now() + 1_000 });
    const answers: string[] = [];
    runtime.advance(999);
    answers.push(await answer(key));
    runtime.advance(1);
    answers.push(await answer(key));
    runtime.advance(1);
    answers.push(await answer(key));
    expect(answers).toEqual(['accepted', 'expired_key', 'expired_key']);
  });

  it('refuses a revoked key also when the instant of revocation lies ahead of this clock', async () => {
    const { addKey, answer, runtime } = createFixture();
    const { key } = addKey({ revokedAtMs: runtime.now() + 60_000 });
    expect(await answer(key)).toBe('revoked_key');
  });

  it('asks the store nothing for what is no key, is ambiguous or stands in the query', async () => {
    const { addKey, resolver, reads, digests } = createFixture();
    const { key } = addKey();
    const broken = `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`;
    const codes = [];
    const attempts: [Record<string, string>, string][] = [
      [{ 'x-api-key': broken }, ''],
      [{ 'x-api-key': 'a'.repeat(10_000) }, ''],
      [{ 'x-api-key': `${key}é` }, ''],
      [{ authorization: `Basic ${key}` }, ''],
      [{ 'x-api-key': key, authorization: 'Bearer other' }, ''],
      [{ 'x-api-key': key }, `key=${key}`],
      [{}, ''],
    ];
    for (const [headers, query] of attempts) {
      codes.push((await refusalOf(() => resolver.resolve(headers, query))).code);
    }
    expect(codes).toEqual([
      'invalid_key',
      'invalid_key',
      'invalid_key',
      'missing_key',
      'ambiguous_credentials',
      'key_in_query',
      'missing_key',
    ]);
    expect([reads, digests]).toEqual([[], []]);
  });

  it('works for keys of another format with another hash', async () => {
    const runtime = createVirtualRuntime();
    const record = {
      kid: 'alice',
      secretHash: 'terces',
      pepperId: '',
      team: 'a',
      environment: 'x',
      createdAtMs: 0,
      last4: '',
    };
    const asked: unknown[] = [];
    const resolver = createKeyResolver({
      store: createMemoryKeyStore([record]),
      runtime,
      parse: (credential) => {
        const [kid, secret] = credential.split(':');
        return kid && secret ? { kid, secret } : undefined;
      },
      verify: (found, secret) => {
        asked.push(found?.kid ?? null);
        return found?.secretHash === [...secret].reverse().join('');
      },
    });
    const resolve = (credential: string) => resolver.resolve({ 'x-api-key': credential }, '');
    expect(await resolve('alice:secret')).toMatchObject({ team: 'a' });
    expect((await refusalOf(() => resolve('alice:other'))).code).toBe('invalid_key');
    expect((await refusalOf(() => resolve('bob:secret'))).code).toBe('invalid_key');
    expect((await refusalOf(() => resolve('alice'))).code).toBe('invalid_key');
    expect(asked).toEqual(['alice', null, 'alice', null, null, null]);
  });

  it('does not take the promise of an asynchronous verify for a yes', async () => {
    const verify = (async () => true) as unknown as () => boolean;
    const { addKey, answer } = createFixture({ verify });
    expect(await answer(addKey().key)).toBe('invalid_key');
  });

  it.each([
    ['"store"', { store: undefined as never }],
    ['"peppers" or "verify"', { peppers: undefined as never }],
    ['"cache.max"', { cache: { max: 0 } }],
    ['"cache.ttlMs"', { cache: { ttlMs: -1 } }],
    ['"cache.staleMs"', { cache: { staleMs: Number.NaN } }],
    ['"reads.timeoutMs"', { reads: { timeoutMs: 0.5 } }],
    ['"reads.maxConcurrent"', { reads: { maxConcurrent: 0 } }],
    ['"failedKeys.maxAddresses"', { failedKeys: { maxAddresses: 0 } }],
  ])('cannot be made with a bad %s', (option, change) => {
    const make = () =>
      createKeyResolver({
        store: createMemoryKeyStore(),
        runtime: createVirtualRuntime(),
        peppers,
        ...change,
      });
    expect(make).toThrow(TypeError);
    expect(make).toThrow(option);
  });
});

describe('failed keys', () => {
  it('are answered 429 with a time to wait once an address sent too many in a minute, and 401 again after it', async () => {
    const { answer, resolve, runtime } = createFixture({ failedKeys: { perMinute: 3 } });
    const answers: string[] = [];
    for (let time = 0; time < 5; time++) answers.push(await answer(stranger, '192.0.2.1'));
    runtime.advance(20_000);
    const error = await refusalOf(() => resolve(stranger, '192.0.2.1'));
    expect(error).toMatchObject({
      code: 'too_many_failed_keys',
      status: 429,
      retryAfterSeconds: 40,
      retryable: false,
    });
    runtime.advance(40_000);
    answers.push(await answer(stranger, '192.0.2.1'));
    const refused = 'invalid_key';
    const limited = 'too_many_failed_keys';
    expect(answers).toEqual([refused, refused, refused, limited, limited, refused]);
  });

  it('of one address do not hold up its good keys, cached or not, nor any key of another address', async () => {
    const { addKey, answer } = createFixture({ failedKeys: { perMinute: 1 } });
    const { key } = addKey();
    for (let time = 0; time < 100; time++) await answer(stranger, '192.0.2.1');
    expect(await answer(stranger, '192.0.2.1')).toBe('too_many_failed_keys');
    expect(await answer(key, '192.0.2.1')).toBe('accepted');
    expect(await answer(key, '192.0.2.1')).toBe('accepted');
    expect(await answer(stranger, '192.0.2.2')).toBe('invalid_key');
  });

  it('of one address are looked up so many times a second and no more, while its keys in use go on', async () => {
    const { addKey, answer, reads, runtime } = createFixture({
      failedKeys: { perMinute: 2, lookUpsPerSecond: 3 },
      cache: { ttlMs: 5_000 },
    });
    const inUse = addKey().key;
    const idle = addKey().key;
    expect(await answer(inUse, '192.0.2.1')).toBe('accepted');
    const guesser = createVirtualRuntime({ seed: 9 });
    const answers: string[] = [];
    for (let time = 0; time < 200; time++) answers.push(await answer(createKey(guesser).key, '192.0.2.1'));
    expect(answers.slice(0, 3)).toEqual(['invalid_key', 'invalid_key', 'too_many_failed_keys']);
    expect(new Set(answers.slice(3))).toEqual(new Set(['too_many_failed_keys']));
    // the one in use, three until it was too much, three after it
    expect(reads).toHaveLength(7);
    expect(await answer(inUse, '192.0.2.1')).toBe('accepted');
    expect(await answer(idle, '192.0.2.1'), 'whether it is good is not known').toBe('too_many_failed_keys');
    runtime.advance(10_000);
    for (let time = 0; time < 10; time++) await answer(createKey(guesser).key, '192.0.2.1');
    expect(reads).toHaveLength(10);
    expect(await answer(inUse, '192.0.2.1'), 'a key that was seen lately is read again').toBe('accepted');
    expect(await answer(idle, '192.0.2.2')).toBe('accepted');
    runtime.advance(1_000);
    expect(await answer(idle, '192.0.2.1')).toBe('accepted');
    runtime.advance(60_000);
    expect(await answer(createKey(guesser).key, '192.0.2.1')).toBe('invalid_key');
  });

  it('that were not looked up are told so, with a time after which trying again makes sense', async () => {
    const { addKey, resolve } = createFixture({ failedKeys: { perMinute: 0, lookUpsPerSecond: 0 } });
    const { key } = addKey();
    await refusalOf(() => resolve(stranger, '192.0.2.1'));
    const error = await refusalOf(() => resolve(key, '192.0.2.1'));
    expect(error).toMatchObject({ code: 'too_many_failed_keys', status: 429, retryAfterSeconds: 1 });
    expect(error.retryable).not.toBe(false);
    expect(error.message).not.toContain('this one is among them');
  });

  it('may be unknown, expired or revoked: each counts', async () => {
    const { addKey, answer } = createFixture({ failedKeys: { perMinute: 1 } });
    const keys = {
      unknown: stranger,
      expired: addKey({ expiresAtMs: 1 }).key,
      revoked: addKey({ revokedAtMs: 1 }).key,
    };
    for (const [address, key] of Object.entries(keys)) {
      expect(await answer(key, address), address).toMatch(/^(invalid|expired|revoked)_key$/);
      expect(await answer(key, address), address).toBe('too_many_failed_keys');
    }
  });

  it('are the only thing counted: no missing key, no good key, no malformed request, no failed store', async () => {
    const { addKey, answer, resolver, faults } = createFixture({ failedKeys: { perMinute: 1 } });
    const { key } = addKey();
    for (let time = 0; time < 10; time++) {
      await answer(key, '192.0.2.1');
      await refusalOf(() => resolver.resolve({}, '', '192.0.2.1'));
      await refusalOf(() => resolver.resolve({ 'x-api-key': key }, 'key=1', '192.0.2.1'));
    }
    faults.error = new Error('down');
    for (let time = 0; time < 10; time++) await answer(stranger, '192.0.2.1');
    faults.error = undefined;
    expect(await answer(stranger, '192.0.2.1')).toBe('invalid_key');
    expect(await answer(stranger, '192.0.2.1')).toBe('too_many_failed_keys');
  });

  it('are counted together for the addresses of one IPv6 /64', async () => {
    const { answer } = createFixture({ failedKeys: { perMinute: 1 } });
    expect(await answer(stranger, '2001:db8:0:1::1')).toBe('invalid_key');
    expect(await answer(stranger, '2001:db8:0:1:ffff::2')).toBe('too_many_failed_keys');
    expect(await answer(stranger, '2001:db8:0:2::1')).toBe('invalid_key');
  });

  it('take bounded memory and bounded store reads when a flood guesses keys from many addresses', async () => {
    const fixture = createFixture({
      failedKeys: { perMinute: 1, maxAddresses: 100 },
      cache: { maxNegative: 100 },
      reads: { maxConcurrent: 10 },
    });
    const { key } = fixture.addKey();
    const guesser = createVirtualRuntime({ seed: 5 });
    const flood = (count: number, from: number) =>
      Promise.all(
        Array.from({ length: count }, (_, index) =>
          fixture.answer(createKey(guesser).key, `198.51.${(from + index) >> 8}.${(from + index) & 255}`),
        ),
      );
    const settled = await flood(2_000, 0);
    expect(new Set(settled)).toEqual(new Set(['invalid_key']));
    expect(fixture.mostRunning()).toBe(10);
    expect(await fixture.answer(key, '198.51.0.0')).toBe('accepted');
    // 100 addresses are remembered: the first is forgotten, the last is not
    expect(await fixture.answer(stranger, '198.51.7.207')).toBe('too_many_failed_keys');
    expect(await fixture.answer(stranger, '198.51.0.1')).toBe('invalid_key');
    expect(fixture.runtime.pending).toBe(0);
  });
});
