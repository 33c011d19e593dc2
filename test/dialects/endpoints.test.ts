import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/dialects/endpoint.ts';
import { matchEndpoint } from '../../src/dialects/endpoints.ts';
import { familyOf } from '../../src/dialects/family.ts';
import { isGatewayError } from '../../src/errors.ts';
import type { HeaderMap } from '../../src/message.ts';

const none: HeaderMap = {};
const anthropic: HeaderMap = { 'anthropic-version': '2023-06-01' };
const google: HeaderMap = { 'x-goog-api-key': 'k' };

function refusalOf(method: string, path: string, headers = none) {
  const match = matchEndpoint(method, path, headers);
  if (match === 'health' || !('refused' in match)) return { accepted: match };
  const { code, status, message } = match.refused;
  return { code, status, message, family: match.family, allow: match.refused.headers?.allow };
}

type Row = [method: string, path: string, expected: Partial<Endpoint>, headers?: HeaderMap];

const endpoints: readonly Row[] = [
  [
    'POST',
    '/v1/chat/completions',
    { operation: 'chat', dialect: 'openai-chat', upstreamPath: '/chat/completions' },
  ],
  [
    'POST',
    '/v1/completions',
    { operation: 'completion', dialect: 'openai-completions', upstreamPath: '/completions' },
  ],
  [
    'POST',
    '/v1/responses',
    { operation: 'response', dialect: 'openai-responses', upstreamPath: '/responses' },
  ],
  ['POST', '/v1/responses/compact', { operation: 'response', upstreamPath: '/responses/compact' }],
  [
    'POST',
    '/v1/responses/input_tokens',
    { operation: 'response-input-tokens', upstreamPath: '/responses/input_tokens' },
  ],
  [
    'GET',
    '/v1/responses/resp_1',
    { operation: 'response-resource', body: 'none', upstreamPath: '/responses/resp_1' },
  ],
  ['DELETE', '/v1/responses/resp_1', { operation: 'response-resource', upstreamPath: '/responses/resp_1' }],
  [
    'POST',
    '/v1/responses/resp_1/cancel',
    { operation: 'response-resource', upstreamPath: '/responses/resp_1/cancel' },
  ],
  ['GET', '/v1/responses/resp_1/input_items', { upstreamPath: '/responses/resp_1/input_items' }],
  ['POST', '/v1/embeddings', { operation: 'embedding', dialect: 'openai', upstreamPath: '/embeddings' }],
  [
    'POST',
    '/v1/images/generations',
    { operation: 'image', body: 'json', upstreamPath: '/images/generations' },
  ],
  ['POST', '/v1/images/edits', { operation: 'image', body: 'multipart' }],
  ['POST', '/v1/images/variations', { operation: 'image', body: 'multipart' }],
  ['POST', '/v1/audio/speech', { operation: 'speech', body: 'json' }],
  ['POST', '/v1/audio/transcriptions', { operation: 'transcription', body: 'multipart' }],
  ['POST', '/v1/audio/translations', { operation: 'transcription', body: 'multipart' }],
  ['POST', '/v1/moderations', { operation: 'moderation', dialect: 'openai' }],
  ['POST', '/v1/rerank', { operation: 'rerank', upstreamPath: '/rerank' }],
  ['POST', '/v2/rerank', { operation: 'rerank', prefix: '/v2' }],
  [
    'POST',
    '/v1/messages',
    { operation: 'message', dialect: 'anthropic-messages', upstreamPath: '/v1/messages' },
  ],
  ['POST', '/v1/messages/count_tokens', { operation: 'message-count-tokens', family: 'anthropic' }],
  ['POST', '/v1/messages/batches', { operation: 'message-batch-create', body: 'json' }],
  ['GET', '/v1/messages/batches', { operation: 'message-batch-resource', body: 'none' }],
  ['GET', '/v1/messages/batches/b_1', { upstreamPath: '/v1/messages/batches/b_1' }],
  ['DELETE', '/v1/messages/batches/b_1', { operation: 'message-batch-resource' }],
  ['GET', '/v1/messages/batches/b_1/results', { upstreamPath: '/v1/messages/batches/b_1/results' }],
  ['POST', '/v1/messages/batches/b_1/cancel', { operation: 'message-batch-resource', body: 'none' }],
  [
    'GET',
    '/v1/models',
    { operation: 'list-models', family: 'openai', dialect: 'openai', upstreamPath: '/models' },
  ],
  [
    'GET',
    '/v1/models',
    { family: 'anthropic', dialect: 'anthropic-messages', upstreamPath: '/v1/models' },
    anthropic,
  ],
  ['GET', '/v1/models', { family: 'gemini', dialect: 'gemini', upstreamPath: '/v1/models' }, google],
  ['GET', '/v1/models', { family: 'gemini' }, { 'x-goog-api-client': 'google-genai-sdk/3.1.0' }],
  ['GET', '/v1beta/models', { family: 'gemini', upstreamPath: '/v1beta/models' }],
  [
    'GET',
    '/v1/models/gpt-4.1',
    { operation: 'get-model', model: 'gpt-4.1', upstreamPath: '/models/{model}' },
  ],
  ['GET', '/v1/models/openai/gpt-4.1', { model: 'openai/gpt-4.1' }],
  ['GET', '/v1/models/openai%2Fgpt-4.1', { model: 'openai/gpt-4.1' }],
  ['GET', '/v1/models/llama3:8b', { operation: 'get-model', model: 'llama3:8b' }],
  ['GET', '/v1/models/accounts%2Ffw%2Fmodels%2Fx', { model: 'accounts/fw/models/x' }],
  ['GET', '/v1/models/mod%C3%A8le', { model: 'modèle' }],
  ['GET', '/v1/models/claude-x', { model: 'claude-x', upstreamPath: '/v1/models/{model}' }, anthropic],
  [
    'GET',
    '/v1beta/models/gemini-2.5-pro',
    { operation: 'get-model', family: 'gemini', model: 'gemini-2.5-pro' },
  ],
  [
    'POST',
    '/v1beta/models/gemini-2.5-pro:generateContent',
    {
      operation: 'generate-content',
      dialect: 'gemini',
      model: 'gemini-2.5-pro',
      streams: false,
      upstreamPath: '/v1beta/models/{model}:generateContent',
    },
  ],
  [
    'POST',
    '/v1/models/g:streamGenerateContent',
    { streams: true, upstreamPath: '/v1/models/{model}:streamGenerateContent' },
  ],
  ['POST', '/v1/models/g:countTokens', { operation: 'count-tokens', model: 'g' }],
  ['POST', '/v1/models/g:embedContent', { operation: 'embed-content', body: 'json' }],
  ['POST', '/v1/models/g:batchEmbedContents', { operation: 'embed-content' }],
  ['POST', '/v1/models/google/gemini%2Fx:generateContent', { model: 'google/gemini/x' }],
  ['POST', '/v1/models/llama3:8b:generateContent', { model: 'llama3:8b' }],
  ['POST', '/v1beta/tunedModels/mine:generateContent', { model: 'tunedModels/mine' }],
  [
    'POST',
    '/v1beta1/publishers/google/models/gemini-2.5-pro:generateContent',
    { model: 'gemini-2.5-pro', upstreamPath: '/v1beta/models/{model}:generateContent' },
  ],
  ['POST', '/v1/projects/p/locations/l/publishers/google/models/g:countTokens', { model: 'g', prefix: '' }],
  ['POST', '/v1/publishers/meta/models/llama:generateContent', { model: 'meta/llama' }],
  ['GET', '/v1beta1/publishers/google/models/g', { operation: 'get-model', model: 'g', family: 'gemini' }],
];

