import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GatewayError, isGatewayError } from '../../src/errors.ts';
import { readCredential } from '../../src/keys/credential.ts';
import type { HeaderMap } from '../../src/message.ts';

const key = 'hg_live_AAAAAAAAAAAA_one';
const other = 'sk-ant-other';

function refusal(headers: HeaderMap, query = ''): GatewayError {
  try {
    readCredential(headers, query);
  } catch (error) {
    if (isGatewayError(error)) return error;
    throw error;
  }
  throw new Error('It was accepted.');
}

describe('readCredential accepts', () => {
  it.each<[string, HeaderMap]>([
    ['authorization: Bearer', { authorization: `Bearer ${key}` }],
    ['the scheme in another case', { authorization: `bEARER ${key}` }],
    ['more than one space after the scheme', { authorization: `Bearer   ${key}` }],
    ['x-api-key', { 'x-api-key': key }],
    ['api-key', { 'api-key': key }],
    ['x-goog-api-key', { 'x-goog-api-key': key }],
    ['x-headgate-key', { 'x-headgate-key': key }],
    ['the same value in two headers', { authorization: `Bearer ${key}`, 'x-api-key': key }],
    [
      'the same value in all',
      { authorization: `Bearer ${key}`, 'x-api-key': key, 'api-key': key, 'x-goog-api-key': key },
    ],
    ['repeated lines that agree', { 'x-api-key': [key, key] }],
    ['repeated authorization lines that agree', { authorization: [`Bearer ${key}`, `Bearer ${key}`] }],
    ['a header beside one that is empty', { 'x-api-key': key, 'api-key': '', 'x-goog-api-key': [] }],
    ['a header beside an empty Bearer', { 'x-api-key': key, authorization: 'Bearer ' }],
    ['a header beside another scheme', { 'x-api-key': key, authorization: 'Basic dXNlcjpwYXNz' }],
    [
      'x-headgate-key beside credentials of the caller',
      { 'x-headgate-key': key, authorization: `Bearer ${other}` },
    ],
    [
      'x-headgate-key beside two that differ',
      { 'x-headgate-key': key, 'x-api-key': 'a', authorization: 'Bearer b' },
    ],
    [
      'x-headgate-key beside a header beyond all bounds',
      { 'x-headgate-key': key, 'x-api-key': 'é'.repeat(9_000) },
    ],
    ['headers without a prototype', Object.assign(Object.create(null), { 'x-api-key': key })],
  ])('%s', (_, headers) => {
    expect(readCredential(headers, '')).toBe(key);
  });

  it('256 visible characters, all of them', () => {
    const visible = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index)).join('');
    const longest = visible.repeat(3).slice(0, 256);
    expect(readCredential({ 'x-api-key': longest }, '')).toBe(longest);
  });

  it.each([
    'beta=true',
    'alt=sse',
    'limit=20&after_id=key',
    'monkey=1',
    'keys=a',
    'tokens=1',
    'a=key%3D1',
    '%E0%A4%A=1',
  ])('a query that carries no key: %s', (query) => {
    expect(readCredential({ 'x-api-key': key }, query)).toBe(key);
  });
});

