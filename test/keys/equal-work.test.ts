import { expect, it, vi } from 'vitest';
import { isGatewayError } from '../../src/errors.ts';
import { createKey } from '../../src/keys/key-format.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { createFixture, otherSecret } from './key-fixture.ts';

const work = vi.hoisted(() => ({ hmacs: 0, digests: 0, comparisons: 0 }));
const parsed = vi.hoisted((): string[] => []);

vi.mock('../../src/keys/key-format.ts', async (importOriginal) => {
  const format = await importOriginal<typeof import('../../src/keys/key-format.ts')>();
  return {
    ...format,
    parseKey: (text: string) => {
      parsed.push(text);
      return format.parseKey(text);
    },
  };
});

vi.mock('node:crypto', async (importOriginal) => {
  const crypto = await importOriginal<typeof import('node:crypto')>();
  const counted =
    <Arguments extends unknown[], Result>(kind: keyof typeof work, act: (...all: Arguments) => Result) =>
    (...all: Arguments): Result => {
      work[kind]++;
      return act(...all);
    };
  return {
    ...crypto,
    createHmac: counted('hmacs', crypto.createHmac),
    hash: counted('digests', crypto.hash),
    timingSafeEqual: counted('comparisons', crypto.timingSafeEqual),
  };
});

/** Every kind of key that is refused, by what is wrong with it. */
function createRefused() {
  const fixture = createFixture({ failedKeys: { perMinute: 1_000 } });
  const { addKey, addRotated, runtime } = fixture;
  const nowMs = runtime.now();
  const wrong = { secretHash: '0'.repeat(64) };
  const keys = {
    'an unknown kid': createKey(createVirtualRuntime({ seed: 99 })).key,
    'a wrong secret': addKey(wrong).key,
    'a wrong secret of a rotated key': addKey({ ...wrong, previous: otherSecret(nowMs + 1_000) }).key,
    'a wrong secret of a revoked key': addKey({ ...wrong, revokedAtMs: nowMs }).key,
    'a wrong secret of an expired key': addKey({ ...wrong, expiresAtMs: nowMs }).key,
    'a pepper that is not there': addKey({ pepperId: 'p9' }).key,
    'a damaged hash': addKey({ secretHash: 'zz' }).key,
    'another environment': addKey({ environment: 'test' }).key,
    'a revoked key': addKey({ revokedAtMs: nowMs }).key,
    'a revoked and rotated key': addRotated(nowMs + 1_000, { revokedAtMs: nowMs }).newKey,
    'an expired key': addKey({ expiresAtMs: nowMs }).key,
    'an old secret after its grace': addRotated(nowMs).key,
  };
  return { ...fixture, keys };
}

it('costs the same work to refuse a key, whatever is wrong with it: look-up, digest, HMACs and comparisons', async () => {
  const { keys, resolve, reads } = createRefused();
  for (const state of ['cold', 'cached', 'cached'] as const) {
    for (const [what, key] of Object.entries(keys)) {
      Object.assign(work, { hmacs: 0, digests: 0, comparisons: 0 });
      const readBefore = reads.length;
      const error = await (async () => resolve(key))().catch((thrown: unknown) => thrown);
      expect(isGatewayError(error) && error.status, what).toBe(401);
      expect({ ...work, reads: reads.length - readBefore }, `${what}, ${state}`).toEqual({
        digests: 1,
        hmacs: 2,
        comparisons: 2,
        reads: state === 'cold' ? 1 : 0,
      });
    }
  }
});

it('takes a good key apart the first time only, and anew when its record has changed', async () => {
  const { addKey, resolver, resolve, memory } = createFixture();
  const { key, record, kid } = addKey();
  parsed.length = 0;
  for (let time = 0; time < 3; time++) expect(await resolve(key)).toEqual(record);
  expect(parsed).toEqual([key]);
  memory.put({ ...record, team: 'other' });
  resolver.forget(kid);
  for (let time = 0; time < 3; time++) expect(await resolve(key)).toMatchObject({ team: 'other' });
  expect(parsed).toEqual([key, key]);
  memory.put({ ...record, secretHash: '0'.repeat(64) });
  resolver.forget(kid);
  for (let time = 0; time < 3; time++) {
    await expect((async () => resolve(key))()).rejects.toMatchObject({ code: 'invalid_key' });
  }
  expect(parsed).toHaveLength(5);
});

it('costs no more than a digest and a checksum to refuse what is no key', async () => {
  const { keys, resolve, reads } = createRefused();
  const [key] = Object.values(keys) as [string];
  const other = key.endsWith('0') ? '1' : '0';
  Object.assign(work, { hmacs: 0, digests: 0, comparisons: 0 });
  for (const text of [`${key.slice(0, -1)}${other}`, key.slice(0, -1), `${key}0`, 'sk-live-0123456789']) {
    await expect((async () => resolve(text))()).rejects.toMatchObject({ code: 'invalid_key' });
  }
  expect({ ...work, reads: reads.length }).toEqual({ digests: 4, hmacs: 0, comparisons: 0, reads: 0 });
});

it('answers alike, whatever is wrong with a key whose secret is not proven', async () => {
  const { keys, resolve } = createRefused();
  const unproven = Object.entries(keys).filter(([what]) => !/^(a revoked|an expired|an old)/.test(what));
  const answers = await Promise.all(
    unproven.map(async ([, key]) => {
      const error = await (async () => resolve(key))().catch((thrown: Error) => thrown);
      return { ...error, message: (error as Error).message };
    }),
  );
  expect(unproven.length).toBe(8);
  for (const answer of answers) expect(answer).toEqual(answers[0]);
});
