import { createMemoryLedger, type Ledger } from 'headgate';
import { afterEach, describe, expect, it } from 'vitest';
import { chat, readJson, readText, runtime, startGateway, until } from '../harness.ts';
import { ask, codeIn, type DialectCase, dialects } from './dialects.ts';

afterEach(() => {
  expect(({} as { admin?: unknown }).admin).toBeUndefined();
});

/** A gateway with a limit, that counts what was held. */
async function start() {
  let reserved = 0;
  const memory = createMemoryLedger(runtime);
  const ledger: Ledger = {
    ...memory,
    reserve(...given) {
      reserved++;
      return memory.reserve(...given);
    },
  };
  const started = await startGateway(
    (config) => ({
      ...config,
      profiles: { standard: { limits: [{ unit: 'tokens', amount: 1e9, window: '1d' }] } },
    }),
    // said, so that nothing but requests is counted
    { ledger, limits: { nodes: 1 } },
  );
  return { ...started, reserved: () => reserved };
}

const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));
const members = ({ body }: DialectCase) => JSON.stringify(body).slice(1, -1);
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

const bodies: readonly [name: string, body: (one: DialectCase) => string | Uint8Array, code: string][] = [
  ['a key twice', (one) => `{${members(one)},"x":1,"x":2}`, 'duplicate_key'],
  ['a key twice, once in escapes', (one) => `{${members(one)},"ab":1,"\\u0061b":2}`, 'duplicate_key'],
  ['the model twice', (one) => `{${members(one)},"model":"a","model":"b"}`, 'duplicate_key'],
  ['__proto__ as a key', (one) => `{${members(one)},"__proto__":{"admin":true}}`, 'malformed_request'],
  [
    '__proto__ in escapes',
    (one) => `{${members(one)},"__pro\\u0074o__":{"admin":true}}`,
    'malformed_request',
  ],
  [
    'constructor as a key',
    (one) => `{${members(one)},"constructor":{"prototype":{"admin":true}}}`,
    'malformed_request',
  ],
  ['nesting of 65', (one) => `{${members(one)},"x":${nested(64)}}`, 'malformed_request'],
  ['nesting of 10,000', (one) => `{${members(one)},"x":${nested(10_000)}}`, 'malformed_request'],
  ['nesting of 1,000,000', (one) => `{${members(one)},"x":${nested(1_000_000)}}`, 'malformed_request'],
  ['nesting without an end', (one) => `{${members(one)},"x":${'['.repeat(500_000)}`, 'malformed_request'],
  ['invalid UTF-8', (one) => bytes(`{${members(one)},"x":"`, [0xff, 0xfe], '"}'), 'malformed_request'],
  ['overlong UTF-8', (one) => bytes(`{${members(one)},"x":"`, [0xc0, 0xaf], '"}'), 'malformed_request'],
  [
    'a surrogate in UTF-8',
    (one) => bytes(`{${members(one)},"x":"`, [0xed, 0xa0, 0x80], '"}'),
    'malformed_request',
  ],
  ['a cut character', (one) => bytes(`{${members(one)},"x":"`, [0xe2, 0x82], '"}'), 'malformed_request'],
  ['a raw NUL', (one) => `{${members(one)},"x":"a\0b"}`, 'malformed_request'],
  ['a raw line break in a string', (one) => `{${members(one)},"x":"a\nb"}`, 'malformed_request'],
  ['UTF-16', (one) => Buffer.from(`\ufeff${JSON.stringify(one.body)}`, 'utf16le'), 'malformed_request'],
  [
    'a million keys',
    (one) =>
      `{${members(one)},"x":{${Array.from({ length: 1_000_000 }, (_, index) => `"${index}":0`).join()}}}`,
    'malformed_request',
  ],
  ['half a surrogate pair', (one) => `{${members(one)},"x":"\\ud800"}`, 'malformed_request'],
  ['a NUL in escapes', (one) => `{${members(one)},"x":"\\u0000"}`, 'malformed_request'],
  ['an array', () => '[]', 'malformed_request'],
  ['a string', () => '"x"', 'malformed_request'],
  ['null', () => 'null', 'malformed_request'],
  ['nothing', () => ' ', 'malformed_request'],
  ['half of it', (one) => JSON.stringify(one.body).slice(0, -3), 'malformed_request'],
  ['more behind it', (one) => `${JSON.stringify(one.body)}{}`, 'malformed_request'],
  ['a comment', (one) => `/* x */${JSON.stringify(one.body)}`, 'malformed_request'],
  ['a trailing comma', (one) => `{${members(one)},}`, 'malformed_request'],
  ['NaN', (one) => `{${members(one)},"x":NaN}`, 'malformed_request'],
  ['a number with a leading zero', (one) => `{${members(one)},"x":012}`, 'malformed_request'],
];

