import { describe, expect, it } from 'vitest';
import { createFixture, otherSecret } from './key-fixture.ts';

describe('a rotated key', () => {
  it('is accepted with both secrets until the millisecond its grace ends, then with the new one alone', async () => {
    const { addRotated, answer, runtime } = createFixture({ cache: { ttlMs: 100 } });
    const { key, newKey } = addRotated(runtime.now() + 1_000);
    const answers: string[][] = [];
    for (const ms of [0, 999, 1, 1]) {
      runtime.advance(ms);
      answers.push([await answer(key), await answer(newKey)]);
    }
    expect(answers).toEqual([
      ['accepted', 'accepted'],
      ['accepted', 'accepted'],
      ['key_rotated', 'accepted'],
      ['key_rotated', 'accepted'],
    ]);
  });

  it('is refused with 401 after its grace, with a text that says what to do', async () => {
    const { addRotated, resolve, runtime } = createFixture();
    const { key } = addRotated(runtime.now());
    const error = await Promise.resolve(resolve(key)).catch((reason) => reason);
    expect(error).toMatchObject({
      code: 'key_rotated',
      status: 401,
      retryable: false,
      headers: { 'www-authenticate': 'Bearer' },
    });
    expect(error.message).toContain('Use the new one');
  });

  it('is refused with either secret when it is revoked or has expired', async () => {
    const { addRotated, answer, runtime } = createFixture();
    const laterMs = runtime.now() + 60_000;
    const revoked = addRotated(laterMs, { revokedAtMs: 1 });
    const expired = addRotated(laterMs, { expiresAtMs: runtime.now() });
    expect([await answer(revoked.key), await answer(revoked.newKey)]).toEqual(['revoked_key', 'revoked_key']);
    expect([await answer(expired.key), await answer(expired.newKey)]).toEqual(['expired_key', 'expired_key']);
  });

  it('tells nothing of its grace to whoever holds neither secret', async () => {
    const { addKey, answer, runtime } = createFixture();
    const guessed = addKey({ secretHash: '0'.repeat(64), previous: otherSecret(runtime.now() - 1) });
    expect(await answer(guessed.key)).toBe('invalid_key');
  });

  it('names at each use whether the old secret was used, and no use when it is refused', async () => {
    const uses: [string, boolean][] = [];
    const { addRotated, addKey, answer, runtime } = createFixture({
      onUse: ({ kid }, isPrevious) => uses.push([kid, isPrevious]),
    });
    const { key, newKey, kid } = addRotated(runtime.now() + 1_000);
    await answer(key);
    await answer(newKey);
    await answer(key);
    runtime.advance(1_000);
    await answer(key);
    await answer(addKey({ revokedAtMs: 1 }).key);
    await answer(addKey({ secretHash: '0'.repeat(64) }).key);
    expect(uses).toEqual([
      [kid, true],
      [kid, false],
      [kid, true],
    ]);
  });

  it.each([
    ['without a hash', { pepperId: 'p1', last4: 'abcd', graceUntilMs: 1 }],
    ['without an end', { secretHash: 'ab'.repeat(32), pepperId: 'p1', last4: 'abcd' }],
    ['that is a text', 'old'],
  ])('whose previous secret is damaged (%s) is a failed store, not a refusal', async (_, previous) => {
    const { addKey, answer } = createFixture();
    expect(await answer(addKey({ previous: previous as never }).key)).toBe('store_unavailable');
  });

  it('counts as a failed key after its grace', async () => {
    const { addRotated, answer, runtime } = createFixture({ failedKeys: { perMinute: 1 } });
    const { key } = addRotated(runtime.now());
    expect([await answer(key, '192.0.2.1'), await answer(key, '192.0.2.1')]).toEqual([
      'key_rotated',
      'too_many_failed_keys',
    ]);
  });
});
