import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { invalidToken } from '../../src/identity/refusal.ts';
import { createTokenCache } from '../../src/identity/token-cache.ts';
import { createPrincipal } from '../../src/principal.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { createFixture, toRequest, until } from './jwt-fixture.ts';

describe('a verified token', () => {
  it('is answered at once with the same principal, without another signature check', async () => {
    const { provider, identify, runtime } = await createFixture();
    const token = await provider.sign();
    const first = identify(token);
    expect(first).toBeInstanceOf(Promise);
    const principal = await first;
    for (let time = 0; time < 3; time++) {
      runtime.advance(90_000);
      expect(identify(token)).toBe(principal);
    }
  });

  it('is verified again after five minutes', async () => {
    const { provider, identify, runtime } = await createFixture();
    const token = await provider.sign();
    await identify(token);
    runtime.advance(299_999);
    expect(identify(token)).not.toBeInstanceOf(Promise);
    runtime.advance(1);
    const again = identify(token);
    expect(again).toBeInstanceOf(Promise);
    expect(await again).toMatchObject({ user: 'ada-4711' });
  });

  it('is refused when it expires, though it is remembered, and also after the clock was set forward', async () => {
    const { provider, answer, runtime } = await createFixture({ clockToleranceS: 0 });
    const token = await provider.sign({ claims: { exp: provider.nowS() + 120 } });
    expect(await answer(token)).toBe('accepted');
    runtime.advance(119_999);
    expect(await answer(token)).toBe('accepted');
    runtime.shiftClock(1);
    expect(await answer(token)).toBe('expired_token');
    runtime.shiftClock(-1);
    expect(await answer(token)).toBe('accepted');
    runtime.shiftClock(3_600_000);
    expect(await answer(token)).toBe('expired_token');
  });

  it('is refused when it has reached maxTokenAgeS, though it is remembered', async () => {
    const { provider, answer, runtime } = await createFixture({ maxTokenAgeS: 120, clockToleranceS: 10 });
    const token = await provider.sign();
    expect(await answer(token)).toBe('accepted');
    runtime.advance(130_999);
    expect(await answer(token)).toBe('accepted');
    expect(await answer(await provider.sign({ claims: { jti: 1, iat: provider.nowS() - 130 } }))).toBe(
      'accepted',
    );
    runtime.advance(1);
    expect(await answer(token)).toBe('expired_token');
    expect(await answer(await provider.sign({ claims: { jti: 2, iat: provider.nowS() - 131 } }))).toBe(
      'expired_token',
    );
  });

  it('shares nothing with another that begins or ends alike', async () => {
    const { provider, identify, answer } = await createFixture();
    const [ada, bob] = [await provider.sign(), await provider.sign({ claims: { sub: 'bob' } })];
    expect(ada.slice(0, 40)).toBe(bob.slice(0, 40));
    expect(await identify(ada)).toMatchObject({ user: 'ada-4711' });
    expect(await identify(bob)).toMatchObject({ user: 'bob' });
    const [header, payload] = bob.split('.');
    expect(await answer(`${header}.${payload}.${ada.split('.')[2]}`)).toBe('invalid_token');
    expect(identify(ada)).toMatchObject({ user: 'ada-4711' });
  });

  it('is evicted by newer ones beyond cacheMax, and not by refused ones', async () => {
    const { provider, identify, answer } = await createFixture({ cacheMax: 2 });
    const good = await provider.sign();
    await identify(good);
    for (let index = 0; index < 20; index++) {
      const bad = await provider.sign({ claims: { aud: 'elsewhere', jti: index } });
      expect(await answer(bad)).toBe('invalid_token');
    }
    expect(identify(good)).not.toBeInstanceOf(Promise);
    for (const sub of ['bob', 'cyd']) await identify(await provider.sign({ claims: { sub } }));
    expect(identify(good)).toBeInstanceOf(Promise);
  });

  it('is verified once for all that bring it at the same time', async () => {
    const { provider, identify } = await createFixture();
    const token = await provider.sign();
    const [first, ...others] = Array.from({ length: 100 }, () => identify(token));
    for (const other of others) expect(other).toBe(first);
    expect(await first).toMatchObject({ user: 'ada-4711' });
  });

  it('is not kept when the keys changed while it was being verified', async () => {
    const runtime = createVirtualRuntime();
    const options = { cacheMax: 10, cacheMs: 1_000, refusedMax: 10, refusedMs: 1_000 };
    const tokens = createTokenCache(runtime, options);
    const principal = createPrincipal({ source: 'jwt', key: 'jwt:x', team: 't' });
    const before = tokens.epoch;
    tokens.clear();
    tokens.keep('a', () => principal, before);
    tokens.keepRefused('b', invalidToken('x'), before);
    expect([tokens.find('a'), tokens.find('b')]).toEqual([undefined, undefined]);
    tokens.keep('a', () => principal, tokens.epoch);
    tokens.keepRefused('b', invalidToken('x'), tokens.epoch);
    expect(tokens.find('a')?.()).toBe(principal);
    expect(tokens.find('b')).toThrow('not valid here');
    runtime.advance(1_000);
    expect([tokens.find('a'), tokens.find('b')]).toEqual([undefined, undefined]);
  });

  it('is kept when it was its own unknown key that had the keys read again', async () => {
    const { provider, runtime, answer, identify } = await createFixture();
    expect(await answer(await provider.sign())).toBe('accepted');
    await provider.addKey('second');
    runtime.advance(30_000);
    const token = await provider.sign();
    await identify(token);
    expect(identify(token)).not.toBeInstanceOf(Promise);
  });
});

