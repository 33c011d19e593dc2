import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Egress } from '../../src/upstream/egress.ts';
import { createUndiciEgress } from '../../src/upstream/undici-egress.ts';
import { createFixture, until } from './jwt-fixture.ts';
import type { ProviderFault } from './local-provider.ts';

const discoveryPath = '/.well-known/openid-configuration';

const down: ProviderFault = (_, response) => response.socket?.destroy();

const faults: [string, ProviderFault][] = [
  ['refuses', down],
  ['fails', (_, response) => response.writeHead(503).end()],
  ['answers 404', (_, response) => response.writeHead(404).end()],
  ['answers with HTML', (_, response) => response.end('<html>')],
  ['answers with bytes that are not UTF-8', (_, response) => response.end(Buffer.from([0x22, 0xff, 0x22]))],
  ['breaks off', (_, response) => void response.write('{"keys":[', () => response.socket?.destroy())],
  ['answers with a list', (_, response) => response.end('[]')],
  ['answers with an empty set', (_, response) => response.end('{"keys":[]}')],
  [
    'answers with 101 keys',
    (_, response) => response.end(JSON.stringify({ keys: Array(101).fill({ kty: 'EC' }) })),
  ],
  [
    'answers with 200,000 levels',
    (_, response) => response.end(`{"keys":[{"x":${'['.repeat(200_000)}${']'.repeat(200_000)}}]}`),
  ],
];

describe('the keys of a provider', () => {
  it('are found by discovery, and read once for many tokens', async () => {
    const { provider, try: attempt } = await createFixture();
    for (const sub of ['a', 'b', 'c'])
      expect(await attempt({ claims: { sub } })).toMatchObject({ user: sub });
    expect(provider.requests).toEqual([discoveryPath, '/keys']);
  });

  it('are read from jwksUri when it is given, without discovery', async () => {
    const elsewhere = await createFixture();
    const { provider, answer } = await createFixture({
      issuer: 'https://acme.example',
      jwksUri: `${elsewhere.provider.issuer}/keys`,
    });
    const token = await elsewhere.provider.sign({ claims: { iss: 'https://acme.example' } });
    expect(await answer(token)).toBe('accepted');
    expect(elsewhere.provider.requests).toEqual(['/keys']);
    expect(provider.requests).toEqual([]);
  });

  it('are read once for 1,000 tokens that arrive together, and no token is refused', async () => {
    const { provider, answer } = await createFixture();
    const tokens = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => provider.sign({ claims: { sub: `user-${index}` } })),
    );
    const answers = await Promise.all(tokens.map(answer));
    expect(new Set(answers)).toEqual(new Set(['accepted']));
    expect(provider.requests).toEqual([discoveryPath, '/keys']);
  });

  it('can be had before the first token with ready, which tells what is wrong', async () => {
    const { provider, identity, answer } = await createFixture();
    const end = provider.fail((_, response) => response.writeHead(404).end());
    await expect(identity.ready()).rejects.toMatchObject({
      code: 'identity_unavailable',
      cause: { message: `${provider.issuer}${discoveryPath} answered status 404.` },
    });
    end();
    provider.runtime.advance(1_000);
    await identity.ready();
    const asked = provider.requests.length;
    expect(await answer(await provider.sign())).toBe('accepted');
    expect(provider.requests).toHaveLength(asked);
  });

  it.each(['RS256', 'PS256', 'ES256', 'EdDSA'])('may be for %s', async (algorithm) => {
    const { provider, try: attempt } = await createFixture();
    await provider.addKey('other', algorithm);
    expect(await attempt({ kid: 'other' })).toMatchObject({ team: 'payments' });
  });

  it('may stand beside keys that are of no use here', async () => {
    const { provider, answer } = await createFixture();
    provider.published.unshift(
      { kty: 'unheard-of' },
      { kty: 'oct', k: 'c2VjcmV0', kid: 'first', alg: 'HS256' },
    );
    expect(await answer(await provider.sign())).toBe('accepted');
  });
});

