import type { LimitUnit } from 'headgate';
import { describe, expect, it } from 'vitest';
import { chat, makeKey, startGateway } from '../harness.ts';
import { anthropic, gemini, limited, message } from './limited-gateway.ts';

describe('a limit is added up', () => {
  const people = {
    ada: makeKey('payments', { owner: 'ada', project: 'checkout' }),
    adaAgain: makeKey('payments', { owner: 'ada', project: 'refunds' }),
    bob: makeKey('payments', { owner: 'bob', project: 'checkout' }),
    carol: makeKey('search', { owner: 'carol', project: 'index' }),
    nobody: makeKey('payments'),
  };

  it.each<
    ['key' | 'user' | 'project' | 'team' | 'organisation', (keyof typeof people)[], (keyof typeof people)[]]
  >([
    ['key', ['ada'], ['adaAgain', 'bob', 'carol', 'nobody']],
    ['user', ['ada', 'adaAgain'], ['bob', 'carol', 'nobody']],
    ['project', ['ada', 'bob'], ['adaAgain', 'carol', 'nobody']],
    ['team', ['ada', 'adaAgain', 'bob', 'nobody'], ['carol']],
    ['organisation', ['ada', 'adaAgain', 'bob', 'carol', 'nobody'], []],
  ])('per %s over the keys that share it and no others', async (per, together, apart) => {
    const { send } = await startGateway((config) => ({
      ...limited({ unit: 'requests', amount: 1, window: '1d', per })(config),
      teams: { payments: { profile: 'standard' }, search: { profile: 'standard' } },
      keys: Object.values(people).map(({ record }) => record),
    }));
    const status = async (who: keyof typeof people) =>
      (await send('/v1/chat/completions', chat(), { key: people[who].key })).status;
    expect(await status('ada')).toBe(200);
    for (const who of together) expect([who, await status(who)]).toEqual([who, 402]);
    for (const who of apart) expect([who, await status(who)]).toEqual([who, 200]);
  });

  it('for each team apart in a profile that two teams share, and by its default where none is said', async () => {
    const { send } = await startGateway((config) => ({
      ...config,
      limits: [{ unit: 'requests', amount: 4, window: '1d' }],
      teams: {
        payments: { profile: 'standard', limits: [{ unit: 'requests', amount: 2, window: '1d' }] },
        search: { profile: 'standard', limits: [{ unit: 'requests', amount: 3, window: '1d' }] },
      },
      keys: Object.values(people).map(({ record }) => record),
    }));
    const status = async (who: keyof typeof people) =>
      (await send('/v1/chat/completions', chat(), { key: people[who].key })).status;
    expect([await status('ada'), await status('bob'), await status('nobody')]).toEqual([200, 200, 402]);
    expect([await status('carol'), await status('carol'), await status('carol')]).toEqual([200, 200, 402]);
  });

  it('over the models that it names, by their public name, whatever alias the caller used', async () => {
    const { send } = await startGateway((config) => ({
      ...config,
      models: { ...config.models, 'gpt-4.1': { targets: ['openai'], aliases: ['gpt-best'] } },
      profiles: {
        standard: { limits: [{ unit: 'requests', amount: 1, window: '1d', models: ['gpt-4*'] }] },
      },
    }));
    const status = async (model: string) => (await send('/v1/chat/completions', chat({ model }))).status;
    expect(await status('gpt-best')).toBe(200);
    expect(await status('gpt-4.1')).toBe(402);
    expect(await status('gpt-best')).toBe(402);
    expect(await status('gpt-alias')).toBe(200);
    expect((await send('/v1/messages', message(), anthropic)).status).toBe(200);
  });

  it.each<LimitUnit>(['requests', 'parallel', 'tokens', 'usd'])(
    'in %s over every endpoint that costs something, streamed or not',
    async (unit) => {
      const limit = unit === 'parallel' ? { unit, amount: 0 } : { unit, amount: 0, window: '1d' };
      const { send, upstream } = await startGateway(limited(limit));
      const calls: [string, unknown, object?][] = [
        ['/v1/chat/completions', chat()],
        ['/v1/chat/completions', chat({ stream: true })],
        ['/v1/responses', { model: 'gpt-4.1', input: 'hello' }],
        ['/v1/embeddings', { model: 'text-embedding-3-small', input: 'hello' }],
        ['/v1/messages', message(), anthropic],
        ['/v1/messages', message({ stream: true }), anthropic],
        ['/v1beta/models/gemini-flash:generateContent', gemini],
        ['/v1beta/models/gemini-flash:streamGenerateContent?alt=sse', gemini],
      ];
      for (const [path, body, more] of calls) {
        const { status } = await send(path, body, more);
        expect([path, status >= 400 && status < 500]).toEqual([path, true]);
      }
      expect(upstream.requests).toHaveLength(0);
    },
  );
});
