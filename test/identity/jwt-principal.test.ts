import { afterEach, describe, expect, it, vi } from 'vitest';
import { createJwtIdentity } from '../../src/identity/jwt-identity.ts';
import type { JwtIdentityOptions } from '../../src/identity/jwt-options.ts';
import { isPrincipal } from '../../src/principal.ts';
import { createFixture } from './jwt-fixture.ts';

describe('the principal of a token', () => {
  it('has everything the claims say, and is a principal already', async () => {
    const { provider, try: attempt } = await createFixture({
      userClaim: 'email',
      projectClaim: 'project',
      applicationClaim: 'azp',
      environment: 'production',
    });
    const principal = await attempt({
      claims: { email: 'ada@acme.example', email_verified: true, project: 'checkout', azp: 'cli' },
    });
    expect(isPrincipal(principal)).toBe(true);
    expect({ ...principal }).toEqual({
      source: 'jwt',
      key: expect.stringMatching(/^jwt:[\w-]{22}$/),
      team: 'payments',
      project: 'checkout',
      user: 'ada@acme.example',
      application: 'cli',
      environment: 'production',
      models: undefined,
      limits: undefined,
      labels: {},
      expiresAtMs: (provider.nowS() + 3_600 + 60) * 1_000,
    });
  });

  it('has a key made of issuer and subject, whatever else is claimed, and whichever process asks', async () => {
    const { provider, try: attempt } = await createFixture();
    const keyOf = async (claims: Record<string, unknown>) => (await attempt({ claims }))?.key;
    const key = await keyOf({});
    expect(await keyOf({ email: 'root@acme.example', jti: 2, groups: ['llm-research'] })).toBe(key);
    expect(await keyOf({ sub: 'bob' })).not.toBe(key);
    const other = createJwtIdentity({
      name: 'another name',
      issuer: provider.issuer,
      audience: 'headgate',
      defaultTeam: 'x',
      userClaim: 'jti',
      runtime: provider.runtime,
    });
    const authorization = `Bearer ${await provider.sign({ claims: { jti: 'j' } })}`;
    const request = { headers: { authorization }, query: '' } as unknown as Parameters<
      typeof other.identify
    >[0];
    expect((await other.identify(request))?.key).toBe(key);
    other.close();
  });

  it('has another key for the same subject at another issuer', async () => {
    const [one, other] = [await createFixture(), await createFixture()];
    expect((await one.try())?.key).not.toBe((await other.try())?.key);
  });

  it('has no user made of an address that the provider has not verified', async () => {
    const { try: attempt } = await createFixture({ userClaim: 'email' });
    const email = 'ada@acme.example';
    for (const email_verified of [false, 'false', 'FALSE']) {
      await expect(attempt({ claims: { email, email_verified } })).rejects.toMatchObject({
        code: 'invalid_token',
      });
    }
    expect(await attempt({ claims: { email, email_verified: true } })).toMatchObject({ user: email });
    expect(await attempt({ claims: { email } })).toMatchObject({ user: email });
    await expect(attempt({ claims: { email_verified: true } })).rejects.toMatchObject({
      code: 'invalid_token',
    });
  });

  it('does not care for the address when the user is another claim', async () => {
    const { try: attempt } = await createFixture();
    expect(await attempt({ claims: { email: 'x@acme.example', email_verified: false } })).toMatchObject({
      user: 'ada-4711',
    });
  });

  it('has an expiry that is a number whatever the token says', async () => {
    const { try: attempt } = await createFixture();
    expect(await attempt({ claims: { exp: 1e300 } })).toMatchObject({ expiresAtMs: Number.MAX_SAFE_INTEGER });
  });

  it.each([
    ['a user with a line break', { preferred_username: 'ada\r\nx-admin: 1' }],
    ['a user that turns the direction of text', { preferred_username: 'ada\u202Etoor' }],
    ['a user of 201 characters', { preferred_username: 'a'.repeat(201) }],
    ['a user that is a list', { preferred_username: ['ada'] }],
    ['no user', {}],
    ['a project with a NUL', { preferred_username: 'ada', project: 'a\u0000b' }],
    ['a project of 65 characters', { preferred_username: 'ada', project: 'p'.repeat(65) }],
  ])('is never made of %s', async (_, claims) => {
    const { try: attempt } = await createFixture({
      userClaim: 'preferred_username',
      projectClaim: 'project',
    });
    await expect(attempt({ claims })).rejects.toMatchObject({ code: 'invalid_token', status: 401 });
  });

  it('cannot be had from the prototype of the claims', async () => {
    const { try: attempt } = await createFixture({ userClaim: 'constructor', defaultTeam: 'x' });
    await expect(attempt()).rejects.toMatchObject({ code: 'invalid_token' });
    const path = await createFixture({ groupsClaim: ['__proto__', 'groups'], teams: { a: 'b' } });
    await expect(path.try()).rejects.toMatchObject({ code: 'not_permitted' });
  });
});

