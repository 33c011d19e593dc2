import { describe, expect, it } from 'vitest';
import { startGateway } from '../harness.ts';
import { ask, dialects } from './dialects.ts';

describe('where a request goes', () => {
  const elsewhere = 'https://evil.test/v1';
  const fields = [
    'api_base',
    'base_url',
    'baseURL',
    'apiBase',
    'custom_host',
    'callback_url',
    'webhook',
    'url',
    'endpoint',
    'host',
    'proxy',
    'http_proxy',
    'api_key',
    'apiKey',
    'extra_headers',
    'extra_body',
    'provider',
    'custom_llm_provider',
    'target',
    'region',
    'aws_region',
    'vertex_location',
    'deployment_id',
    'organization',
  ];
  const headerNames = [
    'x-forwarded-host',
    'x-forwarded-proto',
    'x-original-url',
    'x-rewrite-url',
    'x-portkey-custom-host',
    'x-api-base',
    'x-base-url',
    'x-headgate-base-url',
    'x-headgate-target',
    'x-host',
    'forwarded',
    'host',
    ':authority',
  ];

  it.each(dialects)(
    'is the configured provider, whatever body, query and headers say: $dialect',
    async (one) => {
      const origins = new Set<string>();
      const pools = new Set<string>();
      const { send } = await startGateway(undefined, {
        egress: {
          async send({ origin, path, pool, headers }) {
            origins.add(origin);
            pools.add(pool);
            expect(path.startsWith('/')).toBe(true);
            expect(path).not.toContain('evil.test/');
            expect(headers.filter((_, index) => index % 2 === 0)).not.toContain('host');
            throw Object.assign(new Error('stop here'), { code: 'ECONNRESET' });
          },
          async close() {},
        },
      });
      const one4all = Object.fromEntries(fields.map((name) => [name, elsewhere]));
      const nested = Object.fromEntries(
        fields.map((name) => [name, { url: elsewhere, base_url: elsewhere }]),
      );
      const query = fields
        .filter((name) => !/key/i.test(name))
        .map((name) => `${name}=${elsewhere}`)
        .join('&');
      const headers = Object.fromEntries(headerNames.map((name) => [name, 'evil.test']));
      for (const [body, more] of [
        [{ ...one.body, ...one4all }, {}],
        [{ ...one.body, ...nested }, {}],
        [{ ...one.body, metadata: one4all, extra_body: one4all }, {}],
        [one.body, { query }],
        [one.body, { headers }],
        [
          { ...one.body, ...one4all },
          { query, headers },
        ],
      ] as const) {
        expect((await ask(send, one, body, more)).status).toBe(502);
      }
      expect([...origins]).toEqual([expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/)]);
      expect(pools.size).toBe(1);
    },
  );

  it('stays below the base URL, whatever the model is called', async () => {
    const paths: string[] = [];
    const { send } = await startGateway(
      (config) => ({ ...config, models: { '*': { targets: ['gemini'] } } }),
      {
        egress: {
          async send({ origin, path }) {
            const { host, pathname } = new URL(path, origin);
            expect(host).toBe(new URL(origin).host);
            paths.push(pathname);
            throw Object.assign(new Error('stop here'), { code: 'ECONNRESET' });
          },
          async close() {},
        },
      },
    );
    const names = [
      '..%2f..%2fadmin',
      '%2e%2e',
      'a%2f..%2f..%2fb',
      '%5c%5cevil.test',
      'a%3fx=1',
      'a%23b',
      'a%0d%0ab',
      '%252e%252e',
      '@evil.test',
      'a;b',
      'a%00',
    ];
    for (const name of names) {
      const reply = await send(`/v1beta/models/${name}:generateContent`, { contents: [] });
      expect([name, reply.status < 500 || reply.status === 502]).toEqual([name, true]);
    }
    for (const path of paths) expect(path).toMatch(/^\/v1beta\/models\/[^/].*:generateContent$/);
    for (const path of paths) expect(path.split('/')).toHaveLength(4);
  });
});
