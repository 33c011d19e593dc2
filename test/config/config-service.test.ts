import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/config/config-error.ts';
import { createConfigService } from '../../src/config/config-service.ts';
import { diffConfig } from '../../src/config/diff-config.ts';
import { toPlainConfig } from '../../src/config/plain-config.ts';
import type { GatewayConfig } from '../../src/config/schema.ts';
import type { ConfigStore } from '../../src/stores/config-store.ts';
import type { KeyRecord } from '../../src/stores/key-store.ts';
import { createMemoryConfigStore } from '../../src/stores/memory/memory-config-store.ts';
import { createMemorySecretStore } from '../../src/stores/memory/memory-secret-store.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { createPlainKeyStore } from '../keys/plain-key-store.ts';

function toConfig(more: object = {}): GatewayConfig {
  return {
    providers: { openai: { type: 'openai', apiKey: { env: 'OPENAI_API_KEY' } } },
    models: { 'gpt-4.1': { targets: ['openai'] } },
    profiles: { standard: {} },
    teams: { web: { profile: 'standard' }, api: { profile: 'standard' } },
    ...more,
  };
}

function createSite(wrap: (store: ConfigStore) => Partial<ConfigStore> = () => ({})) {
  const runtime = createVirtualRuntime();
  const memory = createMemoryConfigStore();
  const store: ConfigStore = { ...memory, ...wrap(memory) };
  const checked: GatewayConfig[] = [];
  const keys = createPlainKeyStore();
  const service = createConfigService({
    store,
    runtime,
    keys: keys.store,
    check(config) {
      checked.push(config);
      if (Object.keys(config.models).length === 0) {
        throw new ConfigError([{ path: 'models', message: 'no model is enabled' }]);
      }
    },
  });
  const addKey = (kid: string, more: Partial<KeyRecord>) =>
    keys.records.set(kid, { kid, createdAtMs: 0, environment: 'live', ...more } as KeyRecord);
  return { runtime, store, service, checked, addKey };
}

const author = 'ana';

describe('applying a configuration', () => {
  it('checks it and appends a version with author, message, time and digest', async () => {
    const { service, store, runtime, checked } = createSite();
    const { version, changed } = await service.apply(toConfig(), { author, message: 'first' });
    expect(changed).toBe(true);
    expect(version).toEqual({
      number: 1,
      author,
      message: 'first',
      createdAtMs: runtime.now(),
      digest: toPlainConfig(toConfig()).digest,
    });
    expect(checked).toEqual([toConfig()]);
    expect(await store.readLatest()).toEqual({ ...version, config: toConfig() });
  });

  it('appends nothing when the latest is the same, in whatever order it is written', async () => {
    const { service, store } = createSite();
    await service.apply(toConfig(), { author });
    const { teams, models, ...rest } = toConfig();
    const again = await service.apply({ teams, publicUrl: undefined, ...rest, models } as GatewayConfig, {
      author: 'bob',
    });
    expect(again).toMatchObject({ changed: false, version: { number: 1, author } });
    expect(await store.readNumber()).toBe(1);
  });

  it('stores nothing that the check refuses', async () => {
    const { service, store } = createSite();
    await expect(service.apply(toConfig({ models: {} }), { author })).rejects.toThrow('no model is enabled');
    expect(await store.readNumber()).toBe(0);
  });

  it('refuses what cannot be stored, with its path and what to write in its place, before anything else', async () => {
    const { service, store, checked } = createSite();
    const canary = 'sk-canary-0123456789';
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    const config = toConfig({
      providers: {
        a: { type: 'openai', apiKey: canary },
        b: {
          type: 'openai',
          credentials: [
            { id: 'x', apiKey: { env: 'X' } },
            { id: 'y', apiKey: canary },
          ],
        },
        c: { type: 'openai', apiKey: () => canary, headers: { Authorization: canary, 'x-team': 'fine' } },
      },
      relay: { maxDepth: Number.NaN, big: 1n, at: new Date(0), cycle },
    });
    const error = (await service.apply(config, { author }).catch((reason) => reason)) as ConfigError;
    expect(error).toBeInstanceOf(ConfigError);
    expect(error.issues.map(({ path }) => path).sort()).toEqual(
      [
        'providers.a.apiKey',
        'providers.b.credentials[1].apiKey',
        'providers.c.apiKey',
        'providers.c.headers.Authorization',
        'relay.at',
        'relay.big',
        `relay.cycle${'.self'.repeat(63)}`,
        'relay.maxDepth',
      ].sort(),
    );
    expect(error.message).toContain('{ "env": "NAME" }, { "file": "path" } or { "store": "id" }');
    expect(error.message).not.toContain(canary);
    expect([checked.length, await store.readNumber()]).toEqual([0, 0]);
  });

  it('refuses one that was made from an older version', async () => {
    const { service, store } = createSite();
    await service.apply(toConfig(), { author, expectedNumber: 0 });
    await service.apply(toConfig({ retry: { maxAttempts: 2 } }), { author, expectedNumber: 1 });
    const late = service.apply(toConfig({ retry: { maxAttempts: 3 } }), { author, expectedNumber: 1 });
    await expect(late).rejects.toMatchObject({ code: 'config_conflict' });
    expect(await store.readNumber()).toBe(2);
  });

  it('goes behind whoever was faster, five times at most', async () => {
    let rivals = 3;
    const { service, store, runtime } = createSite((memory) => ({
      async appendVersion(version, expectedNumber) {
        if (rivals-- > 0) await memory.appendVersion({ ...version, digest: `${rivals}` }, expectedNumber);
        return await memory.appendVersion(version, expectedNumber);
      },
    }));
    const settle = async <T>(promise: Promise<T>) => {
      promise.catch(() => undefined);
      for (let step = 0; step < 30; step++) await runtime.advanceAsync(200);
      return await promise;
    };
    const { version } = await settle(service.apply(toConfig(), { author }));
    expect(version.number).toBe(4);
    rivals = 100;
    const lost = settle(service.apply(toConfig({ retry: { maxAttempts: 2 } }), { author }));
    await expect(lost).rejects.toMatchObject({ code: 'config_conflict' });
    expect(rivals).toBe(94);
    expect(await store.readNumber()).toBe(10);
  });

  it.each<[string, object]>([
    ['"author"', { author: ' ' }],
    ['"author"', {}],
    ['"message"', { author, message: 'a'.repeat(1_001) }],
  ])('is a TypeError without a usable %s', async (option, options) => {
    const { service } = createSite();
    await expect(service.apply(toConfig(), options as { author: string })).rejects.toThrow(option);
  });
});

