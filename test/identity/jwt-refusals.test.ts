import { createHmac } from 'node:crypto';
import { inspect } from 'node:util';
import * as fc from 'fast-check';
import { CompactEncrypt, exportJWK, FlattenedSign, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { createNoPepperRing } from '../../src/keys/no-pepper.ts';
import { createKeyResolver } from '../../src/keys/resolver.ts';
import { createMemoryKeyStore } from '../../src/stores/memory/memory-key-store.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { refusalOf } from '../refusal-of.ts';
import { assemble, createFixture, toRequest } from './jwt-fixture.ts';
import type { LocalProvider } from './local-provider.ts';

type Forge = (provider: LocalProvider) => Promise<string> | string;

const forgeries: [string, Forge][] = [
  ['unsigned, alg none', (it) => assemble({ alg: 'none', kid: 'first' }, it.claims(), '')],
  ['unsigned, alg None with a signature', (it) => assemble({ alg: 'None', kid: 'first' }, it.claims())],
  [
    'signed by HS256 with the public key as the secret',
    async (it) => {
      const unsigned = assemble({ alg: 'HS256', kid: 'first' }, it.claims(), '');
      const mac = createHmac('sha256', await it.publicPem('first')).update(unsigned.slice(0, -1));
      return unsigned + mac.digest('base64url');
    },
  ],
  ['without an alg', (it) => assemble({ kid: 'first' }, it.claims())],
  [
    'signed with a good key by an algorithm that is not allowed',
    async (it) => {
      await it.addKey('other', 'RS512');
      return it.sign();
    },
  ],
  [
    'signed by another algorithm of the list than the key is for',
    async (it) => {
      await it.addKey('rsa', 'RS256');
      return it.sign({ header: { kid: 'first' } });
    },
  ],
  [
    'signed with a key of the same kid that the provider does not have',
    async (it) => {
      await it.addKey('forged', 'ES256', false);
      return it.sign({ header: { kid: 'first' } });
    },
  ],
  [
    'signed with the key in its own header',
    async (it) => {
      const pair = await generateKeyPair('ES256');
      const jwk = await exportJWK(pair.publicKey);
      const header = {
        alg: 'ES256',
        kid: 'first',
        jwk,
        jku: 'https://evil.example/keys',
        x5u: 'https://evil.example/x',
      };
      return new SignJWT(it.claims()).setProtectedHeader(header).sign(pair.privateKey);
    },
  ],
  [
    'with a changed payload',
    async (it) => {
      const [header, , signature] = (await it.sign()).split('.');
      const payload = Buffer.from(JSON.stringify({ ...it.claims(), sub: 'root' })).toString('base64url');
      return `${header}.${payload}.${signature}`;
    },
  ],
  ['with a signature cut short', async (it) => (await it.sign()).slice(0, -4)],
  ['for another audience', (it) => it.sign({ claims: { aud: 'payroll' } })],
  [
    'for several audiences, none of them ours',
    (it) => it.sign({ claims: { aud: ['payroll', 'headgate2'] } }),
  ],
  ['without an audience', (it) => it.sign({ claims: { aud: undefined } })],
  ['with an audience that is an object', (it) => it.sign({ claims: { aud: { headgate: true } } })],
  ['without an expiry', (it) => it.sign({ claims: { exp: undefined } })],
  ['with an expiry that is a text', (it) => it.sign({ claims: { exp: `${it.nowS() + 60}` } })],
  ['not valid yet, beyond the tolerance', (it) => it.sign({ claims: { nbf: it.nowS() + 61 } })],
  ['without a subject', (it) => it.sign({ claims: { sub: undefined } })],
  ['with an empty subject', (it) => it.sign({ claims: { sub: '' } })],
  ['with a subject that is a number', (it) => it.sign({ claims: { sub: 4711 } })],
  ['with a subject of two lines', (it) => it.sign({ claims: { sub: 'ada\nroot' } })],
  ['with groups that are an object', (it) => it.sign({ claims: { groups: { 'llm-payments': true } } })],
  ['that is a logout token by its type', (it) => it.sign({ header: { typ: 'logout+jwt' } })],
  [
    'that is a logout token by its claims',
    (it) => it.sign({ claims: { events: { 'http://schemas.openid.net/event/backchannel-logout': {} } } }),
  ],
  ['that proves possession of a key only', (it) => it.sign({ header: { typ: 'dpop+jwt' } })],
  [
    'with a type that is no text',
    (it) => assemble({ alg: 'ES256', kid: 'first', typ: ['JWT'] }, it.claims()),
  ],
  [
    'with a critical extension',
    async (it) => assemble({ alg: 'ES256', kid: 'first', crit: ['exp'], exp: 1 }, it.claims()),
  ],
  [
    'with an unencoded payload',
    async (it) => {
      const { privateKey } = await it.addKey('b64');
      const payload = Buffer.from(JSON.stringify(it.claims())).toString('base64url');
      const jws = await new FlattenedSign(new TextEncoder().encode(payload))
        .setProtectedHeader({ alg: 'ES256', kid: 'b64', b64: false, crit: ['b64'] })
        .sign(privateKey);
      return `${jws.protected}.${payload}.${jws.signature}`;
    },
  ],
  ['with a compressed payload', (it) => it.sign({ header: { zip: 'DEF' } })],
  ['that says to be encrypted', (it) => it.sign({ header: { enc: 'A256GCM' } })],
  ['with a kid that is no text', (it) => assemble({ alg: 'ES256', kid: 1 }, it.claims())],
  ['with a kid that the provider does not have', (it) => it.sign({ header: { kid: 'ghost' } })],
];

describe('a JWT identity refuses a token', () => {
  it.each(forgeries)('%s, with the same 401 as all others', async (_, forge) => {
    const { provider, refusal } = await createFixture();
    const token = await forge(provider);
    for (const time of ['fresh', 'again']) {
      const error = await refusal(token);
      expect(
        {
          code: error.code,
          status: error.status,
          message: error.message,
          headers: error.headers,
          retryable: error.retryable,
        },
        time,
      ).toEqual({
        code: 'invalid_token',
        status: 401,
        message: "The token is not valid here. Get a new one from your organisation's sign-in.",
        headers: { 'www-authenticate': 'Bearer error="invalid_token"' },
        retryable: false,
      });
    }
  });

  it('with any one character changed, unless it still says and proves the same', async () => {
    const { provider, identify } = await createFixture();
    const token = await provider.sign();
    const owner = (await identify(token))?.key;
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.';
    await fc.assert(
      fc.asyncProperty(fc.nat(token.length - 1), fc.constantFrom(...alphabet), async (at, character) => {
        const changed = token.slice(0, at) + character + token.slice(at + 1);
        const found = await Promise.resolve()
          .then(() => identify(changed))
          .catch((error) => {
            expect(error).toMatchObject({ status: 401 });
          });
        if (found) expect(found.key).toBe(owner);
      }),
      { numRuns: 300 },
    );
  });

  it('without any of it in the error, its cause or its stack', async () => {
    const { provider, refusal } = await createFixture({ audience: 'elsewhere' });
    const secret = 'canary-7f3a9c1e55';
    for (const claims of [
      { aud: `${secret}-aud`, email: `${secret}@acme.example` },
      { aud: 'elsewhere', exp: provider.nowS() - 100, jti: secret },
      { aud: 'elsewhere', groups: [secret] },
      { aud: 'elsewhere', sub: `${secret}\u0000` },
    ]) {
      const token = await provider.sign({ claims });
      const error = await refusal(token);
      const shown =
        inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error) + (error.stack ?? '');
      expect(shown).not.toContain(secret);
      for (const part of token.split('.')) expect(shown).not.toContain(part.slice(0, 40));
      // that nothing was found is not because nothing was there
      expect(Buffer.from(token.split('.')[1] as string, 'base64url').toString()).toContain(secret);
    }
  });

  it('that has expired with a text of its own, from the very second the tolerance ends', async () => {
    const { provider, runtime, answer, refusal } = await createFixture();
    const token = await provider.sign({ claims: { exp: provider.nowS() + 10 } });
    runtime.advance(69_999);
    expect(await answer(token)).toBe('accepted');
    runtime.advance(1);
    expect(await refusal(token)).toMatchObject({ code: 'expired_token', status: 401, retryable: false });
    const other = await provider.sign({ claims: { exp: provider.nowS() - 60, jti: 'never seen before' } });
    expect(await answer(other)).toBe('expired_token');
    expect(await answer(await provider.sign({ claims: { exp: provider.nowS() - 59 } }))).toBe('accepted');
  });

  it('that has expired as any other bad one when its signature is not good either', async () => {
    const { provider, answer } = await createFixture();
    const token = assemble({ alg: 'ES256', kid: 'first' }, { ...provider.claims(), exp: 1 });
    expect(await answer(token)).toBe('invalid_token');
  });

  it('that is older than maxTokenAgeS, and with that option one that does not say its age', async () => {
    const { provider, answer } = await createFixture({ maxTokenAgeS: 600, clockToleranceS: 0 });
    const nowS = provider.nowS();
    const at = async (iat: number | undefined) => answer(await provider.sign({ claims: { iat } }));
    expect(await at(nowS - 600)).toBe('accepted');
    expect(await at(nowS - 601)).toBe('expired_token');
    expect(await at(undefined)).toBe('invalid_token');
    expect(await at(nowS + 1)).toBe('invalid_token');
  });

  it('that another party was given, when the parties are named', async () => {
    const { provider, answer } = await createFixture({ authorizedParties: ['cli', 'editor'] });
    const at = async (claims: Record<string, unknown>) => answer(await provider.sign({ claims }));
    expect(await at({ azp: 'cli' })).toBe('accepted');
    expect(await at({ client_id: 'editor' })).toBe('accepted');
    expect(await at({ azp: 'cli', aud: ['headgate', 'account'] })).toBe('accepted');
    expect(await at({ azp: 'crawler' })).toBe('invalid_token');
    expect(await at({ azp: 'cli', client_id: 'crawler' })).toBe('invalid_token');
    expect(await at({ azp: ['cli'] })).toBe('invalid_token');
    expect(await at({})).toBe('invalid_token');
  });

  it('without a claim that is required, or with another value of it', async () => {
    const { provider, answer } = await createFixture({
      requiredClaims: { hd: 'acme.example', tier: ['gold', 'silver'], device: true },
    });
    const good = { hd: 'acme.example', tier: 'silver', device: 'd1' };
    const at = async (claims: Record<string, unknown>) =>
      answer(await provider.sign({ claims: { ...good, ...claims } }));
    expect(await at({})).toBe('accepted');
    for (const bad of [
      { hd: 'evil.example' },
      { hd: undefined },
      { tier: ['gold'] },
      { device: undefined },
      { device: null },
    ]) {
      expect(await at(bad), JSON.stringify(bad)).toBe('invalid_token');
    }
  });

  it('of a type that is not among those configured, or of none', async () => {
    const { provider, answer } = await createFixture({ types: ['at+jwt'] });
    const at = async (typ: string | undefined) =>
      answer(await provider.sign({ header: { typ } as { typ: string } }));
    expect(await at('at+jwt')).toBe('accepted');
    expect(await at('application/AT+JWT')).toBe('accepted');
    expect(await at('JWT')).toBe('invalid_token');
    expect(await at(undefined)).toBe('invalid_token');
  });

  it('without a kid when several keys would fit, and takes it when one does', async () => {
    const { provider, answer, runtime } = await createFixture();
    const token = await provider.sign({ header: { kid: undefined } as unknown as { kid: string } });
    expect(await answer(token)).toBe('accepted');
    await provider.addKey('second');
    runtime.advance(600_000);
    expect(await answer(token)).toBe('invalid_token');
  });

  it('signed with a key that is too short to be safe', async () => {
    const { provider, answer } = await createFixture();
    const { generateKeyPairSync, sign } = await import('node:crypto');
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1_024 });
    provider.published.push({ ...publicKey.export({ format: 'jwk' }), kid: 'short', alg: 'RS256' });
    const unsigned = assemble({ alg: 'RS256', kid: 'short' }, provider.claims(), '').slice(0, -1);
    const signature = sign('sha256', Buffer.from(unsigned), privateKey).toString('base64url');
    expect(await answer(`${unsigned}.${signature}`)).toBe('invalid_token');
  });
});