describe('readCredential refuses', () => {
  it.each<[string, HeaderMap]>([
    ['nothing', {}],
    ['empty headers', { authorization: '', 'x-api-key': '', 'api-key': [''] }],
    ['Bearer without a token', { authorization: 'Bearer ' }],
    ['Bearer alone', { authorization: 'Bearer' }],
    ['the Basic scheme', { authorization: `Basic ${key}` }],
    ['a key without a scheme', { authorization: key }],
    ['a scheme that only begins like Bearer', { authorization: `Bearers ${key}` }],
    ['a tab after the scheme', { authorization: `Bearer\t${key}` }],
    [
      'an empty x-headgate-key, whatever else is there',
      { 'x-headgate-key': '', authorization: `Bearer ${key}` },
    ],
    ['an x-headgate-key without lines', { 'x-headgate-key': [], 'x-api-key': key }],
  ])('as missing_key: %s', (_, headers) => {
    expect(refusal(headers)).toMatchObject({
      code: 'missing_key',
      status: 401,
      retryable: false,
      headers: { 'www-authenticate': 'Bearer' },
    });
  });

  it('a missing key with the names of all headers that could carry it', () => {
    for (const name of ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'x-headgate-key']) {
      expect(refusal({}).message).toContain(name);
    }
    expect(refusal({ authorization: 'Basic abc' }).message).toContain('no Bearer token');
  });

  it.each<[string, string[], HeaderMap]>([
    ['two headers', ['authorization', 'x-api-key'], { authorization: `Bearer ${key}`, 'x-api-key': other }],
    ['the last two', ['api-key', 'x-goog-api-key'], { 'api-key': key, 'x-goog-api-key': other }],
    ['repeated lines', ['x-api-key'], { 'x-api-key': [key, other] }],
    ['an empty line and another', ['x-api-key'], { 'x-api-key': ['', key] }],
    ['repeated authorization lines', ['authorization'], { authorization: [`Bearer ${key}`, 'Basic x'] }],
    ['repeated x-headgate-key lines', ['x-headgate-key'], { 'x-headgate-key': [key, other] }],
  ])('as ambiguous_credentials, naming the headers: %s', (_, names, headers) => {
    const error = refusal(headers);
    expect(error).toMatchObject({ code: 'ambiguous_credentials', status: 400 });
    for (const name of names) expect(error.message).toContain(name);
  });

  it.each([
    'key=abc',
    'api_key=abc',
    'alt=sse&key=abc',
    'alt=sse&%6bey=abc',
    'KEY=abc',
    'api%5Fkey=abc',
    'access_token=abc',
    'oauth_token=abc',
    'key',
    '?key=abc',
    'key=',
  ])('as key_in_query, whatever the headers say: %s', (query) => {
    const error = refusal({ 'x-headgate-key': key }, query);
    expect(error).toMatchObject({ code: 'key_in_query', status: 400 });
    expect(error.message).toBe(refusal({}, 'key=other').message);
  });

  it.each([
    ['257 characters', 'a'.repeat(257)],
    ['10 kB', 'a'.repeat(10_000)],
    ['a space within', 'hg_live a'],
    ['two values that a server joined', `${key}, ${other}`],
    ['a control character', 'hg\u0000x'],
    ['DEL', 'hg\u007f'],
    ['Latin-1', 'hgé'],
    ['a look-alike', 'hg_live_АAAA'],
    ['a lone surrogate', 'hg\ud800'],
  ])('as invalid_key: %s', (_, value) => {
    for (const headers of [
      { 'x-api-key': value },
      { authorization: `Bearer ${value}` },
      { 'x-headgate-key': value },
    ]) {
      expect(refusal(headers)).toMatchObject({ code: 'invalid_key', status: 401 });
    }
  });

  it('anything without ever repeating a value', () => {
    const value = fc.string({ minLength: 12, maxLength: 300 }).map((text) => `canary-${text}`);
    const field = fc.option(
      fc.oneof(
        value,
        fc.array(value, { maxLength: 3 }),
        value.map((text) => `Bearer ${text}`),
      ),
      {
        nil: undefined,
      },
    );
    const headers = fc.record({
      authorization: field,
      'x-api-key': field,
      'api-key': field,
      'x-goog-api-key': field,
      'x-headgate-key': field,
    });
    const queries = fc.oneof(
      fc.constant(''),
      fc.webQueryParameters(),
      value.map((text) => `key=${text}`),
    );
    fc.assert(
      fc.property(headers, queries, (map, query) => {
        try {
          const credential = readCredential(map, query);
          expect(credential).toMatch(/^[!-~]{1,256}$/);
        } catch (error) {
          expect(isGatewayError(error)).toBe(true);
          expect((error as Error).message).not.toContain('canary-');
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