describe('a configuration that names stored secrets', () => {
  it('is refused, with the path and what to do, when one is not there, is another provider’s or somebody’s own', async () => {
    const secrets = createMemorySecretStore();
    const put = (id: string, provider: string, scope: 'gateway' | 'user') =>
      secrets.putSecret(
        {
          id,
          provider,
          scope,
          ...(scope === 'user' && { subject: 'ana' }),
          sealed: 'x',
          createdAtMs: 0,
          rotatedAtMs: 0,
          version: 1,
        },
        0,
      );
    await put('mine', 'a', 'gateway');
    await put('other', 'b', 'gateway');
    await put('own', 'a', 'user');
    const store = createMemoryConfigStore();
    const service = createConfigService({ store, secrets, check: () => undefined });
    const of = (...ids: string[]) =>
      toConfig({
        providers: {
          a: { type: 'openai', credentials: ids.map((id) => ({ id, apiKey: { store: id } })) },
          b: { type: 'openai', apiKey: { store: 'other' } },
        },
      });
    const refused = service.apply(of('mine', 'gone', 'other', 'own'), { author });
    await expect(refused).rejects.toMatchObject({
      issues: [
        {
          path: 'providers.a.credentials[1].apiKey',
          message: expect.stringContaining('headgate providers set-secret a --id gone'),
        },
        { path: 'providers.a.credentials[2].apiKey', message: 'the secret "other" is for the provider "b"' },
        { path: 'providers.a.credentials[3].apiKey', message: `the secret "own" is a user's own` },
      ],
    });
    expect(await store.readNumber()).toBe(0);
    expect((await service.apply(of('mine'), { author })).changed).toBe(true);
  });
});

describe('a team or project with live keys', () => {
  it('is not taken away, and the refusal says how many keys it has, unless it is forced', async () => {
    const { service, store, addKey, runtime } = createSite();
    await service.apply(toConfig(), { author });
    for (let index = 0; index < 1_200; index++) addKey(`k${index}`, { team: 'web' });
    addKey('revoked', { team: 'web', revokedAtMs: 1 });
    addKey('expired', { team: 'web', expiresAtMs: runtime.now() });
    const without = toConfig({ teams: { api: { profile: 'standard' } } });
    const refused = service.apply(without, { author });
    await expect(refused).rejects.toMatchObject({ code: 'config_in_use' });
    await expect(refused).rejects.toThrow('team "web": 1200 live keys');
    expect(await store.readNumber()).toBe(1);
    expect((await service.apply(without, { author, force: true })).version.number).toBe(2);
  });

  it('may be taken away when its keys are revoked or expired', async () => {
    const { service, addKey } = createSite();
    await service.apply(toConfig(), { author });
    addKey('revoked', { team: 'web', revokedAtMs: 1 });
    const without = toConfig({ teams: { api: { profile: 'standard' } } });
    expect((await service.apply(without, { author })).changed).toBe(true);
  });

  it('counts projects that go, that move to another team, and that the first listed project leaves out', async () => {
    const { service, addKey } = createSite();
    addKey('one', { team: 'web', project: 'shop' });
    addKey('two', { team: 'web', project: 'blog' });
    addKey('three', { team: 'web' });
    const of = (projects: Record<string, string>) =>
      toConfig({
        projects: Object.fromEntries(Object.entries(projects).map(([name, team]) => [name, { team }])),
      });
    await service.apply(toConfig(), { author });
    await expect(service.apply(of({ shop: 'web' }), { author })).rejects.toThrow(
      'projects that are not listed: 1 live key',
    );
    await service.apply(of({ shop: 'web', blog: 'web' }), { author });
    await expect(service.apply(of({ shop: 'api', blog: 'web' }), { author })).rejects.toThrow(
      'project "shop": 1 live key',
    );
    await expect(service.apply(of({ blog: 'web' }), { author })).rejects.toThrow(
      'project "shop": 1 live key',
    );
    // without any, projects are labels
    expect((await service.apply(toConfig(), { author })).changed).toBe(true);
  });
});