describe('the team of a token', () => {
  const teams: [string, string][] = [
    ['admins', 'platform'],
    ['llm-payments', 'payments'],
    ['everyone', 'guests'],
  ];

  it.each([
    ['the first configured group decides, not the first claimed', ['everyone', 'llm-payments'], 'payments'],
    ['a text is one group', 'everyone', 'guests'],
    ['groups nobody knows do not matter', ['x', 'everyone', 7, null], 'guests'],
  ])('%s', async (_, groups, team) => {
    const { try: attempt } = await createFixture({ teams });
    expect(await attempt({ claims: { groups } })).toMatchObject({ team });
  });

  it.each([
    ['no groups', undefined],
    ['null', null],
    ['an empty list', []],
    ['others', ['Admins', 'admins ', 'llm-payments,everyone']],
  ])('is refused with 403 and what to ask for: %s', async (_, groups) => {
    const { try: attempt } = await createFixture({ teams });
    const error = await attempt({ claims: { groups } }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'not_permitted', status: 403, retryable: false });
    expect(error.message).toBe(
      'None of your groups ("groups" in the token of acme) has a team on this gateway. Ask its operator to give one of them a team, or your organisation to put you into a group that has one.',
    );
  });

  it('is defaultTeam for those without a group that has one', async () => {
    const { try: attempt } = await createFixture({ teams, defaultTeam: 'visitors' });
    expect(await attempt({ claims: { groups: ['x'] } })).toMatchObject({ team: 'visitors' });
    expect(await attempt({ claims: { groups: ['admins'] } })).toMatchObject({ team: 'platform' });
  });

  it('is not defaultTeam when the provider left the groups out because they are many', async () => {
    const { try: attempt } = await createFixture({ teams, defaultTeam: 'visitors' });
    const claims = { groups: undefined, _claim_names: { groups: 'src1' }, _claim_sources: { src1: {} } };
    const error = await attempt({ claims }).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'not_permitted', status: 403 });
    expect(error.message).toContain('more groups than fit');
  });

  it('may come from a claim deep inside, or with a URL as its name', async () => {
    const deep = await createFixture({ teams, groupsClaim: ['realm_access', 'roles'] });
    expect(await deep.try({ claims: { realm_access: { roles: ['admins'] } } })).toMatchObject({
      team: 'platform',
    });
    await expect(deep.try({ claims: { realm_access: null } })).rejects.toMatchObject({
      code: 'not_permitted',
    });
    const named = await createFixture({ teams, groupsClaim: 'https://acme.example/groups' });
    const claims = { 'https://acme.example/groups': ['admins'] };
    expect(await named.try({ claims })).toMatchObject({ team: 'platform' });
  });

  it('is remembered as missing for five seconds only', async () => {
    const { provider, identify, runtime } = await createFixture({ teams });
    const token = await provider.sign({ claims: { groups: [] } });
    await expect(identify(token)).rejects.toMatchObject({ code: 'not_permitted' });
    expect(() => identify(token)).toThrow('None of your groups');
    runtime.advance(5_000);
    expect(identify(token)).toBeInstanceOf(Promise);
    await expect(identify(token)).rejects.toMatchObject({ code: 'not_permitted' });
  });
});