describe.each(dialects)('an $dialect request', (one) => {
  it.each(bodies)('with %s is 400, costs nothing and goes nowhere', async (_, body, code) => {
    const { send, upstream, gateway, reserved } = await start();
    const began = performance.now();
    const refused = await ask(send, one, body(one));
    expect(performance.now() - began).toBeLessThan(60_000);
    expect([refused.status, refused.code]).toEqual([400, codeIn(one, 400, code)]);
    expect(refused.reply.headers['x-should-retry']).toBe('false');
    await until(() => gateway.records.length === 1);
    expect(gateway.records[0]).toMatchObject({ outcome: 'refused', errorCode: code, status: 400 });
    expect([upstream.requests.length, reserved()]).toEqual([0, 0]);
  });

  it('with a byte order mark is taken, and sent without it', async () => {
    const { send, upstream } = await start();
    const { status } = await ask(send, one, `\ufeff${JSON.stringify(one.body)}`);
    expect(status).toBe(200);
    expect(upstream.requests[0]?.body[0]).toBe(0x7b);
  });

  it('with nesting of 64, long strings, many keys and index-like keys is taken as it is', async () => {
    const { send, upstream } = await start();
    const big = [
      `{${members(one)},"x":${nested(63)}}`,
      `{${members(one)},"x":"${'y'.repeat(5_000_000)}"}`,
      `{${members(one)},"x":{${Array.from({ length: 90_000 }, (_, index) => `"${index}":0`).join()}}}`,
      `{${members(one)},"constructor":{"x":1},"prototype":2,"toString":"\\ud83d\\ude00"}`,
    ];
    for (const body of big) {
      expect((await ask(send, one, body)).status).toBe(200);
      expect(upstream.requests.at(-1)?.body.length).toBeGreaterThanOrEqual(body.length);
    }
  });

  it.each([
    '1e400',
    '-1',
    '"100"',
    '9007199254740993',
    '1.5',
    '1e3',
    'true',
    '[]',
    '{}',
    '1e-5',
    '0.0',
    '-0',
  ])('with an output bound of %s is 400, or passes on exactly what it counted', async (json) => {
    const { send, upstream, reserved } = await start();
    const { status } = await ask(send, one, one.withMaxTokens(json));
    if (status === 200) {
      // a whole number in another spelling may pass, but nobody may read it as another number
      expect(Number.isSafeInteger(Number(json)) && Number(json) >= 0).toBe(true);
      expect(upstream.requests[0]?.body.toString()).toContain(json);
      return;
    }
    expect(status).toBe(400);
    expect([upstream.requests.length, reserved()]).toEqual([0, 0]);
  });

  it.each([
    'text/plain',
    '',
    'application/jsonx',
    ' application/json',
    '\tapplication/json',
    'application/json\tx',
    'text/json',
    'multipart/form-data; boundary=x',
    'application/json, text/plain',
    'application/x-www-form-urlencoded',
    'application/problem+json',
    'application/json; charset=utf-16',
    'application/json; charset=utf-8; charset=utf-7',
  ])('of content-type %j is 415', async (type) => {
    const { send, upstream } = await start();
    const refused = await ask(send, one, JSON.stringify(one.body), { headers: { 'content-type': type } });
    expect([refused.status, refused.code]).toEqual([415, codeIn(one, 415, 'unsupported_media_type')]);
    expect(upstream.requests).toHaveLength(0);
  });

  it('without a content-type, or with two, is 415', async () => {
    const { send } = await start();
    for (const type of [undefined, ['application/json', 'text/plain']]) {
      const refused = await ask(send, one, JSON.stringify(one.body), { headers: { 'content-type': type } });
      expect(refused.status).toBe(415);
    }
  });

  it.each([
    'application/json',
    'Application/JSON',
    'application/json;charset=utf-8',
    'application/json ; charset=UTF-8',
  ])('of content-type %j is taken', async (type) => {
    const { send } = await start();
    const { status } = await ask(send, one, JSON.stringify(one.body), { headers: { 'content-type': type } });
    expect(status).toBe(200);
  });
});

