import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchEndpoint } from '../../src/dialects/endpoints.ts';
import { isGatewayError } from '../../src/errors.ts';
import { anthropic, endpoints, google, none, refusalOf } from './endpoint-cases.ts';

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
    const path = fc.oneof({ arbitrary: mutated, weight: 4 }, built, fc.string({ unit: 'binary' }));
    const verbs = fc.constantFrom('GET', 'POST', 'DELETE', 'HEAD');
    const method = fc.oneof({ arbitrary: verbs, weight: 4 }, fc.string());
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
