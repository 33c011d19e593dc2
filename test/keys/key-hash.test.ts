import { createHmac, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createPepperRing, hashSecret, type PepperRing, verifySecret } from '../../src/keys/key-hash.ts';

const secret = 'A1b2'.repeat(10).concat('xyz');
const bytes = (fill: number) => new Uint8Array(32).fill(fill);
const ring = createPepperRing({ current: 'b', peppers: { a: bytes(1), b: bytes(2) } });

function counted(peppers: PepperRing): PepperRing & { digests: number } {
  const spy = {
    ...peppers,
    digests: 0,
    digest: (id: string, text: string) => {
      spy.digests++;
      return peppers.digest(id, text);
    },
  };
  return spy;
}

describe('hashSecret', () => {
  it('is HMAC-SHA-256 of the secret under the current pepper, in lower-case hex', () => {
    const expected = createHmac('sha256', bytes(2)).update(secret).digest('hex');
    expect(hashSecret(ring, secret)).toEqual({ pepperId: 'b', secretHash: expected });
  });

  it('is the same for a pepper as bytes, base64 and base64url', () => {
    const pepper = Buffer.from('fb'.repeat(32), 'hex');
    const hashes = [pepper, pepper.toString('base64'), pepper.toString('base64url')].map(
      (form) => hashSecret(createPepperRing({ current: 'x', peppers: { x: form } }), secret).secretHash,
    );
    expect(new Set(hashes).size).toBe(1);
  });
});

describe('verifySecret', () => {
  it('accepts the secret under any pepper of the ring, and no other secret', () => {
    const older = hashSecret(createPepperRing({ current: 'a', peppers: { a: bytes(1) } }), secret);
    for (const record of [older, hashSecret(ring, secret)]) {
      expect(verifySecret(ring, record, secret)).toBe(true);
      expect(verifySecret(ring, record, `${secret.slice(0, -1)}Z`)).toBe(false);
      expect(verifySecret(ring, record, '')).toBe(false);
      expect(verifySecret(ring, { ...record, pepperId: record.pepperId === 'a' ? 'b' : 'a' }, secret)).toBe(
        false,
      );
    }
  });

  it.each([
    ['no record', null],
    ['an unknown pepper', { ...hashSecret(ring, secret), pepperId: 'gone' }],
    ['a pepper id that objects have', { ...hashSecret(ring, secret), pepperId: '__proto__' }],
    ['an empty hash', { pepperId: 'b', secretHash: '' }],
    ['a hash of zeros', { pepperId: 'b', secretHash: '0'.repeat(64) }],
    ['half a hash', { pepperId: 'b', secretHash: hashSecret(ring, secret).secretHash.slice(0, 32) }],
    ['a hash and more', { pepperId: 'b', secretHash: `${hashSecret(ring, secret).secretHash}00` }],
    ['no hex', { pepperId: 'b', secretHash: 'z'.repeat(64) }],
  ])('refuses with the same work, one HMAC: %s', (_, record) => {
    const spy = counted(ring);
    expect(verifySecret(spy, record, secret)).toBe(false);
    expect(spy.digests).toBe(1);
  });

  it('does not match a record whose pepper is unknown with what an unknown pepper gives', () => {
    const forged = {
      pepperId: 'gone',
      secretHash: createHmac('sha256', bytes(0)).update(secret).digest('hex'),
    };
    expect(verifySecret(ring, forged, secret)).toBe(false);
  });
});

describe('createPepperRing', () => {
  it.each([
    ['"peppers.a" has 31 bytes', { current: 'a', peppers: { a: new Uint8Array(31) } }],
    ['"peppers.a" has 16 bytes', { current: 'a', peppers: { a: randomBytes(16).toString('base64') } }],
    [
      '"peppers.a" is not base64',
      { current: 'a', peppers: { a: 'correct horse battery staple, for sure!' } },
    ],
    ['"peppers.a" is not base64', { current: 'a', peppers: { a: '' } }],
    ['"peppers.a" must be bytes', { current: 'a', peppers: { a: undefined as unknown as string } }],
    ['"current" names "b"', { current: 'b', peppers: { a: bytes(1) } }],
    ['"current" names "constructor"', { current: 'constructor', peppers: { a: bytes(1) } }],
  ])('is a TypeError: %s', (message, options) => {
    const attempt = () => createPepperRing(options);
    expect(attempt).toThrow(TypeError);
    expect(attempt).toThrow(message);
  });

  it('does not repeat a pepper in an error', () => {
    const pepper = 'not*base64*but*secret';
    expect(() => createPepperRing({ current: 'a', peppers: { a: pepper } })).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining(pepper) }),
    );
  });

  it('keeps its peppers when the caller wipes the bytes, and does not show them', () => {
    const pepper = randomBytes(32);
    const hex = pepper.toString('hex');
    const own = createPepperRing({ current: 'x', peppers: { x: pepper } });
    const before = hashSecret(own, secret);
    pepper.fill(0);
    expect(hashSecret(own, secret)).toEqual(before);
    expect(inspect(own, { depth: 9, showHidden: true }) + JSON.stringify(own)).not.toContain(hex);
    expect(own.has('x')).toBe(true);
    expect(own.has('toString')).toBe(false);
  });
});