describe('when a provider rotates its keys', () => {
  it('a token with the new key is accepted at once, if the keys were not just read', async () => {
    const { provider, runtime, answer } = await createFixture();
    expect(await answer(await provider.sign())).toBe('accepted');
    await provider.addKey('second');
    runtime.advance(30_000);
    expect(await answer(await provider.sign({ kid: 'second' }))).toBe('accepted');
    expect(await answer(await provider.sign({ kid: 'first' }))).toBe('accepted');
    expect(provider.requests).toHaveLength(4);
  });

  it('made-up kids have the keys read again once in 30 seconds, and no more', async () => {
    const { provider, runtime, answer } = await createFixture();
    await answer(await provider.sign());
    provider.requests.length = 0;
    let reads = 0;
    for (let second = 0; second < 120; second += 10) {
      runtime.advance(10_000);
      const tokens = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          provider.sign({ header: { kid: `ghost-${second}-${index}` } }),
        ),
      );
      for (const token of tokens) expect(await answer(token)).toBe('invalid_token');
      reads = provider.requests.filter((path) => path === '/keys').length;
    }
    expect(reads).toBe(4);
  });

  it('a token that was refused for its unknown key is accepted as soon as the key may be asked for', async () => {
    const { provider, runtime, answer } = await createFixture();
    await answer(await provider.sign());
    await provider.addKey('second');
    const token = await provider.sign({ kid: 'second' });
    runtime.advance(29_999);
    expect(await answer(token)).toBe('invalid_token');
    runtime.advance(1);
    expect(await answer(token)).toBe('accepted');
  });

  it('a withdrawn key is refused after jwksCacheMs and cacheMs at the latest', async () => {
    const { provider, runtime, answer } = await createFixture({ jwksCacheMs: 60_000, cacheMs: 30_000 });
    const old = await provider.sign();
    await provider.addKey('second');
    expect(await answer(old)).toBe('accepted');
    provider.withdrawKey('first');
    // the worst case: verified again just before the keys would be read, and remembered from there
    runtime.advance(47_999);
    expect(await answer(old)).toBe('accepted');
    runtime.advance(29_999);
    expect(await answer(old)).toBe('accepted');
    runtime.advance(1);
    expect(await answer(old)).toBe('invalid_token');
  });

  it('keys in use are read in the background before their time is over, and nobody waits for it', async () => {
    const { provider, runtime, answer } = await createFixture({ cacheMs: 0 });
    const old = await provider.sign();
    await provider.addKey('second');
    expect(await answer(old)).toBe('accepted');
    provider.withdrawKey('first');
    runtime.advance(480_000);
    expect(await answer(old)).toBe('accepted');
    await until(() => provider.requests.length === 4, 'the read in the background');
    const deadline = performance.now() + 60_000;
    let last = await answer(old);
    while (last === 'accepted' && performance.now() < deadline) last = await answer(old);
    expect(last).toBe('invalid_token');
  });

  it('tokens under the withdrawn key that were verified before are refused at once when the change is seen', async () => {
    const { provider, runtime, answer } = await createFixture();
    const old = await provider.sign();
    expect(await answer(old)).toBe('accepted');
    await provider.addKey('second');
    provider.withdrawKey('first');
    runtime.advance(30_000);
    expect(await answer(await provider.sign({ kid: 'second' }))).toBe('accepted');
    expect(await answer(old)).toBe('invalid_token');
  });

  it('another key under the same kid is not taken for the old one', async () => {
    const { provider, runtime, answer } = await createFixture();
    const old = await provider.sign();
    expect(await answer(old)).toBe('accepted');
    provider.withdrawKey('first');
    await provider.addKey('first');
    runtime.advance(600_000);
    expect(await answer(await provider.sign())).toBe('accepted');
    expect(await answer(old)).toBe('invalid_token');
  });
});