describe('known endpoints', () => {
  it.each<Row>([...endpoints])('%s %s', (method, path, expected, headers = none) => {
    expect(matchEndpoint(method, path, headers)).toMatchObject({ prefix: '', ...expected });
  });

  it.each<Row>([...endpoints])(
    '%s %s is the same below a mount prefix and below a doubled version',
    (method, path, _, headers = none) => {
      const bare = matchEndpoint(method, path, headers);
      if (path.startsWith('/v2')) return;
      for (const prefix of ['/ai', '/team/a-b_c.d~e/v2', '/v1', '/chat', '/models', '/MixedCase']) {
        expect(matchEndpoint(method, prefix + path, headers)).toEqual({ ...(bare as Endpoint), prefix });
      }
    },
  );

  it.each([
    ['POST', '/openai/chat/completions', { operation: 'chat', prefix: '/openai' }],
    ['POST', '/chat/completions', { operation: 'chat', prefix: '' }],
    ['POST', '/a/b/c/embeddings', { operation: 'embedding', prefix: '/a/b/c' }],
    ['POST', '/v1beta/openai/chat/completions', { operation: 'chat', prefix: '/v1beta/openai' }],
    [
      'GET',
      '/v1beta/openai/models',
      { operation: 'list-models', family: 'openai', prefix: '/v1beta/openai' },
    ],
    ['GET', '/models', { operation: 'list-models', prefix: '' }],
    ['GET', '/openai/models/acme/fast', { operation: 'get-model', model: 'acme/fast', prefix: '/openai' }],
    ['GET', '/openai/models/acme/embeddings', { operation: 'get-model', model: 'acme/embeddings' }],
    ['POST', '/responses/compact', { operation: 'response', prefix: '' }],
    ['POST', '/openai/responses/resp_1/cancel', { operation: 'response-resource', prefix: '/openai' }],
  ] as const)('%s %s works without a version', (method, path, expected) => {
    expect(matchEndpoint(method, path, none)).toMatchObject(expected);
  });

  it.each(['', '/'])('GET and HEAD of %j are the health check, nothing else is', (path) => {
    expect(matchEndpoint('GET', path, none)).toBe('health');
    expect(matchEndpoint('HEAD', path, none)).toBe('health');
    expect(refusalOf('POST', path)).toMatchObject({ status: 405, allow: 'GET, HEAD' });
  });
});