describe('a request whose numbers are hidden', () => {
  it.each([
    [
      '/v1/chat/completions',
      '{"model":"gpt-4.1","messages":[],"max_completion_tokens":5,"max_tokens":1e400}',
    ],
    ['/v1/chat/completions', '{"model":"gpt-4.1","messages":[],"n":1000000}'],
    ['/v1/chat/completions', '{"model":"gpt-4.1","messages":[],"n":-1}'],
    ['/v1/chat/completions', '{"model":"gpt-4.1","messages":[],"n":"2"}'],
    ['/v1/completions', '{"model":"gpt-4.1","prompt":"x","best_of":1000000}'],
    ['/v1/responses', '{"model":"gpt-4.1","input":"x","max_output_tokens":-1}'],
    ['/v1/messages', '{"model":"claude-sonnet","max_tokens":null,"messages":[]}'],
    ['/v1beta/models/gemini-flash:generateContent', '{"generationConfig":{"candidateCount":null}}'],
    ['/v1beta/models/gemini-flash:generateContent', '{"generationConfig":{"maxOutputTokens":null}}'],
    ['/v1beta/models/gemini-flash:generateContent', '{"generationConfig":{"candidateCount":100000}}'],
    [
      '/v1beta/models/gemini-flash:generateContent',
      '{"generationConfig":{"maxOutputTokens":1},"generation_config":{"maxOutputTokens":"1000000"}}',
    ],
    [
      '/v1beta/models/gemini-flash:generateContent',
      '{"generationConfig":{"maxOutputTokens":1,"max_output_tokens":-5}}',
    ],
    ['/v1/chat/completions', '{"model":"gpt-4.1","messages":[],"stream":"yes"}'],
    ['/v1/chat/completions', '{"model":"gpt-4.1","messages":[],"stream":1}'],
    ['/v1/chat/completions', '{"model":["gpt-4.1"],"messages":[]}'],
    ['/v1/chat/completions', '{"model":{"toString":"gpt-4.1"},"messages":[]}'],
    ['/v1/chat/completions', '{"model":"","messages":[]}'],
    ['/v1/chat/completions', `{"model":"${'m'.repeat(257)}","messages":[]}`],
    ['/v1beta/models/gemini-flash:generateContent', '{"model":"models/other","contents":[]}'],
  ])('on %s is 400: %s', async (path, body) => {
    const { send, upstream } = await start();
    expect((await send(path, body)).status).toBe(400);
    expect(upstream.requests).toHaveLength(0);
  });
});

