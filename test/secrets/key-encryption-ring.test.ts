import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { createVirtualRuntime } from 'headgate/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { openSecret, sealSecret } from '../../src/secrets/envelope.ts';
import type { KeyEncryptionKey } from '../../src/secrets/key-encryption-key.ts';
import { createKeyEncryptionRing } from '../../src/secrets/key-encryption-ring.ts';
import { binding, canary, createService, keyBytes } from './fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-ring-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (content: string | Uint8Array) => {
  const path = join(folder, `key-${Math.random()}`);
  writeFileSync(path, content);
  return path;
};

const bytes = Uint8Array.from({ length: 32 }, (_, index) => index * 7);
const base64 = Buffer.from(bytes).toString('base64');
const environment = { KEK: ` ${base64}\n`, SHORT: 'c2hvcnQ=', EMPTY: '' };

const ringOf = (source: KeyEncryptionKey) =>
  createKeyEncryptionRing({ current: 'k', keys: { k: source }, environment });

describe('a key encryption key', () => {
  it.each<[string, () => KeyEncryptionKey]>([
    ['base64', () => base64],
    ['base64url without padding', () => Buffer.from(bytes).toString('base64url')],
    ['an environment variable', () => ({ env: 'KEK' })],
    ['a file with base64 and a line end', () => ({ file: file(`${base64}\n`) })],
    ['a file with the bare bytes', () => ({ file: file(bytes) })],
  ])('from %s is the same as from its bytes', async (_, source) => {
    const sealed = await sealSecret(ringOf(Uint8Array.from(bytes)), canary, binding);
    expect(await openSecret(ringOf(source()), sealed, binding)).toBe(canary);
  });

  it('is copied: what happens to the bytes later does not matter', async () => {
    const given = Uint8Array.from(bytes);
    const ring = ringOf(given);
    const sealed = await sealSecret(ring, canary, binding);
    expect(given).toEqual(bytes);
    given.fill(0);
    expect(await openSecret(ring, sealed, binding)).toBe(canary);
  });

  it.each<[string, KeyEncryptionKey, RegExp]>([
    ['31 bytes', new Uint8Array(31), /"keys\.k" has 31 bytes and needs 32/],
    ['33 bytes', new Uint8Array(33), /"keys\.k" has 33 bytes and needs 32/],
    ['a short base64', 'c2hvcnQ=', /"keys\.k" is not the base64 of 32 bytes/],
    ['64 hex digits', 'ab'.repeat(32), /"keys\.k" is not the base64 of 32 bytes/],
    ['a passphrase of 32 characters', 'correct horse battery staple 123', /is not the base64 of 32 bytes/],
    ['a short variable', { env: 'SHORT' }, /"keys\.k" \(SHORT\) is not the base64/],
    ['an empty variable', { env: 'EMPTY' }, /"keys\.k" \(EMPTY\) is not the base64/],
    ['a missing variable', { env: 'NONE' }, /"keys\.k": the environment variable NONE is not set/],
    ['a missing file', { file: '/nowhere/kek' }, /"keys\.k": the file \/nowhere\/kek cannot be read/],
    ['a file of 32 printable characters', { file: file('0123456789abcdef'.repeat(2)) }, /is not the base64/],
    ['nothing', undefined as never, /"keys\.k" must be 32 bytes, base64/],
    ['a service without unwrap', { wrap: () => bytes } as never, /"keys\.k" must be 32 bytes, base64/],
  ])('of %s is refused with the name of the option and nothing of the key', (_, source, message) => {
    const error = (() => {
      try {
        return ringOf(source);
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(TypeError);
    expect((error as TypeError).message).toMatch(message);
    expect((error as TypeError).message).not.toMatch(/c2hvcnQ|abab|correct|012345/);
  });

  it('has an id that can stand in a sealed text, and the current one is in the ring', () => {
    for (const id of ['', 'a.b', 'a b', 'ä', 'a'.repeat(65)]) {
      expect(() => createKeyEncryptionRing({ current: id, keys: { [id]: bytes } })).toThrow(/the id/);
    }
    expect(() => createKeyEncryptionRing({ current: 'k2', keys: { k1: bytes } })).toThrow(
      '"current" names "k2", which is not in "keys"',
    );
  });

  it('does not show itself when the ring is printed', () => {
    const shown = inspect(ringOf(base64), { depth: 9, showHidden: true }) + JSON.stringify(ringOf(base64));
    expect(shown).not.toContain(base64.slice(0, 12));
    expect(shown).not.toContain(Buffer.from(bytes).toString('hex').slice(0, 16));
  });
});

describe('a key that a service holds', () => {
  const ringWith = (service: ReturnType<typeof createService>, runtime = createVirtualRuntime()) =>
    createKeyEncryptionRing({ current: 'kms', keys: { kms: service, old: keyBytes() }, runtime });

  it('seals and opens, one call each, and is told a digest that says nothing of the record', async () => {
    const contexts: string[] = [];
    const service = createService();
    const spied = {
      ...service,
      wrap: (dataKey: Uint8Array, context: string) => {
        contexts.push(context);
        return service.wrap(dataKey, context);
      },
    };
    const ring = ringWith(spied);
    const sealed = await sealSecret(ring, canary, { ...binding, scope: 'user', subject: 'alice' });
    expect(await openSecret(ring, sealed, { ...binding, scope: 'user', subject: 'alice' })).toBe(canary);
    expect(service.calls).toEqual({ wrap: 1, unwrap: 1 });
    expect(contexts).toEqual([expect.stringMatching(/^[A-Za-z0-9_-]{43}$/)]);
  });

  it('stands beside local keys in one ring', async () => {
    const local = keyBytes();
    const sealed = await sealSecret(
      createKeyEncryptionRing({ current: 'old', keys: { old: local } }),
      canary,
      binding,
    );
    const both = createKeyEncryptionRing({ current: 'kms', keys: { kms: createService(), old: local } });
    expect(await openSecret(both, sealed, binding)).toBe(canary);
  });

  it('that ignores the context does not make the secret open in another record', async () => {
    const ring = createKeyEncryptionRing({
      current: 'kms',
      keys: { kms: { wrap: (dataKey) => dataKey, unwrap: (wrapped) => wrapped } },
    });
    const sealed = await sealSecret(ring, canary, binding);
    expect(await openSecret(ring, sealed, binding)).toBe(canary);
    await expect(openSecret(ring, sealed, { ...binding, version: 2 })).rejects.toMatchObject({
      code: 'secret_not_authentic',
    });
  });

  it.each<[string, () => Uint8Array | Promise<Uint8Array>]>([
    ['rejects', () => Promise.reject(new Error('denied'))],
    [
      'throws',
      () => {
        throw new Error('denied');
      },
    ],
    ['gives nothing', () => undefined as never],
    ['gives no bytes', () => new Uint8Array(0)],
    ['gives too many bytes', () => new Uint8Array(5_000)],
  ])('is unavailable when it %s', async (_, wrap) => {
    const ring = createKeyEncryptionRing({ current: 'kms', keys: { kms: { wrap, unwrap: wrap } } });
    await expect(sealSecret(ring, canary, binding)).rejects.toMatchObject({
      code: 'key_encryption_key_unavailable',
    });
  });

  it('gives a data key of another length: the secret does not open', async () => {
    const service = createService();
    const sealed = await sealSecret(ringWith(service), canary, binding);
    const ring = ringWith({ ...service, unwrap: async () => new Uint8Array(31) });
    await expect(openSecret(ring, sealed, binding)).rejects.toMatchObject({ code: 'secret_not_authentic' });
  });

  it('is unavailable when it has not answered in time, 5 seconds by default', async () => {
    const runtime = createVirtualRuntime();
    const service = createService();
    const thaw = service.gate.freeze();
    const outcome = sealSecret(ringWith(service, runtime), canary, binding).catch((error: unknown) => error);
    await runtime.advanceAsync(4_999);
    const early = await Promise.race([outcome, Promise.resolve('waiting')]);
    expect(early).toBe('waiting');
    await runtime.advanceAsync(1);
    expect(await outcome).toMatchObject({ code: 'key_encryption_key_unavailable' });
    thaw();
  });
});