describe('methods', () => {
  it.each([
    ['GET', '/v1/chat/completions', 'POST', 'openai'],
    ['GET', '/ai/v1/messages', 'POST', 'anthropic'],
    ['PUT', '/v1/messages/batches', 'POST, GET', 'anthropic'],
    ['PATCH', '/v1/responses/resp_1', 'GET, DELETE', 'openai'],
    ['GET', '/v1/responses/compact', 'POST', 'openai'],
    ['POST', '/v1/models', 'GET', 'openai'],
    ['DELETE', '/v1/models/x', 'GET', 'openai'],
    ['GET', '/v1/models/x:generateContent', 'POST', 'gemini'],
    ['HEAD', '/v1/models', 'GET', 'openai'],
    ['constructor', '/v1/chat/completions', 'POST', 'openai'],
    ['__proto__', '/v1/chat/completions', 'POST', 'openai'],
    ['post', '/v1/chat/completions', 'POST', 'openai'],
  ])('%s %s is refused with 405 and what is allowed', (method, path, allow, family) => {
    expect(refusalOf(method, path)).toMatchObject({ code: 'method_not_allowed', status: 405, allow, family });
  });
});

describe('unknown paths', () => {
  it.each([
    '/v1',
    '/v1beta',
    '/v1/',
    '/nope',
    '/v1/nope',
    '/v1/chat',
    '/v1/chat/completions/x',
    '/messages',
    '/v1beta/messages',
    '/v1beta/chat/completions/x',
    '/v1/messages/batches/b_1/nope',
    '/v1/messages/batches/b_1/results/x',
    '/v1/messages/batches/b%201',
    '/v1/responses/resp_1/nope',
    '/v1/responses/resp%2F1',
    '/v1/responses/re.sp',
    `/v1/responses/${'a'.repeat(257)}`,
    '/v1/models/x/v1',
    '/models/x:generateContent/v1/y',
    '/constructor',
    '/v1/__proto__',
    '/v1/projects/p%2fq/locations/l/publishers/google/models/g:countTokens',
    '/v1/toString',
  ])('%s is not a route for POST', (path) => {
    const refusal = refusalOf('POST', path);
    expect(refusal.accepted).toBeUndefined();
    expect([400, 404, 405]).toContain(refusal.status);
  });

  it.each([
    `/v1/responses/${'a'.repeat(257)}`,
    `/v1/messages/batches/${'a'.repeat(257)}`,
    '/V1/models/x',
    '/V1/responses/resp_1',
    '/Chat/models/x',
    '/messages/models/x',
    '/audio/responses/resp_1',
  ])('%s is not a route for GET', (path) => {
    expect(refusalOf('GET', path)).toMatchObject({ code: 'unknown_endpoint', status: 404 });
  });

  it.each([
    ['/x/../y', 'has a dot segment'],
    ['/x/%2e%2E/y', 'has a dot segment'],
    ['/x/.%2e', 'has a dot segment'],
    ['/x./y', 'has a segment that ends in a dot'],
    ['/x//y', 'has an empty segment'],
    ['/v1/chat/completions/', 'ends in a slash'],
    ['/x;y', 'has a character that must not stand there'],
    ['/x\\y', 'has a character that must not stand there'],
    ['/x%0a', 'has a percent escape that is not allowed'],
    ['/x%2', 'has a percent escape that is not allowed'],
    ['http://x/y', 'does not start with a slash'],
    [`/${'x'.repeat(4_096)}`, 'is longer than 4096 characters'],
  ])('%s is refused as malformed, with the reason', (path, reason) => {
    const refusal = refusalOf('POST', path);
    expect(refusal).toMatchObject({ code: 'malformed_request', status: 400 });
    expect(refusal.message).toContain(reason);
  });

  it('are named in the message, shortened and escaped', () => {
    const { message, code, status } = refusalOf('POST', '/nope/"x"'.replaceAll('"', '%22'));
    expect([code, status]).toEqual(['unknown_endpoint', 404]);
    expect(message).toContain('"/nope/%22x%22"');
    expect(message).toContain('base URL');
    const long = refusalOf('POST', `/${'n'.repeat(3_000)}`).message ?? '';
    expect(long.length).toBeLessThan(350);
    const odd = refusalOf('POST', '/\n\r\u0000\u2028é"\\\ud800').message ?? '';
    expect(odd).toMatch(/^[ -~]+$/);
    expect(odd).toContain('\\u000a');
  });

  it('are refused to the family of whoever asks', () => {
    expect(refusalOf('POST', '/nope').family).toBe('openai');
    expect(refusalOf('POST', '/nope', anthropic).family).toBe('anthropic');
    expect(refusalOf('POST', '/nope', google).family).toBe('gemini');
    expect(refusalOf('POST', '/anthropic/nope').family).toBe('anthropic');
    expect(refusalOf('POST', '/v1/messages/nope').family).toBe('anthropic');
    expect(refusalOf('POST', '/v1beta/nope').family).toBe('gemini');
    expect(refusalOf('POST', '/v1/models/x:generateContents').family).toBe('gemini');
    expect(familyOf(anthropic, '/v1beta/models')).toBe('anthropic');
  });
});