describe('when a provider', () => {
  it.each(faults)(
    '%s, an unknown token is 503 and never 401, and is accepted when it is well again',
    async (_, fault) => {
      const { provider, runtime, answer, refusal, errors } = await createFixture();
      const token = await provider.sign();
      for (const path of [discoveryPath, '/keys']) {
        const end = provider.fail((asked, response) => {
          if (asked === path) return fault(asked, response);
          response.end(JSON.stringify({ issuer: provider.issuer, jwks_uri: `${provider.issuer}/keys` }));
        });
        const error = await refusal(token);
        expect(error).toMatchObject({
          code: 'identity_unavailable',
          status: 503,
          retryable: true,
          retryAfterSeconds: 1,
        });
        expect(error.cause).toBeInstanceOf(Error);
        expect(errors.at(-1)).toBe(error.cause);
        end();
        runtime.advance(1_000);
      }
      expect(await answer(token)).toBe('accepted');
    },
  );

  it('is down and whoever is told of it throws, it is 503 as well', async () => {
    const { provider, answer } = await createFixture({
      onError() {
        throw new Error('the log is full');
      },
    });
    provider.fail(down);
    expect(await answer(await provider.sign())).toBe('identity_unavailable');
  });

  it('is down, it is tried once a second however many tokens come', async () => {
    const { provider, runtime, answer } = await createFixture();
    provider.fail(down);
    const tokens = await Promise.all(
      Array.from({ length: 50 }, (_, index) => provider.sign({ claims: { sub: `${index}` } })),
    );
    for (let second = 0; second < 5; second++) {
      for (const pauseMs of [999, 1]) {
        const answers = new Set(await Promise.all(tokens.map(answer)));
        expect(answers).toEqual(new Set(['identity_unavailable']));
        runtime.advance(pauseMs);
      }
    }
    expect(provider.requests).toHaveLength(5);
  });

  it('is down, tokens under known keys are accepted until jwksStaleMs is over, unknown ones are 503', async () => {
    const { provider, runtime, answer } = await createFixture();
    const claims = { exp: provider.nowS() + 1_000_000 };
    const sign = (jti: number) => provider.sign({ claims: { ...claims, jti }, kid: 'first' });
    expect(await answer(await sign(1))).toBe('accepted');
    provider.fail(down);
    runtime.advance(600_000);
    expect(await answer(await sign(2))).toBe('accepted');
    await provider.addKey('second');
    expect(await answer(await provider.sign({ kid: 'second' }))).toBe('identity_unavailable');
    runtime.advance(3_599_999);
    expect(await answer(await sign(3))).toBe('accepted');
    runtime.advance(1);
    expect(await answer(await sign(4))).toBe('identity_unavailable');
  });

  it('hangs, the first token waits until the deadline and others under known keys do not wait at all', async () => {
    const { provider, runtime, answer } = await createFixture({ jwksTimeoutMs: 60_000 });
    expect(await answer(await provider.sign({ claims: { jti: 1 } }))).toBe('accepted');
    provider.freeze();
    runtime.advance(600_000);
    provider.requests.length = 0;
    const first = answer(await provider.sign({ claims: { jti: 2 } }));
    await until(() => provider.requests.length === 1, 'the read');
    runtime.advance(60_000);
    expect(await first).toBe('accepted');
    // from here on it is known to hang: another read begins, its deadline never comes, and yet there is an answer
    runtime.advance(1_000);
    expect(await answer(await provider.sign({ claims: { jti: 3 } }))).toBe('accepted');
    await until(() => provider.requests.length === 2, 'the next read');
    expect(await answer(await provider.sign({ claims: { jti: 4 } }))).toBe('accepted');
  });

  it('hangs, a token that nothing is known for is 503 after three seconds', async () => {
    const { provider, runtime, refusal } = await createFixture();
    provider.freeze();
    const error = refusal(await provider.sign());
    await until(() => provider.requests.length === 1, 'the read');
    runtime.advance(3_000);
    expect(await error).toMatchObject({ code: 'identity_unavailable', status: 503 });
    expect(((await error).cause as Error).message).toContain('did not answer in 3000 ms');
  });

  it('begins an answer and never ends it, it is given up after three seconds too', async () => {
    const inner = createUndiciEgress();
    let heads = 0;
    const egress: Egress = {
      async send(request) {
        const reply = await inner.send(request);
        heads++;
        return reply;
      },
      close: () => inner.close(),
    };
    const { provider, runtime, refusal } = await createFixture({ egress });
    provider.fail((_, response) => void response.write('{'));
    const error = refusal(await provider.sign());
    await until(() => heads === 1, 'the head of the answer');
    runtime.advance(3_000);
    expect((await error).cause).toMatchObject({
      message: expect.stringContaining('did not answer in 3000 ms'),
    });
    await inner.close();
  });

  it('sends 50 MB, no more than a megabyte and what was on the way is taken', async () => {
    const { provider, refusal } = await createFixture();
    let sent = 0;
    provider.fail((_, response) => {
      const chunk = Buffer.alloc(65_536, 32);
      const send = (): void => {
        if (response.destroyed || sent >= 50_000_000) return;
        sent += chunk.length;
        response.write(chunk, send);
      };
      send();
    });
    const error = await refusal(await provider.sign());
    expect((error.cause as Error).message).toContain('more than 1048576 bytes');
    expect(sent).toBeLessThan(20_000_000);
  });

  it('compresses its answer though it was told not to, it is not decompressed', async () => {
    const { provider, refusal } = await createFixture();
    provider.fail((_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end('x'));
    expect(((await refusal(await provider.sign())).cause as Error).message).toContain('compressed');
  });

  it('redirects, nobody goes there', async () => {
    const { provider, refusal } = await createFixture();
    const visits: string[] = [];
    const trap = createServer((request, response) => {
      visits.push(request.url ?? '');
      response.end('{}');
    });
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
    const location = `http://127.0.0.1:${(trap.address() as AddressInfo).port}/keys`;
    provider.fail((_, response) => response.writeHead(302, { location }).end());
    expect(await refusal(await provider.sign())).toMatchObject({ code: 'identity_unavailable' });
    expect(visits).toEqual([]);
    await new Promise((resolve) => trap.close(resolve));
  });
});

describe('a discovery document', () => {
  it('of another issuer is not believed', async () => {
    const { provider, refusal } = await createFixture();
    for (const issuer of ['https://evil.example', `${provider.issuer}/`, undefined]) {
      provider.setDiscovery({ issuer });
      const error = await refusal(await provider.sign());
      expect((error.cause as Error).message).toContain('another issuer');
      provider.runtime.advance(1_000);
    }
    expect(provider.requests).not.toContain('/keys');
  });

  it.each([
    'http://keys.example/keys',
    'http://169.254.169.254/latest',
    'http://127.0.0.1.evil.example/',
    'https://user@keys.example/',
    'https://:password@keys.example/',
    'file:///etc/passwd',
    'data:application/json,{}',
    '/keys',
    '',
    42,
    undefined,
  ])('that names %s as its keys is not followed', async (uri) => {
    const { provider, refusal } = await createFixture();
    provider.setDiscovery({ jwks_uri: uri });
    const error = await refusal(await provider.sign());
    expect((error.cause as Error).message).toContain('no jwks_uri with https');
    expect(provider.requests).toEqual([discoveryPath]);
  });

  it('on another machine cannot send us to a service on this one', async () => {
    const asked: string[] = [];
    const { answer, provider } = await createFixture({
      issuer: 'https://acme.example',
      egress: {
        async send({ origin, path }) {
          asked.push(origin + path);
          const text = JSON.stringify({
            issuer: 'https://acme.example',
            jwks_uri: 'http://127.0.0.1:9/keys',
          });
          const bytes = new TextEncoder().encode(text);
          return { status: 200, headers: {}, body: toBody(bytes) };
        },
        async close() {},
      },
    });
    const token = await provider.sign({ claims: { iss: 'https://acme.example' } });
    expect(await answer(token)).toBe('identity_unavailable');
    expect(asked).toEqual([`https://acme.example${discoveryPath}`]);
  });
});

describe('closing a JWT identity', () => {
  it('ends a read that is under way and leaves no timer', async () => {
    const { provider, identity, runtime, refusal } = await createFixture();
    provider.freeze();
    const error = refusal(await provider.sign());
    await until(() => provider.requests.length === 1, 'the read');
    identity.close();
    expect(await error).toMatchObject({ code: 'identity_unavailable' });
    expect(runtime.pending).toBe(0);
    runtime.advance(1_000);
    expect(await refusal(await provider.sign())).toMatchObject({ code: 'identity_unavailable' });
    expect(provider.requests).toHaveLength(1);
  });

  it('does not wait for an egress that takes no notice', async () => {
    let sent = 0;
    const egress: Egress = {
      send() {
        sent++;
        return new Promise(() => {});
      },
      close: async () => {},
    };
    const { provider, identity, refusal } = await createFixture({ egress });
    const error = refusal(await provider.sign());
    await until(() => sent === 1, 'the request');
    identity.close();
    expect(await error).toMatchObject({ code: 'identity_unavailable' });
  });

  it('leaves an egress open that was passed in', async () => {
    let closed = 0;
    const egress = {
      send: async () => ({ status: 500, headers: {}, body: toBody(new Uint8Array()) }),
      close: async () => void closed++,
    };
    const { identity } = await createFixture({ egress });
    identity.close();
    expect(closed).toBe(0);
  });
});

function toBody(bytes: Uint8Array) {
  return {
    collect: async () => ({ bytes, ended: true }),
    cancel() {},
    async *[Symbol.asyncIterator]() {
      yield bytes;
    },
  };
}