it.each([
  ['/v1/chat/completions', (model: string) => ({ model, messages: [] })],
  ['/v1/messages/batches', (model: string) => ({ requests: [{ custom_id: 'a', params: { model } }] })],
])('a very long name of a model on %s is 400, and nothing keeps it', async (path, body) => {
  const { send, gateway } = await startGateway();
  expect((await send(path, body('m'.repeat(257)))).status).toBe(400);
  expect((await send(path, body('m'.repeat(256)))).status).toBe(404);
  await until(() => gateway.records.length === 2);
  expect(gateway.records[0]?.requestedModel).toBeUndefined();
});

describe('a request to OpenAI that says null for what it does not give', () => {
  it.each([
    ['/v1/chat/completions', { ...chat(), max_tokens: null }],
    ['/v1/chat/completions', { ...chat(), max_completion_tokens: null, n: null }],
    ['/v1/completions', { model: 'gpt-4.1', prompt: 'x', max_tokens: null, n: null, best_of: null }],
    ['/v1/responses', { model: 'gpt-4.1', input: 'x', max_output_tokens: null }],
  ])('on %s is taken, and sent as it is: %j', async (path, body) => {
    const { send, upstream } = await start();
    expect((await send(path, body)).status).toBe(200);
    expect(upstream.requests[0]?.json).toMatchObject(body);
  });

  it('counts what the model may produce where it says null', async () => {
    const { send } = await startGateway((config) => ({
      ...config,
      profiles: { standard: { limits: [{ unit: 'tokens', amount: 1_000, window: '1d' }] } },
    }));
    const refused = await send('/v1/chat/completions', chat({ max_tokens: null }));
    expect([refused.status, (await readJson(refused)).error.message]).toEqual([
      400,
      expect.stringContaining('could need 41'),
    ]);
  });
});

describe('a request within a request', () => {
  it.each([
    [
      '/v1beta/models/gemini-flash:generateContent',
      '{"contents":[],"generationConfig":{"responseSchema":#}}',
    ],
    ['/v1beta/models/gemini-flash:countTokens', '{"generateContentRequest":{"contents":[],"tools":[#]}}'],
    [
      '/v1/messages/batches',
      '{"requests":[{"custom_id":"a","params":{"model":"claude-sonnet","tools":[#]}}]}',
    ],
  ])('may nest as deep as the configuration says: %s', async (path, body) => {
    const { send, upstream } = await startGateway((config) => ({ ...config, relay: { maxDepth: 200 } }));
    await send(path, body.replace('#', nested(150)));
    expect(upstream.requests).toHaveLength(1);
    expect((await send(path, body.replace('#', nested(200)))).status).toBe(400);
  });

  it('holds no further ones, of which each were one more reading of all that is in it', async () => {
    const { send, upstream } = await startGateway();
    const params = '{"model":"claude-sonnet","params":{"model":"a","model":"b"}}';
    await send('/v1/messages/batches', `{"requests":[{"custom_id":"a","params":${params}}]}`);
    expect(upstream.requests).toHaveLength(1);
  });
});

