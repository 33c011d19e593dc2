import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import type { RouteFacts } from '../../src/routing/rules/facts.ts';
import { type Asked, startRouter, withRoutes } from './context.ts';

const claude = { model: 'claude-sonnet', max_tokens: 9, messages: [{ role: 'user', content: 'hello' }] };
const chat = (more: object = {}) => ({
  model: 'gpt-4.1',
  messages: [{ role: 'user', content: 'hello' }],
  ...more,
});
const spent = (percent: number, label = 'team payments: 10 usd per 1d for each team') => ({
  all: [],
  spentPercent: (matches?: (limit: never) => boolean) =>
    !matches || matches({ label, unit: 'usd' } as never) ? percent : 0,
});
const image = {
  role: 'user',
  content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }],
};
const imageTool = {
  type: 'function',
  function: { name: 'f', parameters: { properties: { image_url: { type: 'image' } } } },
};

/** What a route asks, a request that it is for, and one that it is not for. */
const cases: readonly [what: string, match: object, is: Asked, isNot: Asked, why: RegExp][] = [
  [
    'the model',
    { models: ['gpt-4.1'] },
    {},
    { body: chat({ model: 'gpt-mini' }) },
    /^its model is gpt-mini, not gpt-4.1$/,
  ],
  [
    'a pattern of models',
    { models: ['gpt-*'] },
    { body: chat({ model: 'gpt-mini' }) },
    { body: chat({ model: 'llama-3' }) },
    /^its model is llama-3, not gpt-\*$/,
  ],
  [
    'a model that a pattern of the catalog matches',
    { models: ['llama-*'] },
    { body: chat({ model: 'llama-3' }) },
    {},
    /gpt-4.1/,
  ],
  [
    'the team',
    { teams: ['payments'] },
    {},
    { principal: { team: 'berlin' } },
    /^its team is berlin, not payments$/,
  ],
  [
    'the project',
    { projects: ['check*'] },
    { principal: { project: 'checkout' } },
    {},
    /^it has no project, not check\*$/,
  ],
  ['the key', { keys: ['k1', 'k2'] }, {}, { principal: { key: 'k3' } }, /^its key is k3, not k1 or k2$/],
  [
    'the user',
    { users: ['ada'] },
    { principal: { user: 'ada' } },
    { principal: { user: 'adam' } },
    /^its user is adam, not ada$/,
  ],
  [
    'the dialect',
    { dialects: ['openai-chat'] },
    {},
    { path: '/v1/messages', headers: { 'anthropic-version': '2023-06-01' }, body: claude },
    /^its dialect is anthropic-messages, not openai-chat$/,
  ],
  [
    'the operation',
    { operations: ['chat', 'message'] },
    {},
    { path: '/v1/embeddings', body: { model: 'gpt-4.1', input: 'x' } },
    /^its operation is embedding/,
  ],
  [
    'metadata',
    { metadata: { env: ['prod', 'stage-*'] } },
    { metadata: { env: 'stage-2' } },
    { metadata: { env: 'dev' } },
    /^its metadata says env=dev, not prod or stage-\*$/,
  ],
  [
    'metadata that is there at all',
    { metadata: { ticket: '*' } },
    { metadata: { ticket: 'P-1' } },
    { metadata: { tickets: 'x' } },
    /^its metadata says no ticket, not \*$/,
  ],
  [
    'a header',
    { headers: { 'x-tier': 'gold' } },
    { headers: { 'x-tier': 'gold' } },
    { headers: { 'x-tier': 'silver' } },
    /^it has another x-tier, not gold$/,
  ],
  [
    'a header that is repeated',
    { headers: { 'x-tier': 'g*' } },
    { headers: { 'x-tier': ['silver', 'gold'] } },
    {},
    /^it has no header x-tier, not g\*$/,
  ],
  [
    'enough tokens',
    { inputTokens: { min: 500 } },
    { body: chat({ user: 'word '.repeat(2_000) }) },
    {},
    /^its input is about \d+ tokens, not 500 or more$/,
  ],
  [
    'few tokens',
    { inputTokens: { max: 500 } },
    {},
    { body: chat({ user: 'word '.repeat(2_000) }) },
    /not 500 or fewer$/,
  ],
  ['a stream', { stream: true }, { body: chat({ stream: true }) }, {}, /^it is no stream$/],
  ['no stream', { stream: false }, {}, { body: chat({ stream: true }) }, /^it is a stream$/],
  [
    'tools',
    { tools: true },
    { body: chat({ tools: [imageTool] }) },
    { body: chat({ tools: [] }) },
    /^it has no tools$/,
  ],
  [
    'images',
    { images: true },
    { body: chat({ messages: [image] }) },
    {
      body: chat({ tools: [imageTool], messages: [{ role: 'user', content: 'an "image_url" is "image"' }] }),
    },
    /^it has no images$/,
  ],
  ['no images', { images: false }, {}, { body: chat({ messages: [image] }) }, /^it has images$/],
  [
    'a budget that is nearly spent',
    { spent: { atLeastPercent: 80 } },
    { limitStates: spent(80) },
    { limitStates: spent(79.9) },
    /^79 % of its budgets are spent, not 80 %$/,
  ],
  [
    'a limit by its label',
    { spent: { atLeastPercent: 80, limits: ['team payments: 10 usd*'] } },
    { limitStates: spent(90) },
    { limitStates: spent(90, 'key k1: 10 usd per 1d') },
    /^0 % of its limits are spent/,
  ],
  [
    'a function',
    { when: (facts: RouteFacts) => facts.team === 'payments' && facts.stream },
    { body: chat({ stream: true }) },
    {},
    /^its function says no$/,
  ],
  [
    'several things, all of which must hold',
    { models: ['gpt-*'], stream: true, teams: ['payments'] },
    { body: chat({ stream: true }) },
    { body: chat({ stream: true }), principal: { team: 'berlin' } },
    /^its team is berlin/,
  ],
];