/** Ways to spell a path that some server, proxy or framework would take for another. */
const tricks: readonly string[] = [
  '//v1/chat/completions',
  '/v1//chat/completions',
  '/v1/chat//completions',
  '/v1/chat/completions/',
  '/v1/chat/completions//',
  '/\\v1/chat/completions',
  '/v1\\chat\\completions',
  '/v1/chat\\completions',
  '/./v1/chat/completions',
  '/v1/./chat/completions',
  '/x/../v1/chat/completions',
  '/v1/chat/../chat/completions',
  '/%2e/v1/chat/completions',
  '/%2e%2e/v1/chat/completions',
  '/%2E%2e/v1/chat/completions',
  '/.%2e/v1/chat/completions',
  '/v1/%2e%2e/chat/completions',
  '/v1/chat/%2e/completions',
  '/.../v1/chat/completions',
  '/v1/chat/completions;x=1',
  '/v1;x=1/chat/completions',
  '/v1/chat;/completions',
  '/v1%2fchat/completions',
  '/v1/chat%2fcompletions',
  '/v1/chat%2Fcompletions',
  '/v1%2Fchat%2Fcompletions',
  '/a%2fb/v1/chat/completions',
  '/a%20b/v1/chat/completions',
  '/v1/chat%5ccompletions',
  '/V1/chat/completions',
  '/v1/Chat/completions',
  '/v1/chat/Completions',
  '/V1/CHAT/COMPLETIONS',
  '/ai/V1/embeddings',
  '/v1/audio/completions',
  '/v1/messages/completions',
  '/v1/chat/completions.',
  '/v1./chat/completions',
  '/v1/chat./completions',
  '/v1/chat/completions%2e',
  '/v1/chat/completions%00',
  '/v1/chat/completions%20',
  '/v1/chat/completions%0d%0a',
  '/v1/chat/completions\u0000',
  '/v1/chat/completions\t',
  '/v1/chat/completions ',
  ' /v1/chat/completions',
  '/v1/chat/completions\u007f',
  '/v1/chat/completions\u0085',
  '/v1/chat/comple\u0442ions',
  '/v1/ch\u00e1t/completions',
  '/v1/chat/completions?x',
  '/v1/chat/completions#x',
  '/v1/chat/completions%',
  '/v1/chat/completions%2',
  '/v1/chat/completions%zz',
  '/v1/%63hat/completions',
  '/%761/chat/completions',
  '/v1/chat/%63ompletions',
  'http://gateway.test/v1/chat/completions',
  'https://gateway.test/v1/chat/completions',
  'gateway.test:443',
  '*',
  'v1/chat/completions',
  '?',
  `/${'a'.repeat(4_096)}/v1/chat/completions`,
];