describe('a JWT identity leaves to others', () => {
  const keys = createKeyResolver({
    store: createMemoryKeyStore(),
    peppers: createNoPepperRing(),
    runtime: createVirtualRuntime(),
  });

  it.each<[string, Forge]>([
    ['a Headgate key', () => `hg_live_${'a'.repeat(12)}_${'b'.repeat(49)}`],
    ['a provider key', () => 'sk-proj-abc.def'],
    ['a token of another issuer', (it) => it.sign({ claims: { iss: 'https://other.example' } })],
    [
      'a token of an issuer that is ours but for a slash',
      (it) => it.sign({ claims: { iss: `${it.issuer}/` } }),
    ],
    ['a token of several issuers', (it) => it.sign({ claims: { iss: [it.issuer] } })],
    ['a token without an issuer', (it) => it.sign({ claims: { iss: undefined } })],
    [
      'an encrypted token',
      async (it) => {
        const { publicKey } = await generateKeyPair('ECDH-ES');
        const plain = new TextEncoder().encode(await it.sign());
        const header = { alg: 'ECDH-ES', enc: 'A256GCM', iss: it.issuer };
        return new CompactEncrypt(plain).setProtectedHeader(header).encrypt(publicKey);
      },
    ],
    ['three parts that hold no JSON', () => 'abc.def.ghi'],
    ['three parts that hold lists', () => assemble([], [])],
    ['a token of more than 16,384 characters', (it) => it.sign({ claims: { pad: 'x'.repeat(16_384) } })],
  ])(
    '%s; where nobody else takes it, the keys refuse it with 401 and the provider is never asked',
    async (_, forge) => {
      const { provider, identify } = await createFixture();
      const token = await forge(provider);
      expect(await identify(token)).toBeUndefined();
      expect(provider.requests).toEqual([]);
      const error = await refusalOf(() => keys.resolve({ authorization: `Bearer ${token}` }, ''));
      expect(error).toMatchObject({ code: 'invalid_key', status: 401 });
    },
  );

  it('a request without a credential, and one with another scheme', async () => {
    const { identity } = await createFixture();
    expect(identity.identify(toRequest({}))).toBeUndefined();
    expect(identity.identify(toRequest({ authorization: 'Basic YTpi' }))).toBeUndefined();
    expect(identity.identify(toRequest({ authorization: 'Bearer tok\u00e9n' }))).toBeUndefined();
  });
});