describe('a route is chosen by', () => {
  for (const [what, match, is, isNot, why] of cases) {
    it(what, () => {
      const { plan, trace } = startRouter(withRoutes([{ name: 'one', match: match as never }]));
      expect(plan(is).route).toBe('one');
      expect(plan(isNot).route).toBeUndefined();
      expect(trace(is).routes).toEqual([{ route: 'one', matched: true }]);
      expect(trace(isNot).routes).toEqual([
        { route: 'one', matched: false, reason: expect.stringMatching(why) },
      ]);
    });
  }

  it('images as every dialect nests them, and not by what arguments of tools look like', () => {
    const { plan } = startRouter(withRoutes([{ name: 'one', match: { images: true } }]));
    const anthropic = { path: '/v1/messages', headers: { 'anthropic-version': '2023-06-01' } };
    const source = { type: 'base64', media_type: 'image/png', data: 'AAAA' };
    const asked: [Asked, boolean][] = [
      [
        {
          ...anthropic,
          body: { ...claude, messages: [{ role: 'user', content: [{ type: 'image', source }] }] },
        },
        true,
      ],
      [
        {
          ...anthropic,
          body: {
            ...claude,
            messages: [
              {
                role: 'user',
                content: [{ type: 'tool_result', tool_use_id: 'x', content: [{ type: 'image', source }] }],
              },
            ],
          },
        },
        true,
      ],
      [
        {
          ...anthropic,
          body: {
            ...claude,
            messages: [
              {
                role: 'assistant',
                content: [{ type: 'tool_use', id: 'x', name: 'f', input: { type: 'image' } }],
              },
            ],
          },
        },
        false,
      ],
      [
        {
          path: '/v1/responses',
          body: {
            model: 'gpt-4.1',
            input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'https://x.test/a.png' }] }],
          },
        },
        true,
      ],
      [{ path: '/v1/responses', body: { model: 'gpt-4.1', input: 'an image' } }, false],
    ];
    for (const [one, has] of asked)
      expect([one.body, plan(one).route]).toEqual([one.body, has ? 'one' : undefined]);
  });
});

describe('the time of a route', () => {
  const at = (time: object, instant: string) => {
    const runtime = createVirtualRuntime({ now: Date.parse(instant) });
    return (
      startRouter(withRoutes([{ name: 'one', match: { time: time as never } }]), runtime).plan().route ===
      'one'
    );
  };

  it('is a span of some days in a zone, its end no more part of it', () => {
    const office = { days: ['mon', 'fri'], from: '08:00', to: '18:00', timeZone: 'Europe/Berlin' };
    // a Friday in July: two hours ahead of UTC
    expect(at(office, '2026-07-03T05:59:59Z')).toBe(false);
    expect(at(office, '2026-07-03T06:00:00Z')).toBe(true);
    expect(at(office, '2026-07-03T15:59:59Z')).toBe(true);
    expect(at(office, '2026-07-03T16:00:00Z')).toBe(false);
    expect(at(office, '2026-07-04T10:00:00Z')).toBe(false);
    // in January one
    expect(at(office, '2026-01-02T06:30:00Z')).toBe(false);
    expect(at(office, '2026-01-02T07:00:00Z')).toBe(true);
  });

  it('belongs to the day on which it begins when it goes on over midnight', () => {
    const night = { days: ['fri'], from: '22:00', to: '06:00' };
    expect(at(night, '2026-07-03T21:59:00Z')).toBe(false);
    expect(at(night, '2026-07-03T22:00:00Z')).toBe(true);
    expect(at(night, '2026-07-04T05:59:00Z')).toBe(true);
    expect(at(night, '2026-07-04T06:00:00Z')).toBe(false);
    expect(at(night, '2026-07-03T03:00:00Z')).toBe(false);
  });

  it('is whole days where it says no more, up to midnight with 00:00, and changes while a gateway runs', () => {
    expect(at({ days: ['sat'] }, '2026-07-04T23:59:59Z')).toBe(true);
    expect(at({ days: ['sat'] }, '2026-07-05T00:00:00Z')).toBe(false);
    expect(at({ from: '20:00', to: '00:00' }, '2026-07-05T23:59:59Z')).toBe(true);
    const runtime = createVirtualRuntime({ now: Date.parse('2026-07-04T23:59:00Z') });
    const { plan } = startRouter(withRoutes([{ name: 'one', match: { time: { days: ['sat'] } } }]), runtime);
    expect(plan().route).toBe('one');
    runtime.advance(60_000);
    expect(plan().route).toBeUndefined();
  });
});