describe('createJwtIdentity refuses', () => {
  const good: JwtIdentityOptions = {
    name: 'acme',
    issuer: 'https://acme.example',
    audience: 'headgate',
    teams: { a: 'b' },
  };

  it.each<[string, Record<string, unknown>]>([
    ['name', { name: '' }],
    ['issuer', { issuer: undefined }],
    ['issuer', { issuer: 'acme.example' }],
    ['issuer', { issuer: 'http://acme.example' }],
    ['issuer', { issuer: 'https://acme.example/?tenant=1' }],
    ['jwksUri', { jwksUri: 'http://acme.example/keys' }],
    ['audience', { audience: '' }],
    ['audience', { audience: [] }],
    ['audience', { audience: undefined }],
    ['algorithms', { algorithms: ['none'] }],
    ['algorithms', { algorithms: ['RS256', 'HS256'] }],
    ['algorithms', { algorithms: ['RS256', 'hs512'] }],
    ['algorithms', { algorithms: [] }],
    ['types', { types: [] }],
    ['authorizedParties', { authorizedParties: [] }],
    ['userClaim', { userClaim: '' }],
    ['groupsClaim', { groupsClaim: [] }],
    ['teams', { teams: undefined }],
    ['teams', { teams: {} }],
    ['teams', { teams: ['a'] }],
    ['teams.a', { teams: { a: '' } }],
    ['teams', { teams: { b: 'x', 7: 'y' } }],
    ['requiredClaims.hd', { requiredClaims: { hd: '' } }],
    ['clockToleranceS', { clockToleranceS: 601 }],
    ['clockToleranceS', { clockToleranceS: -1 }],
    ['maxTokenAgeS', { maxTokenAgeS: 0 }],
    ['maxTokenLength', { maxTokenLength: 100_000 }],
    ['cacheMax', { cacheMax: 0 }],
    ['cacheMs', { cacheMs: 300_001 }],
    ['refusedMax', { refusedMax: Number.NaN }],
    ['refusedMs', { refusedMs: 60_001 }],
    ['maxPending', { maxPending: 0 }],
    ['jwksCacheMs', { jwksCacheMs: 0 }],
    ['jwksStaleMs', { jwksStaleMs: -1 }],
    ['jwksCooldownMs', { jwksCooldownMs: 0 }],
    ['jwksRetryMs', { jwksRetryMs: 0 }],
    ['jwksTimeoutMs', { jwksTimeoutMs: 60_001 }],
    ['jwksMaxBytes', { jwksMaxBytes: 0 }],
    ['jwksMaxKeys', { jwksMaxKeys: 0 }],
  ])('%s: %j', (option, change) => {
    const make = () => createJwtIdentity({ ...good, ...change } as JwtIdentityOptions);
    expect(make).toThrow(TypeError);
    expect(make).toThrow(`createJwtIdentity: "${option}" must be`);
  });

  it('nothing of a good set, http on this machine included', () => {
    for (const issuer of [
      'https://acme.example/tenant/v2.0',
      'http://localhost:8080/realms/x',
      'http://[::1]:1',
      'http://127.0.0.1:1',
    ]) {
      createJwtIdentity({ ...good, issuer }).close();
    }
    createJwtIdentity({ ...good, teams: { 7: 'only' } }).close();
    createJwtIdentity({
      ...good,
      teams: [
        ['7', 'x'],
        ['b', 'y'],
      ],
    }).close();
  });
});

describe('without the library that verifies tokens', () => {
  afterEach(() => {
    vi.doUnmock('jose');
    vi.resetModules();
  });

  it('requests with a token are answered with 500, and ready says what to install', async () => {
    const { provider, identify, identity } = await createFixture();
    const token = await provider.sign();
    vi.doMock('jose', () => {
      throw new Error("Cannot find package 'jose'");
    });
    const error = await Promise.resolve(identify(token)).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'internal_error', status: 500 });
    expect(error.message).not.toContain('jose');
    expect(error.cause.message).toContain('npm install jose');
    const early = await identity.ready().catch((thrown) => thrown);
    expect(early.cause.message).toContain('npm install jose');
    expect(provider.requests).toEqual([]);
  });
});
