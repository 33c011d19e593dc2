import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../../src/dialects/endpoint.ts';
import { matchEndpoint } from '../../src/dialects/endpoints.ts';
import { familyOf } from '../../src/dialects/family.ts';
import { anthropic, endpoints, google, none, type Row, refusalOf } from './endpoint-cases.ts';

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
    ['POST', '/v1/models/x', 'GET', 'openai'],
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
  it.each(['/v1beta/models/gemini-2.5-pro:batchGenerateContent', '/v1beta/models/imagen-4:predict'])(
    'POST %s is none, and no model that is to be read by GET',
    (path) => {
      expect(refusalOf('POST', path)).toMatchObject({ code: 'unknown_endpoint', family: 'gemini' });
    },
  );

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