describe('of several routes', () => {
  it('the first that matches decides, and those that are switched off are not asked', () => {
    const { plan, trace } = startRouter(
      withRoutes([
        { name: 'off', active: false, targets: ['local'] },
        { name: 'streams', match: { stream: true }, targets: ['local'] },
        { name: 'gpt', match: { models: ['gpt-*'] }, targets: ['azure'] },
        { name: 'rest' },
      ]),
    );
    expect(plan().route).toBe('gpt');
    expect(plan({ body: chat({ stream: true }) }).route).toBe('streams');
    expect(plan({ body: chat({ model: 'llama-3' }) }).route).toBe('rest');
    expect(trace().routes).toEqual([
      { route: 'streams', matched: false, reason: 'it is no stream' },
      { route: 'gpt', matched: true },
    ]);
  });

  it('none need match: then the targets of the model serve in their order', () => {
    const { plan, targets } = startRouter(withRoutes([{ name: 'streams', match: { stream: true } }]));
    expect(plan().route).toBeUndefined();
    expect(targets()).toEqual(['openai/gpt-4.1', 'azure/gpt-4.1']);
  });
});

describe('a function of a route', () => {
  const broken: readonly [string, (facts: RouteFacts) => unknown][] = [
    [
      'throws',
      () => {
        throw new Error('boom');
      },
    ],
    ['answers later', async () => true],
    ['rejects', () => Promise.reject(new Error('boom'))],
    ['answers something else', () => 'yes'],
  ];
  for (const [how, when] of broken) {
    it(`that ${how} is no match, is counted and told, and the request goes on`, async () => {
      const unhandled: unknown[] = [];
      const note = (reason: unknown) => unhandled.push(reason);
      process.on('unhandledRejection', note);
      const { plan, router, errors, trace } = startRouter(
        withRoutes([{ name: 'mine', match: { when: when as never } }, { name: 'rest' }]),
      );
      expect(plan().route).toBe('rest');
      expect(plan().route).toBe('rest');
      expect(router.errors.get('mine')).toBe(2);
      expect(errors).toHaveLength(2);
      expect(errors[0]?.message).toBe('The "when" function of the route "mine" failed.');
      expect(trace().routes[0]).toMatchObject({ matched: false, reason: 'its function threw' });
      await new Promise((resolve) => setImmediate(resolve));
      process.off('unhandledRejection', note);
      expect(unhandled).toEqual([]);
    });
  }

  it('is given the facts of the request', () => {
    const seen: RouteFacts[] = [];
    const when = (facts: RouteFacts) => seen.push(facts) > 0;
    const { plan } = startRouter(withRoutes([{ name: 'mine', match: { when: when as never } }]));
    plan({
      metadata: { env: 'prod' },
      principal: { user: 'ada', project: 'checkout' },
      limitStates: spent(33),
    });
    const [facts] = seen;
    expect({
      model: facts?.model,
      team: facts?.team,
      project: facts?.project,
      key: facts?.key,
      user: facts?.user,
      dialect: facts?.dialect,
      operation: facts?.operation,
      metadata: facts?.metadata,
      stream: facts?.stream,
      tools: facts?.tools,
      images: facts?.images,
      spent: facts?.spentPercent(),
    }).toEqual({
      model: 'gpt-4.1',
      team: 'payments',
      project: 'checkout',
      key: 'k1',
      user: 'ada',
      dialect: 'openai-chat',
      operation: 'chat',
      metadata: { env: 'prod' },
      stream: false,
      tools: false,
      images: false,
      spent: 33,
    });
    expect(facts?.inputTokens).toBeGreaterThan(0);
  });
});
