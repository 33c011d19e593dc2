import { describe, expect, it } from 'vitest';
import { readJson, startGateway } from '../harness.ts';

describe('a request within a request that names two models', () => {
  it.each([
    [
      '/v1/messages/batches',
      '{"requests":[{"custom_id":"a","params":{"model":"claude-hidden","model":"claude-sonnet","max_tokens":1,"messages":[]}}]}',
    ],
    [
      '/v1beta/models/gemini-flash:batchEmbedContents',
      '{"requests":[{"model":"models/gemini-hidden","model":"models/gemini-flash","content":{}}]}',
    ],
    [
      '/v1beta/models/gemini-flash:countTokens',
      '{"generateContentRequest":{"model":"models/gemini-hidden","model":"models/gemini-flash","contents":[]}}',
    ],
  ])('is refused with 400 at %s', async (path, body) => {
    const errors: unknown[] = [];
    const { send, upstream } = await startGateway(undefined, { onError: (error) => errors.push(error) });
    const reply = await send(path, body, { headers: { 'anthropic-version': '2023-06-01' } });
    expect([reply.status, upstream.requests.length, errors]).toEqual([400, 0, []]);
    expect((await readJson(reply)).error.message).toContain('model');
  });
});