describe('rolling back', () => {
  it('appends the old content as a new version, checked again', async () => {
    const { service, store, checked } = createSite();
    await service.apply(toConfig(), { author });
    await service.apply(toConfig({ retry: { maxAttempts: 2 } }), { author });
    checked.length = 0;
    const { version } = await service.rollback(1, { author: 'bob' });
    expect(version).toMatchObject({ number: 3, author: 'bob', message: 'rollback to version 1' });
    expect((await store.readLatest())?.config).toEqual(toConfig());
    expect(checked.length).toBe(1);
    expect(await service.rollback(3, { author })).toMatchObject({ changed: false, version: { number: 3 } });
    await expect(service.rollback(9, { author })).rejects.toMatchObject({ code: 'config_not_found' });
  });
});

describe('the difference between two configurations', () => {
  it('names each path that was added, removed or changed', async () => {
    const { service } = createSite();
    await service.apply(toConfig({ retry: { maxAttempts: 2 } }), { author });
    const other = toConfig({
      models: { 'gpt-4.1': { targets: ['azure', 'openai'] }, 'o4.1': { targets: ['openai'] } },
      teams: { web: { profile: 'standard' } },
    });
    expect(await service.diff(1, other)).toEqual([
      { path: 'models.gpt-4.1.targets[0]', kind: 'changed', before: 'openai', after: 'azure' },
      { path: 'models.gpt-4.1.targets[1]', kind: 'added', after: 'openai' },
      { path: 'models.o4.1', kind: 'added', after: { targets: ['openai'] } },
      { path: 'retry', kind: 'removed', before: { maxAttempts: 2 } },
      { path: 'teams.api', kind: 'removed', before: { profile: 'standard' } },
    ]);
    expect(await service.diff(1, 1)).toEqual([]);
    await expect(service.diff(1, 2)).rejects.toMatchObject({ code: 'config_not_found' });
  });

  it('compares keys and credentials by their ids, and tells of a new order', () => {
    const list = (...ids: string[]) => ({ keys: ids.map((kid) => ({ kid, team: 'web' })) });
    expect(diffConfig(list('a', 'b', 'c'), list('b', 'c'))).toEqual([
      { path: 'keys[a]', kind: 'removed', before: { kid: 'a', team: 'web' } },
    ]);
    expect(diffConfig(list('a', 'b'), list('b', 'a', 'd'))).toEqual([
      { path: 'keys[d]', kind: 'added', after: { kid: 'd', team: 'web' } },
      { path: 'keys (order)', kind: 'changed', before: ['a', 'b'], after: ['b', 'a'] },
    ]);
  });

  it('shows no secret, whether it came, went or changed', () => {
    const canaries = ['canary-1', 'canary-2'];
    const of = (canary: string) => ({
      providers: {
        a: { apiKey: canary, headers: { 'x-token': canary }, baseUrl: `https://user:${canary}@host/v1` },
        b: { credentials: [{ id: 'one', apiKey: canary }] },
        [canary === 'canary-1' ? 'c' : 'd']: { apiKey: canary, deep: [{ apiKey: canary }] },
      },
      keys: [{ kid: 'k', secretHash: canary, previous: { secretHash: canary } }],
    });
    const differences = diffConfig(of('canary-1'), of('canary-2'));
    expect(differences.map(({ path, kind }) => `${path} ${kind}`)).toEqual([
      'keys[k].previous.secretHash changed',
      'keys[k].secretHash changed',
      'providers.a.apiKey changed',
      'providers.a.baseUrl changed',
      'providers.a.headers.x-token changed',
      'providers.b.credentials[one].apiKey changed',
      'providers.c removed',
      'providers.d added',
    ]);
    for (const canary of canaries) expect(JSON.stringify(differences)).not.toContain(canary);
  });

  it('is empty exactly when the canonical forms are the same', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.jsonValue({ maxDepth: 4 }), (one, other) => {
        const before = { models: one } as never;
        const after = { models: other } as never;
        const isSame = toPlainConfig(before).digest === toPlainConfig(after).digest;
        expect(diffConfig(toPlainConfig(before).config, toPlainConfig(after).config).length === 0).toBe(
          isSame,
        );
        expect(diffConfig(before, structuredClone(before))).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('takes names that objects have for names as any others', () => {
    const hostile = JSON.parse('{"models":{"__proto__":{"a":1},"constructor":{"b":2}}}');
    expect(diffConfig({ models: {} }, hostile).map(({ path }) => path)).toEqual([
      'models.__proto__',
      'models.constructor',
    ]);
    expect(JSON.stringify(toPlainConfig(hostile).config)).toBe(JSON.stringify(hostile));
  });
});
