import { describe, expect, it } from 'vitest';
import { createPrincipal, isPrincipal, type Principal, type PrincipalInput } from '../src/principal.ts';

const input: PrincipalInput = { source: 'host', key: 'session:1', team: 'payments' };

describe('a principal', () => {
  it('has what was given, and undefined for the rest', () => {
    expect(createPrincipal(input)).toEqual({
      ...input,
      project: undefined,
      user: undefined,
      application: undefined,
      environment: undefined,
      models: undefined,
      limits: undefined,
      labels: {},
      expiresAtMs: undefined,
    });
  });

  it('is made of its input and then independent of it', () => {
    const given = { ...input, models: ['gpt-*'], labels: { tier: 'one' } };
    const principal = createPrincipal(given);
    given.models.push('*');
    given.labels.tier = 'two';
    given.team = 'web';
    expect(principal).toMatchObject({ team: 'payments', models: ['gpt-*'], labels: { tier: 'one' } });
    for (const part of [principal, principal.models, principal.labels])
      expect(Object.isFrozen(part)).toBe(true);
  });

  it('is returned as it is when it was made here, and is not known when it was put together by hand', () => {
    const principal = createPrincipal(input);
    expect(createPrincipal(principal)).toBe(principal);
    expect([isPrincipal(principal), isPrincipal({ ...principal }), isPrincipal(null)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('fills in the defaults of its limits', () => {
    const principal = createPrincipal({ ...input, limits: [{ unit: 'requests', amount: 1, window: '1m' }] });
    expect(principal.limits).toEqual([{ unit: 'requests', amount: 1, window: '1m', mode: 'block' }]);
    expect(createPrincipal({ ...input, limits: [] }).limits).toBeUndefined();
  });

  it.each<[string, unknown, string]>([
    ['without a key', { ...input, key: undefined }, '"key"'],
    ['with an empty key', { ...input, key: '' }, '"key": must not be empty'],
    ['with an empty team', { ...input, team: '' }, '"team": must not be empty'],
    ['without a team', { source: 'host', key: 'k' }, '"team"'],
    ['with a team that is no text', { ...input, team: ['payments'] }, '"team"'],
    ['of nowhere', { ...input, source: 'anonymous' }, '"source": must be "key", "jwt" or "host"'],
    ['with an empty user', { ...input, user: '' }, '"user": must not be empty'],
    [
      'with a line break in its project',
      { ...input, project: 'a\nb' },
      '"project": must not have control characters',
    ],
    [
      'with a key as long as a book',
      { ...input, key: 'k'.repeat(257) },
      '"key": must have at most 256 characters',
    ],
    ['with models that are no list', { ...input, models: '*' }, '"models"'],
    [
      'with a limit that is none',
      { ...input, limits: [{ unit: 'requests', amount: 1 }] },
      '"limits.0.window"',
    ],
    ['of nothing', undefined, '"input"'],
    ['of null', null, '"input"'],
  ])('%s is a TypeError that names the field', (_, given, expected) => {
    expect(() => createPrincipal(given as PrincipalInput)).toThrow(TypeError);
    expect(() => createPrincipal(given as PrincipalInput)).toThrow(expected);
  });

  it('cannot be written down as a literal', () => {
    // @ts-expect-error only createPrincipal makes one
    const forged: Principal = { ...input, labels: {} };
    expect(isPrincipal(forged)).toBe(false);
  });
});