describe('a JWT identity reads the token', () => {
  it.each(['x-api-key', 'api-key', 'x-goog-api-key', 'x-headgate-key'])('from %s as well', async (name) => {
    const { provider, identity } = await createFixture();
    expect(await identity.identify(toRequest({ [name]: await provider.sign() }))).toMatchObject({
      user: 'ada-4711',
    });
  });

  it('and refuses a request with a second credential beside it, or with one in the query', async () => {
    const { provider, identity } = await createFixture();
    const authorization = `Bearer ${await provider.sign()}`;
    const both = toRequest({ authorization, 'x-api-key': 'sk-other' });
    expect(await refusalOf(() => identity.identify(both))).toMatchObject({
      code: 'ambiguous_credentials',
      status: 400,
    });
    const inQuery = toRequest({ authorization }, { query: 'access_token=abc' });
    expect(await refusalOf(() => identity.identify(inQuery))).toMatchObject({
      code: 'key_in_query',
      status: 400,
    });
  });

  it('not at all when x-headgate-key says who calls: the other is the caller’s own provider credential', async () => {
    const { provider, identity } = await createFixture();
    const headers = { authorization: `Bearer ${await provider.sign()}`, 'x-headgate-key': 'hg_live_x' };
    expect(identity.identify(toRequest(headers))).toBeUndefined();
  });
});