describe('a change of groups', () => {
  it('is seen with the next token, while the old one still is what it was', async () => {
    const { provider, identify, answer } = await createFixture();
    const before = await provider.sign({ claims: { groups: ['llm-payments'] } });
    expect(await identify(before)).toMatchObject({ team: 'payments' });
    const moved = await provider.sign({ claims: { groups: ['llm-research'] } });
    expect(await identify(moved)).toMatchObject({ team: 'research' });
    expect(await answer(await provider.sign({ claims: { groups: [] } }))).toBe('not_permitted');
    expect(identify(before)).toMatchObject({ team: 'payments' });
  });
});

describe('a refused token', () => {
  it('is refused at once for five seconds, then verified again', async () => {
    const { provider, identity, answer, runtime } = await createFixture();
    const token = await provider.sign({ claims: { nbf: provider.nowS() + 63 } });
    expect(await answer(token)).toBe('invalid_token');
    runtime.advance(4_999);
    expect(() => identity.identify(toRequest({ authorization: `Bearer ${token}` }))).toThrow(
      'not valid here',
    );
    runtime.advance(1);
    expect(await answer(token)).toBe('accepted');
  });

  it('is forgotten beyond refusedMax', async () => {
    const { provider, identify, answer } = await createFixture({ refusedMax: 2 });
    const bad = await Promise.all(
      [1, 2, 3].map((jti) => provider.sign({ claims: { aud: 'elsewhere', jti } })),
    );
    for (const token of bad) await answer(token);
    expect(() => identify(bad[2] as string)).toThrow();
    const again = identify(bad[0] as string);
    expect(again).toBeInstanceOf(Promise);
    await expect(again).rejects.toThrow('not valid here');
  });
});

describe('tokens under verification', () => {
  it('are bounded by maxPending: one more is 503, and none once those are through', async () => {
    const { provider, answer, runtime } = await createFixture({ maxPending: 3 });
    const tokens = await Promise.all([1, 2, 3, 4].map((jti) => provider.sign({ claims: { jti } })));
    provider.freeze();
    const waiting = tokens.slice(0, 3).map(answer);
    await until(() => provider.requests.length === 1, 'the read');
    expect(await answer(tokens[3] as string)).toBe('identity_unavailable');
    runtime.advance(3_000);
    expect(await Promise.all(waiting)).toEqual(Array(3).fill('identity_unavailable'));
    provider.fail((_, response) => response.writeHead(500).end())();
    runtime.advance(1_000);
    expect(await answer(tokens[3] as string)).toBe('accepted');
  });
});

describe('what an identity remembers', () => {
  it('does not hold the text of a token', async () => {
    const { provider, identity, identify } = await createFixture();
    const token = await provider.sign();
    await identify(token);
    const shown = inspect(identity, { depth: 20, showHidden: true });
    for (const part of token.split('.')) expect(shown).not.toContain(part);
  });
});
