import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeBase62Number } from '../../src/keys/base62.ts';
import { createKey, keyPattern, parseKey } from '../../src/keys/key-format.ts';
import { createRuntime } from '../../src/runtime.ts';
import { createVirtualRuntime } from '../../src/testing/virtual-runtime.ts';

const runtime = createVirtualRuntime();
const base62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const environments = fc.string({
  unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz'),
  minLength: 2,
  maxLength: 8,
});

describe('createKey', () => {
  it('makes keys of the documented form, which parseKey takes apart again', () => {
    fc.assert(
      fc.property(environments, (environment) => {
        const { key, kid, secret, last4 } = createKey(runtime, { environment });
        expect(key).toMatch(new RegExp(`^hg_${environment}_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}$`));
        expect(parseKey(key)).toEqual({ environment, kid, secret });
        expect(last4).toBe(secret.slice(39));
      }),
    );
  });

  it('writes all 256 bits of the secret: other bytes, other secret', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        const { secret } = createKey({ ...runtime, randomBytes: () => bytes });
        let number = 0n;
        for (const digit of secret) number = number * 62n + BigInt(base62.indexOf(digit));
        expect(number.toString(16).padStart(64, '0')).toBe(Buffer.from(bytes).toString('hex'));
      }),
    );
  });

  it('uses every digit of base62 about as often in kids', () => {
    const counts = new Map<string, number>();
    for (let index = 0; index < 2_000; index++) {
      for (const digit of createKey(runtime).kid) counts.set(digit, (counts.get(digit) ?? 0) + 1);
    }
    const expected = (2_000 * 12) / 62;
    expect(counts.size).toBe(62);
    const chiSquare = [...counts.values()].reduce(
      (sum, count) => sum + (count - expected) ** 2 / expected,
      0,
    );
    // 61 degrees of freedom: beyond 120 once in 100,000 runs, and the runs are seeded
    expect(chiSquare).toBeLessThan(120);
  });

  it('makes live keys unless told otherwise, no two alike on the real runtime', () => {
    const real = createRuntime();
    const keys = Array.from({ length: 500 }, () => createKey(real));
    expect(keys.every(({ key }) => key.startsWith('hg_live_'))).toBe(true);
    expect(new Set(keys.map(({ kid }) => kid)).size).toBe(500);
    expect(new Set(keys.map(({ secret }) => secret)).size).toBe(500);
  });

  it.each(['', 'a', 'toolongname', 'LIVE', 'li_ve', 'é'])('refuses the environment %j', (environment) => {
    expect(() => createKey(runtime, { environment })).toThrow(/"environment"/);
  });
});