describe('a form', () => {
  const form = (parts: readonly string[], boundary = 'b') =>
    Buffer.from(`${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\n`);
  const field = (name: string, value: string) =>
    `content-disposition: form-data; name="${name}"\r\n\r\n${value}`;
  const file = 'content-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF';
  const type = { headers: { 'content-type': 'multipart/form-data; boundary=b' } };
  const config = (given: Parameters<NonNullable<Parameters<typeof startGateway>[0]>>[0]) => ({
    ...given,
    models: { ...given.models, 'whisper-1': { targets: ['openai/whisper-large'] } },
  });

  it('is sent on byte for byte but for the name of the model', async () => {
    const { send, upstream } = await startGateway(config);
    const reply = await send('/v1/audio/transcriptions', form([file, field('model', 'whisper-1')]), type);
    expect(reply.status).toBe(200);
    expect(upstream.requests[0]?.body.toString()).toBe(
      form([file, field('model', 'whisper-large')]).toString(),
    );
  });

  it('may leave the quotes of names out, as HttpClient of .NET does', async () => {
    const { send, upstream } = await startGateway(config);
    const unquoted = (name: string) =>
      form([file, `Content-Disposition: form-data; name=model\r\n\r\n${name}`]);
    expect((await send('/v1/audio/transcriptions', unquoted('whisper-1'), type)).status).toBe(200);
    expect(upstream.requests[0]?.body.toString()).toBe(unquoted('whisper-large').toString());
  });

  it.each<[string, Uint8Array, number, string?]>([
    ['without a model', form([file]), 400],
    ['with an empty model', form([field('model', '')]), 400],
    ['with the model twice', form([field('model', 'whisper-1'), field('model', 'gpt-4.1')]), 400],
    ['with a model that is hidden', form([field('model', 'none')]), 404],
    ['with a model of a very long name', form([field('model', 'm'.repeat(257))]), 400],
    ['without its last boundary', form([field('model', 'whisper-1')]).subarray(0, -8), 400],
    ['with another boundary', form([field('model', 'whisper-1')], 'c'), 400],
    [
      'with 300 parts',
      form(Array.from({ length: 300 }, () => file).concat(field('model', 'whisper-1'))),
      400,
    ],
    ['with endless headers', Buffer.from(`--b\r\nx: ${'y'.repeat(10_000)}\r\n\r\nz\r\n--b--`), 400],
    ['that is JSON', Buffer.from('{"model":"whisper-1"}'), 400],
    ['without a boundary', form([field('model', 'whisper-1')]), 400, 'multipart/form-data'],
    ['of another type', form([field('model', 'whisper-1')]), 415, 'multipart/mixed; boundary=b'],
    [
      'with two boundaries',
      Buffer.concat([form([field('model', 'none')], 'c'), form([field('model', 'whisper-1')])]),
      400,
      'multipart/form-data; boundary=b; boundary=c',
    ],
    [
      'with a boundary inside of another parameter',
      Buffer.concat([form([field('model', 'none')], 'c'), form([field('model', 'whisper-1')])]),
      400,
      'multipart/form-data; x="; boundary=b"; boundary=c',
    ],
    [
      'with a boundary behind a bare line feed',
      form([`${field('x', 'y')}\n--b\n${field('model', 'none')}`, field('model', 'whisper-1')]),
      400,
    ],
  ])('%s is refused', async (_, body, status, contentType) => {
    const { send, upstream } = await startGateway(config);
    const headers = contentType ? { headers: { 'content-type': contentType } } : type;
    const reply = await send('/v1/audio/transcriptions', body, headers);
    expect([reply.status, typeof (await readJson(reply)).error.message]).toEqual([status, 'string']);
    expect(upstream.requests).toHaveLength(0);
  });

  it.each([
    [
      'in the name of a single-quoted parameter',
      "content-disposition: form-data; name='model'\r\n\r\ngpt-4.1",
    ],
    ['without quotes', 'content-disposition: form-data; name=model\r\n\r\ngpt-4.1'],
    ['in an extended parameter', "content-disposition: form-data; name*=utf-8''model\r\n\r\ngpt-4.1"],
    ['in capitals', 'Content-Disposition: FORM-DATA; NAME="model"\r\n\r\ngpt-4.1'],
    ['with an escape in it', 'content-disposition: form-data; name="mod\\el"\r\n\r\ngpt-4.1'],
    ['on a folded line', 'content-disposition: form-data;\r\n name="model"\r\n\r\ngpt-4.1'],
    [
      'in a second header',
      'content-disposition: form-data; name="x"\r\ncontent-disposition: form-data; name="model"\r\n\r\ngpt-4.1',
    ],
  ])('that names a second model %s does not get past the gateway', async (_, second) => {
    const { send, upstream } = await startGateway(config);
    const reply = await send(
      '/v1/audio/transcriptions',
      form([field('model', 'whisper-1'), second, file]),
      type,
    );
    await readText(reply);
    expect([reply.status, upstream.requests.length]).toEqual([400, 0]);
  });
});
