import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createEvidence, places } from './evidence.ts';
import { createSentinels, word } from './sentinels.ts';
import { sweep } from './sweep.ts';

/** Names of the sentinels that are found in a text. */
function findIn(text: string | Uint8Array, plant: (sentinels: ReturnType<typeof createSentinels>) => void) {
  const sentinels = createSentinels();
  plant(sentinels);
  const evidence = createEvidence();
  evidence.add('console', 'test', text);
  return sweep(evidence, sentinels.all).map(({ sentinel }) => sentinel);
}

const secret = `q"${word(20)}/+@${word(20)}`;
const bytes = Buffer.from(secret);
const one = (text: string | Uint8Array) =>
  findIn(text, (sentinels) => void sentinels.plant('it', secret)).length;

describe('the sweep', () => {
  it.each<[string, string | Uint8Array]>([
    ['as it is', `before${secret}after`],
    ['as any 12 characters of it', `x${secret.slice(7, 19)}x`],
    ['as its last 12 characters', secret.slice(-12)],
    ['as JSON', JSON.stringify({ value: secret })],
    ['URL-encoded', `?key=${encodeURIComponent(secret)}&x`],
    ['in hex', bytes.toString('hex')],
    ['in upper-case hex', bytes.toString('hex').toUpperCase()],
    ['in base64', bytes.toString('base64')],
    ['in base64 behind one byte', Buffer.from(`:${secret}`).toString('base64')],
    ['in base64 behind two bytes', Buffer.from(`a:${secret}!`).toString('base64')],
    ['in base64url', bytes.toString('base64url')],
    ['as an inspected buffer', inspect(bytes)],
    ['as an inspected byte array', inspect(new Uint8Array(bytes))],
    ['as a serialised buffer', JSON.stringify(bytes)],
    ['as a serialised byte array', JSON.stringify(new Uint8Array(bytes))],
    ['in bytes that are no text', Buffer.concat([Buffer.from([0, 255, 13]), bytes, Buffer.from([200])])],
  ])('finds a secret %s', (_, text) => {
    expect(one(text)).toBe(1);
  });

  it('does not take 11 characters, the id of a key or the last four for the secret', () => {
    const key = `hg_live_4fZr0Kq81mXa_${word(49)}`;
    expect(one(secret.slice(5, 16))).toBe(0);
    const shown = `hg_live_4fZr0Kq81mXa_… ends in ${key.slice(-4)}`;
    expect(findIn(shown, (sentinels) => void sentinels.plantKey('key', key))).toEqual([]);
    expect(findIn(key, (sentinels) => void sentinels.plantKey('key', key))).toEqual(['key']);
  });

  it.each(places)('finds what was put on purpose into: %s', (place) => {
    const sentinels = createSentinels();
    const value = sentinels.makeAwkward('planted');
    const evidence = createEvidence();
    evidence.add(place, 'text', `found ${value} here`);
    evidence.addObject(place, 'object', { deep: { down: [value] } });
    evidence.addObject(place, 'error', new Error('outer', { cause: new Error(`inner ${value}`) }));
    const sources = sweep(evidence, sentinels.all).map(({ source }) => source);
    expect(sources).toEqual(
      expect.arrayContaining([
        'text',
        'object: inspected',
        'object: as JSON',
        'error: inspected',
        'error: chain',
      ]),
    );
  });
});