describe('parseKey', () => {
  const { key } = createKey(runtime);

  it('accepts a key whose checksum another CRC-32 computed, so that the format cannot change unnoticed', () => {
    const zeros = { ...runtime, randomBytes: (length: number) => new Uint8Array(length) };
    // python3: zlib.crc32(b'hg_test_000000000000_' + b'0' * 43), in base62
    const known = `hg_test_000000000000_${'0'.repeat(43)}19N334`;
    expect(createKey(zeros, { environment: 'test' }).key).toBe(known);
    expect(parseKey(known)).toEqual({ environment: 'test', kid: '000000000000', secret: '0'.repeat(43) });
    expect(parseKey(known.replace('19N334', '19N335'))).toBeUndefined();
  });

  it('refuses a key with any one character changed', () => {
    fc.assert(
      fc.property(fc.nat(key.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (index, character) => {
        fc.pre(key[index] !== character);
        expect(parseKey(key.slice(0, index) + character + key.slice(index + 1))).toBeUndefined();
      }),
      { numRuns: 2_000 },
    );
  });

  it('refuses a key with a character too many or too few, or with two swapped', () => {
    for (let index = 0; index < key.length; index++) {
      expect(parseKey(key.slice(0, index) + key.slice(index + 1))).toBeUndefined();
      expect(parseKey(`${key.slice(0, index)}A${key.slice(index)}`)).toBeUndefined();
      const swapped = `${key.slice(0, index)}${key[index + 1] ?? ''}${key[index]}${key.slice(index + 2)}`;
      if (swapped !== key) expect(parseKey(swapped)).toBeUndefined();
    }
  });

  it.each([
    ['an empty text', ''],
    ['white space around it', ` ${key}`],
    ['a line end after it', `${key}\n`],
    ['another brand', `sk${key.slice(2)}`],
    ['a look-alike letter', key.replace('l', 'ӏ')],
    ['a wide digit', `${key.slice(0, -1)}１`],
    ['a separator moved', key.replace('hg_live_', 'hg_li_ve')],
    ['no kid', key.replace(/_[0-9A-Za-z]{12}_/, '_')],
  ])('refuses %s', (_, text) => {
    expect(parseKey(text)).toBeUndefined();
  });

  const secret = 'S'.repeat(43);
  it.each([
    ['hg_live_', 'kkkkkkkkkk', secret, true],
    ['hg_live_', 'kkkkkkkkkkkk', secret, true],
    ['hg_xy_', 'kkkkkkkkkk', secret, true],
    ['hg_abcdefgh_', 'kkkkkkkkkkkk', secret, true],
    ['hg_live_', 'kkkkkkkkk', secret, false],
    ['hg_live_', 'kkkkkkkkkkkkk', secret, false],
    ['hg_live_', 'kkkkk_kkkk', secret, false],
    ['hg_live_', 'kkkkk-kkkk', secret, false],
    ['hg_live1', 'kkkkkkkkkk', secret, false],
    ['hg_x_', 'kkkkkkkkkkkk', secret, false],
    ['hg__', 'kkkkkkkkkkkk', secret, false],
    ['hg_abcdefghi_', 'kkkkkkkkkk', secret, false],
    ['hg_Live_', 'kkkkkkkkkk', secret, false],
    ['hg_li1e_', 'kkkkkkkkkk', secret, false],
    ['HG_live_', 'kkkkkkkkkk', secret, false],
    ['hg_live_', 'kkkkkkkkkk', 'S'.repeat(42), false],
    ['hg_live_', 'kkkkkkkkkk', 'S'.repeat(44), false],
    ['hg_live_', 'kkkkkkkkkk', `${'S'.repeat(42)}-`, false],
    ['hg_live_', 'kkkkkkkkkk', `${'S'.repeat(42)}é`, false],
  ])('judges the form also where the checksum is right: %s%s_%s', (start, kid, text, isKey) => {
    const body = `${start}${kid}_${text}`;
    const parsed = parseKey(body + encodeBase62Number(crc32(body), 6));
    expect(parsed?.kid).toBe(isKey ? kid : undefined);
  });

  it('refuses a key whose kid runs into the secret', () => {
    const body = `hg_live_kkkkkkkkkkX${secret}`;
    expect(parseKey(body + encodeBase62Number(crc32(body), 6))).toBeUndefined();
  });

  it('never throws and never accepts what createKey did not make', () => {
    const shaped = fc.stringMatching(/^hg_[a-z]{1,9}_[0-9A-Za-z]{9,13}_[0-9A-Za-z]{48,50}$/);
    fc.assert(
      fc.property(fc.oneof(shaped, fc.string({ maxLength: 300 }), fc.string({ unit: 'binary' })), (text) => {
        expect(parseKey(text)).toBeUndefined();
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('keyPattern', () => {
  it('finds keys in text, and nothing in what only resembles them', () => {
    const keys = Array.from({ length: 5 }, () => createKey(runtime).key);
    const text = `A=${keys[0]}\n"${keys[1]}",(${keys[2]}) Bearer ${keys[3]}; https://x/?k=${keys[4]}&y`;
    expect(text.match(keyPattern)).toEqual(keys);
    expect(`${keys[0]}A x${keys[1]} hg_LIVE_${'0'.repeat(62)} hg_live_short`.match(keyPattern)).toBeNull();
  });
});
