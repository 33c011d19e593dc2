import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { clients } from './clients.ts';
import { createSite, type Site } from './harness.ts';
import { expectRelayed, untilEnded } from './relayed.ts';

let site: Site;
beforeAll(async () => {
  site = await createSite();
});
beforeEach(() => site.reset());
afterAll(() => site.close());

describe.each(clients)('$name', ({ path, turn, stream }) => {
  const prefixes = ['', '/v1', '/llm', '/api/ai/gateway'];

  it.each(prefixes)('reaches the provider with "%s" before the path of its documentation', async (prefix) => {
    const setup = { root: site.url + prefix, key: site.key, maxRetries: 0 };
    expect(await turn(setup)).toContain('forty-two.');
    expect(await stream(setup)).toContain('forty-two.');
    await untilEnded(site, 2);
    expect(site.arrivals.every((arrival) => arrival.path.startsWith(`${prefix}/v1`))).toBe(true);
    for (const sent of site.upstream.requests) expect(sent.path.startsWith(path)).toBe(true);
    expect(site.records.map(({ outcome }) => outcome)).toEqual(['complete', 'complete']);
  });
});

describe('openai', () => {
  it('reaches the provider with a base URL that lacks the version', async () => {
    const client = new OpenAI({ baseURL: site.url, apiKey: site.key, maxRetries: 0 });
    await client.chat.completions.create({
      model: 'team-gpt',
      messages: [{ role: 'user', content: 'Hello' }],
    });
    await untilEnded(site, 1);
    expect(site.arrivals[0]?.path).toBe('/chat/completions');
    const path = '/v1/chat/completions';
    await expectRelayed(site, { operation: 'chat', provider: 'openai', model: 'team-gpt', path });
  });

  it('is told 404 in its own words for a path that nobody has', async () => {
    const client = new OpenAI({ baseURL: `${site.url}/v1/chat`, apiKey: site.key, maxRetries: 0 });
    const ask = client.chat.completions.create({
      model: 'team-gpt',
      messages: [{ role: 'user', content: 'Hello' }],
    });
    await expect(ask).rejects.toMatchObject({ status: 404, code: 'unknown_url' });
    expect(site.upstream.requestCount).toBe(0);
  });
});