/** The same for ids, which may be encoded. */
const idTricks: readonly string[] = [
  '..',
  '.',
  '%2e%2e',
  '%2E',
  'a%2f..%2fb',
  'a%2f%2e%2e%2fb',
  '..%2fb',
  'a%2f',
  '%2fa',
  'a%2f%2fb',
  'a%252fb',
  'a%252e%252e',
  'a%25',
  'a%00b',
  'a%0ab',
  'a%0d%0ab',
  'a%7fb',
  'a%c2%85b',
  'a%20b',
  'a%c2%a0b',
  'a%e2%80%aeb',
  'a%e2%80%8bb',
  'a%ff',
  'a%c0%af',
  'a%ed%a0%80',
  'a%5cb',
  'a%3fb',
  'a%23b',
  'a%3bb',
  'a%2e',
  'a%',
  'a%4',
  'a/',
  'a//b',
  'a/../b',
  'a;b',
];

describe('adversarial paths', () => {
  it.each(tricks)('%j is refused whatever the method', (path) => {
    for (const method of ['POST', 'GET', 'HEAD', 'DELETE']) {
      const refusal = refusalOf(method, path);
      expect(refusal.accepted).toBeUndefined();
      expect([400, 404]).toContain(refusal.status);
    }
  });

  it.each(idTricks)('the model id %j is refused wherever it stands', (id) => {
    const rows: [string, string][] = [
      ['GET', `/v1/models/${id}`],
      ['GET', `/openai/models/${id}`],
      ['POST', `/v1beta/models/${id}:generateContent`],
      ['POST', `/v1beta/tunedModels/${id}:generateContent`],
      ['POST', `/v1beta1/publishers/google/models/${id}:generateContent`],
      ['GET', `/v1/responses/${id}`],
      ['GET', `/v1/messages/batches/${id}/results`],
    ];
    for (const [method, path] of rows) {
      // a slash, raw or encoded, may turn the rest into a verb of its own: whatever it is then, it is no such id
      expect([path, refusalOf(method, path).accepted]).toEqual([path, undefined]);
    }
  });

  it('never throws, and never accepts what is not in normal form', () => {
    const odd = [
      'V1',
      '.',
      '..',
      '%2e',
      '%2E%2e',
      '%2f',
      '%5c',
      '%00',
      '\\',
      ';',
      '',
      ' ',
      'é',
      '%',
      '/',
      '//',
      '/../',
    ];
    const piece = fc.constantFrom(
      'v1',
      'chat',
      'completions',
      'models',
      'batches',
      'x:countTokens',
      'ai',
      ...odd,
    );
    const built = fc.array(piece, { maxLength: 8 }).map((segments) => `/${segments.join('/')}`);
    // a good path with something put into it, which leaves it good only here and there
    const known = fc.constantFrom(...endpoints.map(([, good]) => good));
    const mutated = fc
      .tuple(known, fc.constantFrom('', 'a', '/a', ...odd), fc.nat(60))
      .map(([good, insert, at]) => good.slice(0, at) + insert + good.slice(at));
    const path = fc.oneof(mutated, built, fc.string({ unit: 'binary' }));
    const method = fc.oneof(fc.constantFrom('GET', 'POST', 'DELETE', 'HEAD'), fc.string());
    const headers = fc.constantFrom(none, anthropic, google);
    let accepted = 0;
    fc.assert(
      fc.property(method, path, headers, (verb, raw, fields) => {
        const match = matchEndpoint(verb, raw, fields);
        if (match === 'health') {
          expect(['', '/']).toContain(raw);
          return;
        }
        if ('refused' in match) {
          expect(isGatewayError(match.refused)).toBe(true);
          return;
        }
        accepted++;
        expect(raw).toMatch(/^(?:\/[!-~]+)+$/);
        expect(raw).not.toMatch(/\\|;|\/\/|\/$|%(?![0-9A-Fa-f]{2})|%[01]|%5c/i);
        const decoded = decodeURIComponent(raw);
        for (const segment of decoded.split('/').slice(1)) expect(segment).not.toMatch(/^\.*$/);
        expect(decoded.startsWith(match.prefix)).toBe(true);
        expect(match.prefix).not.toContain('%');
        if (match.model !== undefined)
          expect(decoded).toContain(match.model.replace(/^(?!tunedModels).*\//, ''));
      }),
      { numRuns: 3_000 },
    );
    expect(accepted).toBeGreaterThan(20);
  });

  it('decides about the longest paths, however they repeat themselves', () => {
    // 2,000 decisions: a matcher that is quadratic in the length does not get through within the time limit of a test
    for (const shape of [
      '/v1',
      '/models',
      '/responses',
      '/v1/models',
      '/a',
      '/.a',
      '/%41',
      ':',
      '/projects/a',
    ]) {
      const path = `/v1/models/${shape.repeat(4_000 / shape.length)}`;
      for (let count = 0; count < 200; count++)
        expect(matchEndpoint('PUT', path, none)).toHaveProperty('refused');
    }
  });
});
