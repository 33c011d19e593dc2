import { format, inspect } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Secret } from '../../src/secrets/secret.ts';
import { isSecretError, SecretError, toCredentialUnavailable } from '../../src/secrets/secret-error.ts';
import { canary } from './fixture.ts';

/** Every way to print that is known to look into objects. */
function print(value: unknown): string {
  return [
    inspect(value, { depth: 20, showHidden: true, getters: true }),
    inspect(value, { depth: 20, showHidden: true, customInspect: false, getters: false }),
    format('%o %O %j %s', value, value, value, value),
    JSON.stringify(value),
  ].join('\n');
}

describe('a secret', () => {
  const secret = new Secret('openai', canary);

  it('gives its label however it is printed, on its own and inside something', () => {
    const error = new Error('failed', { cause: secret });
    const nested = new Error('outer', { cause: new AggregateError([error, secret], 'many') });
    const holders = [
      secret,
      { secret },
      [secret],
      new Map([['secret', secret]]),
      new Set([secret]),
      error,
      nested,
    ];
    for (const holder of holders) {
      expect(print(holder)).not.toContain('canary');
      expect(inspect(holder, { depth: 20 })).toContain('[secret:openai]');
    }
    expect(`${secret}${String(secret)}`).toBe('[secret:openai]'.repeat(2));
    expect(JSON.stringify({ secret })).toBe('{"secret":"[secret:openai]"}');
    expect(String(error.stack) + String(nested.stack)).not.toContain('canary');
  });

  it('leaves nothing but its label behind when it is copied', () => {
    const copies = [
      { ...secret },
      Object.assign({}, secret),
      structuredClone(secret),
      structuredClone({ secret }),
      structuredClone(new Error('failed', { cause: secret })),
      deserialize(serialize({ secret })),
      Object.fromEntries(Object.getOwnPropertyNames(secret).map((name) => [name, Reflect.get(secret, name)])),
      Object.create(secret, {}),
    ];
    for (const copy of copies) expect(print(copy)).not.toContain('canary');
    expect(copies[0]).toEqual({ label: 'openai' });
  });

  it('cannot be changed', () => {
    expect(() => Object.assign(secret, { label: 'x' })).toThrow(TypeError);
    expect(() => Object.assign(secret, { reveal: () => 'x' })).toThrow(TypeError);
  });

  it('has a fingerprint that goes by the text alone and tells nothing of it', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (one, other) => {
        const same = new Secret('a', one).fingerprint === new Secret('b', other).fingerprint;
        expect(same).toBe(one === other);
      }),
    );
    expect(secret.fingerprint).toMatch(/^[0-9a-f]{32}$/);
    expect(secret.fingerprint).toBe(secret.fingerprint);
    expect(secret.holds(canary)).toBe(true);
    expect(secret.holds('other')).toBe(false);
  });
});

describe('an error about a secret', () => {
  it('is told from others, also when another copy of the package made it', () => {
    const error = new SecretError('secret_missing', 'There is none.', { secret: 'a' });
    const foreign = Object.assign(new Error('x'), { [Symbol.for('headgate.SecretError')]: true });
    expect([error, foreign, new Error('x'), null, 'x'].map(isSecretError)).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
  });

  it('is a 503 for a caller, which names no secret and says that trying again does not help', () => {
    const error = new SecretError('secret_missing', 'There is no secret "internal-name".');
    const shown = toCredentialUnavailable(error);
    expect(shown).toMatchObject({ status: 503, retryable: false, cause: error });
    expect(shown.message).not.toContain('internal-name');
  });
});
