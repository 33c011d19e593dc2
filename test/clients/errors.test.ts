import { createKey, createRuntime } from 'headgate';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clients, toRejection, toStatus } from './clients.ts';
import { createSite, type Site } from './harness.ts';
import { expectNoKey, untilEnded } from './relayed.ts';

// limits and breakers remember: every test has a gateway of its own
let site: Site;
beforeEach(async () => {
  site = await createSite({ retry: { maxAttempts: 1 } });
});
afterEach(() => site.close());

const lastReply = () => site.arrivals.at(-1)?.reply;

describe.each(clients)('$name: refusals', ({ turn, stream }) => {
  it('is told 401 for a wrong key, once, and nothing reaches the provider', async () => {
    const { key } = createKey(createRuntime());
    const thrown = await toRejection(turn({ root: site.url, key }));
    expect(toStatus(thrown)).toBe(401);
    await untilEnded(site, 1);
    expect(lastReply()?.headers).toMatchObject({
      'x-should-retry': 'false',
      'content-type': 'application/json',
    });
    expect(site.records).toMatchObject([{ outcome: 'refused', status: 401, errorCode: 'invalid_key' }]);
    expect(site.upstream.requestCount).toBe(0);
    expect(String(thrown)).not.toContain(key);
  });

  it.each(['secret-model', 'no-such-model'])(
    'is told 404 for %s, once, generating and streaming',
    async (model) => {
      const setup = { root: site.url, key: site.key, model };
      expect(toStatus(await toRejection(turn(setup)))).toBe(404);
      expect(toStatus(await toRejection(stream(setup)))).toBe(404);
      await untilEnded(site, 2);
      expect(site.records).toMatchObject([
        { outcome: 'refused', status: 404, errorCode: 'model_not_found', requestedModel: model },
        { outcome: 'refused', status: 404, errorCode: 'model_not_found', requestedModel: model },
      ]);
      expect(site.upstream.requestCount).toBe(0);
    },
  );

  it('is told 402 for a spent budget, and asks exactly once', async () => {
    const setup = { root: site.url, key: site.keys.broke };
    site.script = () => ({ text: 'Expensive.', usage: { outputTokens: 1_000_000 } });
    await turn(setup);
    await untilEnded(site, 1);
    const thrown = await toRejection(turn(setup));
    expect(toStatus(thrown)).toBe(402);
    await untilEnded(site, 2);
    expect(site.records[1]).toMatchObject({ outcome: 'refused', errorCode: 'budget_exceeded', attempts: [] });
    expect(lastReply()?.headers['x-should-retry']).toBe('false');
    expect(String((thrown as Error).message)).toMatch(/limit .+ is reached/);
  });
});

describe.each(clients)('$name: outages', ({ family, turn }) => {
  const overloaded = family === 'anthropic' ? 529 : 503;

  it.each([503, 529])(`is told ${overloaded} when the provider answers %i`, async (status) => {
    site.upstream.fail({ kind: 'status', status });
    const thrown = await toRejection(turn({ root: site.url, key: site.key, maxRetries: 0 }));
    expect(toStatus(thrown)).toBe(overloaded);
    await untilEnded(site, 1);
    expect(site.records).toMatchObject([
      { outcome: 'failed', errorCode: 'upstream_overloaded', attempts: [{ failure: `status ${status}` }] },
    ]);
    expect(site.records[0]?.usage).toBeUndefined();
  });

  it('is told 502, not 401, when the provider refuses the gateway itself', async () => {
    site.upstream.fail({ kind: 'status', status: 401, message: 'Incorrect API key provided: sk-up***' });
    const thrown = await toRejection(turn({ root: site.url, key: site.key, maxRetries: 0 }));
    expect(toStatus(thrown)).toBe(502);
    expect(String((thrown as Error).message)).not.toContain('sk-up');
    await untilEnded(site, 1);
    expect(lastReply()?.headers['x-should-retry']).toBe('false');
    expect(site.records[0]).toMatchObject({ outcome: 'failed', errorCode: 'upstream_rejected_credential' });
  });

  it('gets the answer of a second attempt of the gateway without noticing the first', async () => {
    await site.close();
    site = await createSite({ retry: { maxAttempts: 3, minBackoffMs: 1, maxBackoffMs: 2 } });
    site.upstream.fail({ kind: 'status', status: 503 });
    expect(await turn({ root: site.url, key: site.key, maxRetries: 0 })).toContain('forty-two.');
    await untilEnded(site, 1);
    expect(site.records[0]).toMatchObject({
      outcome: 'complete',
      attempts: [{ failure: 'status 503' }, { status: 200 }],
    });
    for (const sent of site.upstream.requests) expectNoKey(site, sent);
  });
});

const obedient = clients.filter(({ retries }) => retries === 'as told');

describe.each(obedient)('$name: advice against trying again', ({ turn }) => {
  it('does not multiply the attempts that the gateway has made already', async () => {
    await site.close();
    site = await createSite({ retry: { maxAttempts: 3, minBackoffMs: 1, maxBackoffMs: 2 } });
    site.upstream.fail({ kind: 'status', status: 500 }, { times: 20 });
    expect(toStatus(await toRejection(turn({ root: site.url, key: site.key })))).toBe(502);
    await untilEnded(site, 1);
    expect(site.upstream.requestCount).toBe(2);
    expect(site.records[0]?.attempts).toHaveLength(2);
  });
});

describe.each(clients)('$name: streams that break', ({ stream }) => {
  const cuts = ['reset', 'fin-mid-chunk', 'clean-end', 'clean-end-close-delimited'] as const;

  it.each(cuts)('throws when the provider breaks off in the middle (%s)', async (how) => {
    site.upstream.fail({ kind: 'cut', how, afterChunks: 3 });
    await toRejection(stream({ root: site.url, key: site.key, maxRetries: 0 }));
    await untilEnded(site, 1);
    expect(site.records[0]).toMatchObject({
      ...{
        outcome: 'failed',
        status: 200,
        stream: true,
        errorCode: expect.stringMatching(/^(stream_|upstream_)/),
      },
      // what was relayed before is not free
      usage: { inputTokens: expect.any(Number), outputTokens: expect.any(Number) },
    });
  });

  it('throws when the provider reports an error in the middle, without its secrets being shown', async () => {
    site.upstream.fail({ kind: 'stream-error', afterChunks: 3 });
    await toRejection(stream({ root: site.url, key: site.key, maxRetries: 0 }));
    await untilEnded(site, 1);
    // what comes together with the first content fails before anything of it went out
    const errorCode = expect.stringMatching(/^upstream_(error|overloaded)$/);
    expect(site.records[0]).toMatchObject({ outcome: 'failed', errorCode });
  });

  it('reads a stream to its end whose characters and line ends arrive cut in two', async () => {
    site.script = () => ({ text: 'Grüße 👋 from the forty-two.' });
    site.upstream.fail({ kind: 'split', everyBytes: 7 });
    const text = await stream({ root: site.url, key: site.key, maxRetries: 0 });
    expect(text).toBe('Grüße 👋 from the forty-two.');
    await untilEnded(site, 1);
    expect(site.records[0]).toMatchObject({ outcome: 'complete', usage: { source: 'reported' } });
  });
});
