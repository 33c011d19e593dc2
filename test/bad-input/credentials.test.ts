import { createKeyResolver, createNoPepperRing, type HeaderMap, type KeyRecord } from 'headgate';
import { describe, expect, it } from 'vitest';
import { makeKey, runtime, startGateway } from '../harness.ts';
import { ask, codeIn, dialects } from './dialects.ts';

const held = makeKey('payments');
const other = makeKey('payments');
const { key } = held;

/** A gateway whose key store counts what it is asked. */
async function start() {
  const asked: string[] = [];
  const records = new Map<string, KeyRecord>([
    [held.record.kid, held.record],
    [other.record.kid, other.record],
  ]);
  const store = {
    async findKey(kid: string) {
      asked.push(kid);
      return records.get(kid) ?? null;
    },
  };
  const resolver = createKeyResolver({
    store,
    runtime,
    peppers: createNoPepperRing(),
    failedKeys: { perMinute: 1_000 },
  });
  return { ...(await startGateway(undefined, { keyResolver: resolver })), asked };
}

/** Swaps one character for another letter or digit. */
const change = (text: string, at: number) => {
  const index = at < 0 ? text.length + at : at;
  return text.slice(0, index) + (text[index] === 'A' ? 'B' : 'A') + text.slice(index + 1);
};

const none: HeaderMap = { authorization: undefined };
const cases: readonly [
  name: string,
  headers: HeaderMap,
  query: string,
  status: number,
  code: string,
  asked: number,
][] = [
  ['no key', none, '', 401, 'missing_key', 0],
  ['an empty key', { authorization: 'Bearer ' }, '', 401, 'missing_key', 0],
  ['another scheme', { authorization: `Basic ${key}` }, '', 401, 'missing_key', 0],
  ['a scheme that begins alike', { authorization: `Bearerx ${key}` }, '', 401, 'missing_key', 0],
  ['no scheme', { authorization: key }, '', 401, 'missing_key', 0],
  ['a key of 10 kB', { authorization: `Bearer ${key}${'A'.repeat(10_000)}` }, '', 401, 'invalid_key', 0],
  ['a wrong checksum', { authorization: `Bearer ${change(key, -1)}` }, '', 401, 'invalid_key', 0],
  ['a changed secret', { authorization: `Bearer ${change(key, 30)}` }, '', 401, 'invalid_key', 0],
  ['another prefix', { authorization: `Bearer ${key.replace('hg_', 'xx_')}` }, '', 401, 'invalid_key', 0],
  ['a look-alike letter', { authorization: `Bearer ${key.replace('h', 'һ')}` }, '', 401, 'invalid_key', 0],
  ['a full-width letter', { authorization: `Bearer ${key.replace('g', 'ｇ')}` }, '', 401, 'invalid_key', 0],
  ['a NUL behind it', { authorization: `Bearer ${key}\0` }, '', 401, 'invalid_key', 0],
  [
    'a space inside',
    { authorization: `Bearer ${key.slice(0, 20)} ${key.slice(20)}` },
    '',
    401,
    'invalid_key',
    0,
  ],
  [
    'a key that nobody issued',
    { authorization: `Bearer ${makeKey('payments').key}` },
    '',
    401,
    'invalid_key',
    1,
  ],
  ["SQL in the key's place", { authorization: "Bearer ' OR '1'='1" }, '', 401, 'invalid_key', 0],
  [
    'two different keys',
    { authorization: `Bearer ${key}`, 'x-api-key': other.key },
    '',
    400,
    'ambiguous_credentials',
    0,
  ],
  [
    'one key and nonsense',
    { authorization: `Bearer ${key}`, 'x-api-key': 'x' },
    '',
    400,
    'ambiguous_credentials',
    0,
  ],
  [
    'a header twice with different keys',
    { authorization: [`Bearer ${key}`, `Bearer ${other.key}`] },
    '',
    400,
    'ambiguous_credentials',
    0,
  ],
  ['the key in the query', {}, `key=${key}`, 400, 'key_in_query', 0],
  ['the key in the query, in escapes', {}, `%6bey=${key}`, 400, 'key_in_query', 0],
  ['the key in the query alone', none, `api_key=${key}`, 400, 'key_in_query', 0],
  ['an empty identity', { authorization: `Bearer ${key}`, 'x-headgate-key': '' }, '', 401, 'missing_key', 0],
  [
    'a wrong identity beside a good key',
    { authorization: `Bearer ${key}`, 'x-headgate-key': 'x' },
    '',
    401,
    'invalid_key',
    0,
  ],
];

describe.each(dialects)('an $dialect request', (one) => {
  it.each(cases)(
    'with %s is refused, and its key is repeated nowhere',
    async (_, headers, query, status, code, asked) => {
      const started = await start();
      const refused = await ask(started.send, one, one.body, { key, headers, query });
      expect([refused.status, refused.code]).toEqual([status, codeIn(one, status, code)]);
      expect(started.asked).toHaveLength(asked);
      expect(started.upstream.requests).toHaveLength(0);
      const shown = refused.text + JSON.stringify([refused.reply.headers, started.gateway.records]);
      expect(shown).not.toContain(key.slice(16, 40));
      if (status === 401) expect(refused.reply.headers['www-authenticate']).toBe('Bearer');
      expect(started.gateway.records[0]).toMatchObject({ outcome: 'refused', errorCode: code, status });
    },
  );

  it.each<[string, HeaderMap]>([
    ['as a bearer token', { authorization: `Bearer ${key}` }],
    ['with the scheme in another case', { authorization: `bEaReR   ${key}` }],
    ['as x-api-key', { authorization: undefined, 'x-api-key': key }],
    ['as api-key', { authorization: undefined, 'api-key': key }],
    ['as x-goog-api-key', { authorization: undefined, 'x-goog-api-key': key }],
    ['twice, the same', { authorization: `Bearer ${key}`, 'x-api-key': key }],
    [
      'as x-headgate-key beside a credential of its own',
      { authorization: 'Bearer sk-own', 'x-headgate-key': key },
    ],
  ])('with the key %s is served, and the key goes no further', async (_, headers) => {
    const { send, upstream } = await start();
    expect((await ask(send, one, one.body, { headers })).status).toBe(200);
    const sent = JSON.stringify([upstream.requests[0]?.rawHeaders, upstream.requests[0]?.query]);
    expect(sent).not.toContain(key.slice(0, 20));
    expect(sent).not.toContain('sk-own');
  });
});
