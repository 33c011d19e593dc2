import { inspect } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openSecret, rewrapSecret, type SecretBinding, sealSecret } from '../../src/secrets/envelope.ts';
import type { KeyEncryptionRing } from '../../src/secrets/key-encryption-ring.ts';
import { isSecretError } from '../../src/secrets/secret-error.ts';
import { binding, canary, createRing, keyBytes } from './fixture.ts';

/** The code of the error that opening ends in; fails when it opens, and when the error tells anything of the secret. */
async function codeOf(ring: KeyEncryptionRing, sealed: string, bound: SecretBinding = binding) {
  const outcome = await openSecret(ring, sealed, bound).catch((error: unknown) => error);
  if (!isSecretError(outcome)) throw new Error(`opened or failed otherwise: ${inspect(outcome)}`);
  expect(`${outcome.message} ${inspect(outcome.cause)}`).not.toContain('canary');
  return outcome.code;
}

const split = (sealed: string) => sealed.split('.') as [string, string, string, string];

describe('a sealed secret', () => {
  it('opens to the text that was sealed, whatever the text', async () => {
    const ring = createRing();
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 300 }), async (text) => {
        expect(await openSecret(ring, await sealSecret(ring, text, binding), binding)).toBe(text);
      }),
    );
  });

  it('opens for the record that it was sealed for and no other, whatever the records', async () => {
    const ring = createRing();
    const text = fc.string({
      unit: fc.constantFrom('a', 'b', '|', '"', ',', '\n', '\u0000', 'ü'),
      maxLength: 3,
    });
    const anyBinding = fc.record({
      id: text,
      provider: text,
      scope: fc.constantFrom('gateway', 'project', 'user'),
      subject: text,
      createdAtMs: fc.nat(2),
      version: fc.nat(2),
    }) as fc.Arbitrary<SecretBinding>;
    await fc.assert(
      fc.asyncProperty(anyBinding, anyBinding, async (one, other) => {
        const sealed = await sealSecret(ring, canary, one);
        const opened = await openSecret(ring, sealed, other).catch(() => undefined);
        expect(opened === canary).toBe(JSON.stringify(one) === JSON.stringify(other));
      }),
      { numRuns: 300 },
    );
  });

  it('is text of a fixed form in which nothing of the secret shows, and never the same twice', async () => {
    const ring = createRing();
    const one = await sealSecret(ring, canary, binding);
    const other = await sealSecret(ring, canary, binding);
    expect(one).toMatch(/^hgs1\.k1\.[A-Za-z0-9_-]{80}\.[A-Za-z0-9_-]+$/);
    expect(one).not.toContain('canary');
    const parts = [...split(one).slice(2), ...split(other).slice(2)];
    expect(new Set(parts).size).toBe(4);
  });

  it('cannot be half a surrogate pair, which would come back as another text, nor longer than 64 KiB', async () => {
    const ring = createRing();
    await expect(sealSecret(ring, 'a\ud800', binding)).rejects.toThrow(TypeError);
    await expect(sealSecret(ring, 'a'.repeat(65_537), binding)).rejects.toThrow(TypeError);
    const longest = 'a'.repeat(65_536);
    expect(await openSecret(ring, await sealSecret(ring, longest, binding), binding)).toBe(longest);
  });
});

