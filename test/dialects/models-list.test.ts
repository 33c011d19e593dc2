import Anthropic from '@anthropic-ai/sdk';
import { describe, expect, it } from 'vitest';
import { type ListedModel, renderModel, renderModelsList } from '../../src/dialects/models-list.ts';
import { isGatewayError } from '../../src/errors.ts';

const models: readonly ListedModel[] = Array.from({ length: 45 }, (_, index) => ({ id: `model-${index}` }));
const list = (family: 'openai' | 'anthropic' | 'gemini', query = '', all = models) =>
  JSON.parse(renderModelsList(family, all, query));
const ids = (page: { data: { id: string }[] }) => page.data.map((model) => model.id);

const full: ListedModel = {
  id: 'acme/fast',
  createdAtMs: Date.UTC(2025, 1, 19),
  ownedBy: 'acme',
  displayName: 'Fast',
  description: 'Quick.',
  maxInputTokens: 200_000,
  maxOutputTokens: 64_000,
};

describe('the models list', () => {
  it('is one list for OpenAI', () => {
    expect(list('openai', 'limit=nonsense', [full, { id: 'b' }])).toEqual({
      object: 'list',
      data: [
        { id: 'acme/fast', object: 'model', created: 1_739_923_200, owned_by: 'acme' },
        { id: 'b', object: 'model', created: 0, owned_by: 'headgate' },
      ],
    });
  });

  it('shows models to Anthropic clients with what is known of them', () => {
    const page = list('anthropic', '', [full, { id: 'b' }]);
    expect(page).toMatchObject({ has_more: false, first_id: 'acme/fast', last_id: 'b' });
    expect(page.data[0]).toMatchObject({
      type: 'model',
      id: 'acme/fast',
      display_name: 'Fast',
      created_at: '2025-02-19T00:00:00.000Z',
      max_input_tokens: 200_000,
      max_tokens: 64_000,
    });
    expect(page.data[1]).toMatchObject({
      display_name: 'b',
      created_at: '1970-01-01T00:00:00.000Z',
      max_tokens: null,
    });
  });

  it('is empty in every shape', () => {
    expect(list('openai', '', [])).toEqual({ object: 'list', data: [] });
    expect(list('anthropic', '', [])).toEqual({ data: [], has_more: false, first_id: null, last_id: null });
    expect(list('gemini', '', [])).toEqual({ models: [] });
  });

  it('goes forward and backward in pages for Anthropic', () => {
    expect(ids(list('anthropic'))).toHaveLength(20);
    expect(list('anthropic')).toMatchObject({ has_more: true, last_id: 'model-19' });
    expect(list('anthropic', 'after_id=model-39')).toMatchObject({
      has_more: false,
      first_id: 'model-40',
      last_id: 'model-44',
    });
    expect(list('anthropic', 'before_id=model-30&limit=5')).toMatchObject({
      has_more: true,
      first_id: 'model-25',
      last_id: 'model-29',
    });
    expect(list('anthropic', 'before_id=model-3')).toMatchObject({ has_more: false, last_id: 'model-2' });
    expect(list('anthropic', 'limit=1000').data).toHaveLength(45);
    expect(list('anthropic', 'after_id=model-44')).toEqual({
      data: [],
      has_more: false,
      first_id: null,
      last_id: null,
    });
  });

  it("is walked to its end by Anthropic's library", async () => {
    const fetch = async (input: unknown) =>
      new Response(renderModelsList('anthropic', models, new URL(String(input)).search.slice(1)), {
        headers: { 'content-type': 'application/json' },
      });
    const client = new Anthropic({ apiKey: 'k', baseURL: 'http://gateway.test', fetch });
    const seen: string[] = [];
    for await (const model of client.models.list({ limit: 7 })) seen.push(model.id);
    expect(seen).toEqual(models.map((model) => model.id));
  });

  it('is walked to its end by page tokens for Gemini', () => {
    const seen: string[] = [];
    let token: string | undefined = '';
    for (let page = 0; token !== undefined && page < 20; page++) {
      const { models: found, nextPageToken } = list(
        'gemini',
        `pageSize=10&pageToken=${encodeURIComponent(token)}`,
      );
      seen.push(...found.map((model: { name: string }) => model.name));
      token = nextPageToken;
    }
    expect(seen).toEqual(models.map((model) => `models/${model.id}`));
  });

  it('takes page sizes for Gemini as Google does', () => {
    expect(list('gemini', 'pageSize=0').models).toHaveLength(45);
    expect(list('gemini', 'pageSize=5000')).not.toHaveProperty('nextPageToken');
  });

  it.each([
    ['anthropic', 'limit=0'],
    ['anthropic', 'limit=1001'],
    ['anthropic', 'limit=-1'],
    ['anthropic', 'limit=1e2'],
    ['anthropic', 'limit=ten'],
    ['anthropic', 'limit=5&limit=6'],
    ['anthropic', 'after_id=nope'],
    ['anthropic', 'before_id=nope'],
    ['anthropic', 'after_id=model-1&before_id=model-3'],
    ['gemini', 'pageSize=-1'],
    ['gemini', 'pageSize=1.5'],
    ['gemini', 'pageToken=nope'],
    ['gemini', `pageToken=${'A'.repeat(5_000)}`],
  ] as const)('refuses %s pages by %s', (family, query) => {
    let thrown: unknown;
    try {
      renderModelsList(family, models, query);
    } catch (error) {
      thrown = error;
    }
    expect(isGatewayError(thrown) && [thrown.code, thrown.status]).toEqual(['malformed_request', 400]);
    expect(isGatewayError(thrown) && thrown.param).toBe(/\w+(?==)/.exec(query.split('&').at(-1)!)?.[0]);
  });
});

describe('one model', () => {
  it('looks as it does in the list', () => {
    expect(JSON.parse(renderModel('openai', full))).toEqual(list('openai', '', [full]).data[0]);
    expect(JSON.parse(renderModel('anthropic', full))).toEqual(list('anthropic', '', [full]).data[0]);
    expect(JSON.parse(renderModel('gemini', full))).toEqual({
      name: 'models/acme/fast',
      displayName: 'Fast',
      description: 'Quick.',
      inputTokenLimit: 200_000,
      outputTokenLimit: 64_000,
    });
  });

  it('keeps the name of a tuned model', () => {
    expect(JSON.parse(renderModel('gemini', { id: 'tunedModels/x' })).name).toBe('tunedModels/x');
  });
});
