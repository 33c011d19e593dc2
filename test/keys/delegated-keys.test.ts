import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchesAny } from '../../src/config/patterns.ts';
import type { LimitConfig } from '../../src/config/schema.ts';
import { isKeyError } from '../../src/keys/key-error.ts';
import { createKeyService } from '../../src/keys/key-service.ts';
import { type KeyGrant, toKeyGrant } from '../../src/keys/narrow.ts';
import { createPrincipal } from '../../src/principal.ts';
import type { KeyRecord } from '../../src/stores/key-store.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';
import { peppers } from './key-fixture.ts';
import { createPlainKeyStore } from './plain-key-store.ts';

const nowMs = Date.UTC(2030, 0, 1);
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
// few letters and short, so that patterns meet
const modelName = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 3 });
const pattern = fc.tuple(modelName, fc.boolean()).map(([name, isOpen]) => (isOpen ? `${name}*` : name));
const models = optional(
  fc.oneof({ weight: 1, arbitrary: fc.constant(['*']) }, fc.array(pattern, { maxLength: 3 })),
);
const limit: fc.Arbitrary<LimitConfig> = fc
  .record({
    unit: fc.constantFrom('requests' as const, 'tokens' as const),
    amount: fc.integer({ min: 1, max: 3 }),
    window: fc.constantFrom('1m', '1h'),
    mode: fc.constantFrom('block' as const, 'warn' as const),
    per: optional(fc.constantFrom('key' as const, 'user' as const)),
    models: optional(fc.array(pattern, { minLength: 1, maxLength: 2 })),
  })
  .map((value) => clean(value) as LimitConfig);
const limits = optional(fc.array(limit, { maxLength: 2 }));
const expiresAtMs = optional(fc.integer({ min: nowMs + 1, max: nowMs + 3 }));
const subject = optional(fc.constantFrom('x', 'y'));
const request = fc
  .record({
    team: fc.constantFrom('x', 'y'),
    project: subject,
    owner: subject,
    environment: optional(fc.constantFrom('live', 'test')),
    models,
    limits,
    expiresAtMs,
  })
  .map((value) => clean(value) as KeyGrant);

function clean(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined));
}

/** Every name that the patterns can tell apart. */
const names = ['a', 'b'].flatMap((one) =>
  ['', 'a', 'b'].flatMap((two) => ['', 'a', 'b', 'c', 'aa'].map((three) => one + two + three)),
);

/** Says what `inner` permits that `outer` does not, by trying it out. */
function excess(inner: KeyGrant, outer: KeyGrant): string | undefined {
  for (const field of ['team', 'environment'] as const) {
    if (outer[field] !== undefined && inner[field] !== outer[field]) return field;
  }
  // a person's and a project's own rights and credentials come with their names
  for (const field of ['project', 'owner'] as const) if (inner[field] !== outer[field]) return field;
  for (const name of names) {
    if (matchesAny(inner.models ?? ['*'], name) && !matchesAny(outer.models ?? ['*'], name)) return name;
    for (const held of outer.limits ?? []) {
      if (held.mode !== 'block' || !matchesAny(held.models ?? ['*'], name)) continue;
      const isHeld = (inner.limits ?? []).some(
        (own) =>
          own.mode === 'block' &&
          own.unit === held.unit &&
          own.window === held.window &&
          (own.per ?? 'key') === (held.per ?? 'key') &&
          Number(own.amount) <= Number(held.amount) &&
          matchesAny(own.models ?? ['*'], name),
      );
      if (!isHeld) return `limit on ${name}`;
    }
  }
  const end = (grant: KeyGrant) => grant.expiresAtMs ?? Number.POSITIVE_INFINITY;
  return end(inner) > end(outer) ? 'expiry' : undefined;
}

function createSite() {
  const runtime = createVirtualRuntime({ now: nowMs });
  const plain = createPlainKeyStore();
  return { ...plain, service: createKeyService({ store: plain.store, peppers, runtime }) };
}