describe('a sealed secret that was tampered with', () => {
  it.each<[string, Partial<SecretBinding>]>([
    ['id', { id: 'openai-other' }],
    ['provider', { provider: 'anthropic' }],
    ['scope', { scope: 'user' }],
    ['subject', { subject: 'alice' }],
    ['creation time', { createdAtMs: 1 }],
    ['version', { version: 2 }],
  ])('does not open in a record with another %s', async (_, change) => {
    const ring = createRing();
    const sealed = await sealSecret(ring, canary, binding);
    expect(await codeOf(ring, sealed, { ...binding, ...change })).toBe('secret_not_authentic');
  });

  it('does not open when two rows were swapped, in whole or in part', async () => {
    const ring = createRing();
    const otherBinding = { ...binding, id: 'openai-other' };
    const mine = await sealSecret(ring, canary, binding);
    const other = await sealSecret(ring, 'sk-another', otherBinding);
    expect(await codeOf(ring, other, binding)).toBe('secret_not_authentic');
    expect(await codeOf(ring, mine, otherBinding)).toBe('secret_not_authentic');
    const [version, keyId, wrapped, payload] = split(mine);
    const [, , otherWrapped, otherPayload] = split(other);
    expect(await codeOf(ring, [version, keyId, otherWrapped, payload].join('.'))).toBe(
      'secret_not_authentic',
    );
    expect(await codeOf(ring, [version, keyId, wrapped, otherPayload].join('.'))).toBe(
      'secret_not_authentic',
    );
  });

  it('does not open with any bit of its bytes flipped', async () => {
    const ring = createRing();
    const [version, keyId, ...parts] = split(await sealSecret(ring, canary, binding));
    let flips = 0;
    for (const part of [0, 1]) {
      const bytes = Buffer.from(parts[part] as string, 'base64url');
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        const sealed = [version, keyId, ...parts.with(part, flipped.toString('base64url'))].join('.');
        expect(await codeOf(ring, sealed)).toBe('secret_not_authentic');
        flips++;
      }
    }
    expect(flips).toBe((60 + 28 + canary.length) * 8);
  });

  it('does not open with any character of its text replaced, added or taken away', async () => {
    const ring = createRing();
    const sealed = await sealSecret(ring, canary, binding);
    for (let at = 0; at < sealed.length; at++) {
      const [head, tail] = [sealed.slice(0, at), sealed.slice(at + 1)];
      const other = sealed[at] === 'A' ? 'B' : 'A';
      await codeOf(ring, head + other + tail);
      await codeOf(ring, head + tail);
      await codeOf(ring, `${head}${other}${sealed.slice(at)}`);
      await codeOf(ring, `${head}\n${sealed.slice(at)}`);
    }
    await codeOf(ring, `${sealed}=`);
    await codeOf(ring, `${sealed}.`);
    await codeOf(ring, `${sealed}.AAAA`);
  });

  it('does not open with a tag of fewer than 16 bytes', async () => {
    const ring = createRing();
    const [version, keyId, wrapped, payload] = split(await sealSecret(ring, canary, binding));
    const shorten = (text: string, length: number) =>
      Buffer.from(text, 'base64url')
        .subarray(0, -16 + length)
        .toString('base64url');
    for (const length of [0, 4, 8, 12, 13, 14, 15]) {
      const short = [version, keyId, wrapped, shorten(payload, length)].join('.');
      expect(await codeOf(ring, short)).toBe('secret_not_authentic');
      const shortWrap = [version, keyId, shorten(wrapped, length), payload].join('.');
      expect(await codeOf(ring, shortWrap)).toBe('secret_not_authentic');
    }
    for (const bytes of [1, 12, 27]) {
      const tiny = [version, keyId, wrapped, Buffer.alloc(bytes).toString('base64url')].join('.');
      expect(await codeOf(ring, tiny)).toBe('secret_not_authentic');
    }
  });

  it('does not open under another key of the ring, even one whose id was written into it', async () => {
    const ring = createRing('k1', { k1: keyBytes(), k2: keyBytes() });
    const [version, , ...parts] = split(await sealSecret(ring, canary, binding));
    expect(await codeOf(ring, [version, 'k2', ...parts].join('.'))).toBe('secret_not_authentic');
  });

  it('does not open under the same key with another id', async () => {
    const key = keyBytes();
    const ring = createRing('k1', { k1: key, k2: key });
    const [version, , ...parts] = split(await sealSecret(ring, canary, binding));
    expect(await codeOf(ring, [version, 'k2', ...parts].join('.'))).toBe('secret_not_authentic');
  });

  it('says that the ring does not hold its key when that was removed or the id is made up', async () => {
    const sealed = await sealSecret(createRing('k1'), canary, binding);
    expect(await codeOf(createRing('k2', { k2: keyBytes() }), sealed)).toBe('key_encryption_key_unknown');
  });

  it('says that it is of a later release when it is', async () => {
    const ring = createRing();
    const sealed = await sealSecret(ring, canary, binding);
    expect(await codeOf(ring, sealed.replace('hgs1', 'hgs2'))).toBe('secret_version_unknown');
  });

  it.each<[string, unknown]>([
    ['empty', ''],
    ['the secret itself', canary],
    ['too few parts', 'hgs1.k1.AAAA'],
    ['too many parts', 'hgs1.k1.AAAA.AAAA.AAAA'],
    ['empty parts', 'hgs1.k1..'],
    ['a key id of odd characters', 'hgs1.k 1.AAAA.AAAA'],
    ['padded', 'hgs1.k1.AAA=.AAAA'],
    ['of the other alphabet', 'hgs1.k1.AA+/.AAAA'],
    ['a million characters', `hgs1.k1.${'A'.repeat(1_000_000)}.AAAA`],
    ['a million dots', '.'.repeat(1_000_000)],
    ['no text', null],
    ['an object', { toString: () => 'hgs1' }],
  ])('is malformed when it is %s', async (_, sealed) => {
    expect(await codeOf(createRing(), sealed as string)).toBe('secret_malformed');
  });

  it('ends in an error with a code whatever text is put in its place', async () => {
    const ring = createRing();
    const part = fc.string({ unit: fc.constantFrom('A', 'b', '_', '-', '=', '.', ' '), maxLength: 120 });
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          part,
          fc.tuple(part, part).map((parts) => `hgs1.k1.${parts.join('.')}`),
        ),
        async (text) => {
          expect(await codeOf(ring, text)).toMatch(/^secret_/);
        },
      ),
    );
  });
});

describe('rewrapping', () => {
  it('seals under the current key for the next version, and the old seal does not open as the new version', async () => {
    const keys = { k1: keyBytes(), k2: keyBytes() };
    const sealed = await sealSecret(createRing('k1', keys), canary, binding);
    const ring = createRing('k2', keys);
    const rewrapped = await rewrapSecret(ring, sealed, binding);
    const next = { ...binding, version: 2 };
    expect(rewrapped.startsWith('hgs1.k2.')).toBe(true);
    expect(await openSecret(createRing('k2', { k2: keys.k2 }), rewrapped, next)).toBe(canary);
    expect(await codeOf(ring, sealed, next)).toBe('secret_not_authentic');
    expect(await codeOf(ring, rewrapped, binding)).toBe('secret_not_authentic');
  });

  it('does not take part of what was sealed before', async () => {
    const ring = createRing();
    const sealed = await sealSecret(ring, canary, binding);
    const rewrapped = await rewrapSecret(ring, sealed, binding);
    const [, , wrapped, payload] = split(sealed);
    expect(split(rewrapped)).not.toContain(wrapped);
    expect(split(rewrapped)).not.toContain(payload);
  });
});