describe('a key that makes keys', () => {
  it('never makes one that permits more than it does itself, and makes those that do not', async () => {
    const counts = { made: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(
        request,
        request.filter(({ limits: own }) => !own?.length),
        async (wanted, grant) => {
          const { service, records } = createSite();
          try {
            const { record } = await service.create(wanted, { name: 'agent', grant });
            counts.made++;
            expect(excess(record, grant)).toBeUndefined();
            // and what was asked for is kept
            expect(record).toMatchObject(wanted);
          } catch (error) {
            if (!isKeyError(error)) throw error;
            counts.refused++;
            expect(error.code).toBe('key_too_wide');
            expect(records.size).toBe(0);
          }
        },
      ),
      { numRuns: 2_000 },
    );
    expect(counts.made).toBeGreaterThan(50);
    expect(counts.refused).toBeGreaterThan(50);
  });

  it('passes on what it is narrowed to when nothing else is asked for', async () => {
    const { service } = createSite();
    const grant: KeyGrant = {
      team: 'web',
      project: 'shop',
      owner: 'ana',
      environment: 'test',
      models: ['gpt-*'],
      expiresAtMs: nowMs + 1_000,
    };
    const { key, record } = await service.create({ team: 'web' }, { name: 'agent', grant });
    expect(record).toMatchObject({ ...grant, createdBy: 'agent' });
    expect(key).toMatch(/^hg_test_/);
  });

  it('may be any caller: what its principal holds is its grant', async () => {
    const { service } = createSite();
    const principal = createPrincipal({
      source: 'jwt',
      key: 'https://idp.example.com#42',
      team: 'web',
      user: 'ana@example.com',
      models: ['gpt-*'],
      expiresAtMs: nowMs + 60_000,
    });
    const author = { name: 'ana', grant: toKeyGrant(principal) };
    const { record } = await service.create({ team: 'web', models: ['gpt-4.1'] }, author);
    expect(record).toMatchObject({
      team: 'web',
      owner: 'ana@example.com',
      environment: 'live',
      models: ['gpt-4.1'],
      expiresAtMs: nowMs + 60_000,
    });
    for (const more of [{ owner: 'bob' }, { models: ['*'] }, { lifetimeMs: 60_001 }]) {
      await expect(service.create({ team: 'web', ...more }, author)).rejects.toMatchObject({
        code: 'key_too_wide',
      });
    }
  });

  it('cannot multiply limits of its own: with any it makes none', async () => {
    const { service } = createSite();
    const limits: LimitConfig[] = [{ unit: 'requests', amount: 10, window: '1m', mode: 'block' }];
    const grant: KeyGrant = { team: 'web', environment: 'live', limits };
    for (const asked of [{}, { limits }, { limits: [{ ...limits[0], amount: 1 } as LimitConfig] }]) {
      await expect(service.create({ team: 'web', ...asked }, { name: 'agent', grant })).rejects.toMatchObject(
        { code: 'key_too_wide' },
      );
    }
  });
});

describe('a change', () => {
  it('never lets a key permit more than before, whatever is changed', async () => {
    const counts = { changed: 0, refused: 0 };
    const change = fc.record({ models, limits, expiresAtMs }).map(clean);
    await fc.assert(
      fc.asyncProperty(request, change, async (wanted, changes) => {
        const { service, records } = createSite();
        const { record } = await service.create(wanted, 'ops');
        try {
          await service.update(record.kid, changes);
          counts.changed++;
        } catch (error) {
          if (!isKeyError(error)) throw error;
          counts.refused++;
          expect(error.code).toBe('key_too_wide');
        }
        expect(excess(records.get(record.kid) as KeyRecord, record)).toBeUndefined();
      }),
      { numRuns: 2_000 },
    );
    expect(counts.changed).toBeGreaterThan(50);
    expect(counts.refused).toBeGreaterThan(50);
  });

  it('by a key reaches neither keys of others nor beyond what the key may do itself', async () => {
    const { service } = createSite();
    const { record } = await service.create({ team: 'web', owner: 'ana' }, 'ops');
    const { kid } = record;
    const grant: KeyGrant = { team: 'web', owner: 'ana', environment: 'live', models: ['gpt-*'] };
    const code = (change: object, held: KeyGrant) =>
      service.update(kid, change, { grant: held }).then(
        () => 'done',
        (error) => error.code,
      );
    expect(await code({ name: 'x' }, { ...grant, owner: 'bob' })).toBe('key_too_wide');
    expect(await code({ name: 'x' }, { ...grant, project: 'shop' })).toBe('key_too_wide');
    expect(await code({ name: 'x' }, grant)).toBe('key_too_wide');
    expect(await code({ models: ['gpt-4'] }, grant)).toBe('done');
    await expect(service.update(kid, {}, { grant, allowWider: true })).rejects.toThrow(/"allowWider"/);
  });
});
