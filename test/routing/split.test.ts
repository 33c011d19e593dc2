import { describe, expect, it } from 'vitest';
import { createRendezvous } from '../../src/routing/rendezvous.ts';
import { createRoundRobin } from '../../src/routing/round-robin.ts';
import { type Asked, base, startRouter, withRoutes } from './context.ts';

const share = (targets: readonly (string | undefined)[], name: string) =>
  targets.filter((target) => target === name).length / targets.length;
const times = <Result>(count: number, make: (index: number) => Result) =>
  Array.from({ length: count }, (_, index) => make(index));
const inSession = (index: number): Asked => ({ headers: { 'x-headgate-session': `session-${index}` } });
const seventyThirty = [
  { provider: 'openai', weight: 70 },
  { provider: 'azure', weight: 30 },
];

const canary = {
  name: 'canary',
  targets: [
    { provider: 'openai', weight: 95, arm: 'stable' },
    { provider: 'openai', model: 'gpt-5', weight: 5, arm: 'canary' },
  ],
};
const tiers = [{ targets: ['openai'] }, { targets: ['openai/gpt-5'] }];

describe('requests that stick to nothing', () => {
  it('are split exactly by weight over every window, and not in runs', () => {
    const { targets } = startRouter(withRoutes([{ name: 'split', targets: seventyThirty }]));
    const firsts = times(10_000, () => targets()[0]);
    expect(share(firsts, 'openai/gpt-4.1')).toBe(0.7);
    for (let from = 0; from < 200; from += 7) {
      expect(share(firsts.slice(from, from + 10), 'openai/gpt-4.1')).toBe(0.7);
    }
    expect(firsts.join()).not.toContain('azure/gpt-4.1,azure/gpt-4.1');
  });

  it('have the other targets behind the first, and those of weight 0 last', () => {
    const { targets } = startRouter(
      withRoutes([{ name: 'split', targets: [{ provider: 'local', weight: 0 }, ...seventyThirty] }]),
    );
    for (const order of times(50, () => targets())) {
      expect(order).toHaveLength(3);
      expect(order[2]).toBe('local/gpt-4.1');
    }
  });

  it('take turns for each route apart, and looking takes none', () => {
    const routes = ['one', 'two'].map((name) => ({
      name,
      match: { metadata: { to: name } },
      targets: ['openai', 'azure'],
    }));
    const { targets, trace } = startRouter(withRoutes(routes));
    const order = times(8, (index) => {
      trace({ metadata: { to: 'one' } });
      return targets({ metadata: { to: index % 2 ? 'two' : 'one' } })[0];
    });
    expect(order.map((target) => target?.split('/')[0])).toEqual([
      'openai',
      'openai',
      'azure',
      'azure',
      'openai',
      'openai',
      'azure',
      'azure',
    ]);
  });
});

describe('requests of a session', () => {
  const started = () => startRouter(withRoutes([{ name: 'split', targets: seventyThirty }]));

  it('all go to one target, and sessions are split by weight', () => {
    const { targets } = started();
    const firsts = times(10_000, (index) => targets(inSession(index))[0]);
    expect(Math.abs(share(firsts, 'openai/gpt-4.1') - 0.7)).toBeLessThan(0.01);
    expect(times(10_000, (index) => targets(inSession(index))[0])).toEqual(firsts);
  });

  it('stay when the gateway is another one, or the configuration is read anew', () => {
    const [one, other] = [started(), started()];
    const kept = times(
      1_000,
      (index) => one.targets(inSession(index))[0] === other.targets(inSession(index))[0],
    );
    expect(kept.every(Boolean)).toBe(true);
  });

  it('move only as far as weights change, and nowhere but to what grew', () => {
    const before = started();
    const after = startRouter(
      withRoutes([
        {
          name: 'split',
          targets: [
            { provider: 'openai', weight: 80 },
            { provider: 'azure', weight: 30 },
          ],
        },
      ]),
    );
    let moved = 0;
    for (let index = 0; index < 10_000; index++) {
      const [from, to] = [before.targets(inSession(index))[0], after.targets(inSession(index))[0]];
      if (from === to) continue;
      moved++;
      expect(to).toBe('openai/gpt-4.1');
    }
    // 80 of 110 in place of 70 of 100
    expect(moved / 10_000).toBeCloseTo(80 / 110 - 0.7, 1.5);
    expect(moved / 10_000).toBeLessThan(0.04);
  });

  it('go on to the same second target when the first fails', () => {
    const { targets } = startRouter(withRoutes([{ name: 'split', targets: ['openai', 'azure', 'local'] }]));
    for (let index = 0; index < 100; index++) {
      expect(targets(inSession(index))).toEqual(targets(inSession(index)));
    }
  });
});

describe('rendezvous hashing', () => {
  it('moves at most its share to one that is added, wherever it is put, and nothing between the others', () => {
    for (let count = 2; count <= 8; count++) {
      const all = times(count, (index) => ({ name: `target ${index}`, weight: 1 }));
      const before = createRendezvous(all);
      const after = createRendezvous([{ name: 'new', weight: 1 }, ...all]);
      let moved = 0;
      for (let index = 0; index < 10_000; index++) {
        const from = before.order(`text ${index}`)[0] as number;
        const to = after.order(`text ${index}`)[0] as number;
        if (to === from + 1) continue;
        expect(to).toBe(0);
        moved++;
      }
      expect(moved / 10_000).toBeLessThanOrEqual(1 / count);
      expect(Math.abs(moved / 10_000 - 1 / (count + 1))).toBeLessThan(0.015);
    }
  });

  it('gives a removed one’s texts to those that had them second', () => {
    const all = times(5, (index) => ({ name: `target ${index}`, weight: index + 1 }));
    const before = createRendezvous(all);
    const after = createRendezvous(all.slice(0, 4));
    for (let index = 0; index < 1_000; index++) {
      expect(after.order(`text ${index}`)).toEqual(
        before.order(`text ${index}`).filter((place) => place < 4),
      );
    }
  });

  it('gives weight 0 nothing, also when there is nothing else', () => {
    const hashed = createRendezvous([
      { name: 'a', weight: 0 },
      { name: 'b', weight: 1 },
    ]);
    for (let index = 0; index < 100; index++) expect(hashed.order(`${index}`)).toEqual([1, 0]);
    expect(
      createRendezvous([
        { name: 'a', weight: 0 },
        { name: 'b', weight: 0 },
      ]).order('x'),
    ).toEqual([0, 1]);
  });
});

describe('taking turns', () => {
  it('is exact over any window, for any weights', () => {
    for (const weights of [[1], [5, 1, 1], [1, 2, 3, 4], [0.5, 0.25, 0.25], [0, 3, 0]]) {
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      const turns = createRoundRobin(weights);
      const window = Math.round((total / Math.min(...weights.filter((weight) => weight > 0))) * 12);
      const counts = weights.map(() => 0);
      for (let turn = 0; turn < window; turn++) {
        const first = turns.next()[0] as number;
        counts[first] = (counts[first] ?? 0) + 1;
      }
      expect(counts).toEqual(weights.map((weight) => (weight / total) * window));
    }
    expect(createRoundRobin([0, 0]).next()).toEqual([0, 1]);
  });
});

describe('what a request sticks to', () => {
  const long = 'A system prompt that is long enough to be worth caching. '.repeat(200);
  const conversation = (first: string, more: object[] = []): Asked => ({
    body: {
      model: 'gpt-4.1',
      messages: [{ role: 'system', content: long }, { role: 'user', content: first }, ...more],
    },
  });
  const anthropic = (body: object): Asked => ({
    path: '/v1/messages',
    headers: { 'anthropic-version': '2023-06-01' },
    body: { model: 'claude-sonnet', max_tokens: 9, messages: [{ role: 'user', content: 'hello' }], ...body },
  });
  const three = [
    { provider: 'anthropic', model: 'a' },
    { provider: 'anthropic', model: 'b' },
    { provider: 'anthropic', model: 'c' },
    'openai',
    'azure',
    'local',
  ];
  const start = (sticky?: object) =>
    startRouter(withRoutes([{ name: 'split', targets: three, ...sticky }] as never));

  /** Whether requests all go where the first one goes, which turns would not give them. */
  const together = (asked: readonly Asked[], sticky?: object) => {
    const { targets } = start(sticky);
    return new Set(asked.flatMap((one) => times(3, () => targets(one)[0]))).size === 1;
  };

  const uuid = '0b8c6f0e-1111-2222-3333-444455556666';
  const signs: readonly [string, readonly Asked[]][] = [
    [
      'a header of ours',
      [{ headers: { 'x-headgate-session': 's' } }, conversation('x', [])].map((one) => ({
        ...one,
        headers: { 'x-headgate-session': 's' },
      })),
    ],
    ['an agent run', [{ headers: { 'x-headgate-run': 'r' } }]],
    ['Claude Code’s header', [{ headers: { 'x-claude-code-session-id': uuid } }]],
    ['Codex’s header', [{ headers: { session_id: uuid } }]],
    [
      'the session in Claude Code’s user',
      [anthropic({ metadata: { user_id: JSON.stringify({ device_id: 'd', session_id: uuid }) } })],
    ],
    [
      'the session in its older spelling',
      [anthropic({ metadata: { user_id: `user_abc_account__session_${uuid}` } })],
    ],
    [
      'a conversation of OpenAI’s',
      [
        { path: '/v1/responses', body: { model: 'gpt-4.1', input: 'x', conversation: { id: 'conv_1' } } },
        { path: '/v1/responses', body: { model: 'gpt-4.1', input: 'y', conversation: 'conv_1' } },
      ],
    ],
    [
      'a key of the prompt’s cache',
      [
        { body: { model: 'gpt-4.1', prompt_cache_key: 'k', messages: [] } },
        { body: { model: 'gpt-4.1', prompt_cache_key: 'k', messages: [{ role: 'user', content: 'x' }] } },
      ],
    ],
    [
      'how a long conversation begins, as it goes on',
      [
        conversation('first'),
        conversation('first', [
          { role: 'assistant', content: 'a' },
          { role: 'user', content: 'more' },
        ]),
      ],
    ],
    [
      'how it begins, with marks for the cache that move on',
      [
        anthropic({
          system: long,
          messages: [
            { role: 'user', content: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }] },
          ],
        }),
        anthropic({
          system: long,
          messages: [
            { role: 'user', content: [{ type: 'text', text: 'x' }] },
            { role: 'assistant', content: 'y' },
            { role: 'user', content: [{ type: 'text', text: 'z', cache_control: { type: 'ephemeral' } }] },
          ],
        }),
      ],
    ],
  ];
  for (const [what, asked] of signs) {
    it(`is ${what}`, () => {
      expect(together(asked)).toBe(true);
      expect(together(asked, { sticky: false })).toBe(false);
    });
  }

  it.each([900, 940, 950, 960, 970, 1_000, 5_000])(
    'is how it begins whether a mark for the cache stands behind its %i letters or not',
    (length) => {
      const text = 'The fox. '.repeat(length).slice(0, length);
      const marked = { type: 'text', text, cache_control: { type: 'ephemeral', ttl: '1h' } };
      const system = long;
      const first = (content: object) =>
        anthropic({ system, messages: [{ role: 'user', content: [content] }] });
      expect(together([first(marked), first({ type: 'text', text })])).toBe(true);
      expect(together(times(20, (index) => first({ type: 'text', text: `${index} ${text}` })))).toBe(false);
    },
  );

  it('is split by weight by how prompts begin, and stays as they go on', () => {
    const { targets } = startRouter(withRoutes([{ name: 'split', targets: seventyThirty }]));
    const firsts = times(10_000, (index) => targets(conversation(`question ${index}`))[0]);
    expect(Math.abs(share(firsts, 'openai/gpt-4.1') - 0.7)).toBeLessThan(0.01);
    const later = times(1_000, (index) => {
      const more = [
        { role: 'assistant', content: 'a' },
        { role: 'user', content: 'more' },
      ];
      return targets(conversation(`question ${index}`, more))[0];
    });
    expect(later).toEqual(firsts.slice(0, 1_000));
  });

  it('is nothing for a short prompt, whose cache nobody keeps; and for two conversations not the same', () => {
    expect(together([{}])).toBe(false);
    expect(together(times(20, (index) => conversation(`question ${index}`)))).toBe(false);
  });

  it('is the user or the key where a route says so, the first of them that there is', () => {
    const ada = { principal: { user: 'ada' } };
    expect(together([ada])).toBe(false);
    expect(together([ada], { sticky: ['user', 'key'] })).toBe(true);
    expect(together([{}], { sticky: ['user'] })).toBe(false);
    expect(together([{}], { sticky: ['user', 'key'] })).toBe(true);
    expect(together([inSession(1), ada], { sticky: ['session', 'user'] })).toBe(false);
  });
});

describe('credentials of a provider', () => {
  const credentials = (weights: readonly (number | undefined)[]) => ({
    providers: {
      ...base.providers,
      openai: {
        type: 'openai',
        credentials: weights.map((weight, index) => ({
          id: `c${index}`,
          apiKey: `sk-${index}`,
          ...(weight !== undefined && { weight }),
        })),
      },
    },
  });
  const used = ({ plan }: ReturnType<typeof startRouter>, asked?: Asked) =>
    plan(asked)
      .candidates.filter(({ target }) => target.provider.id === 'openai')
      .map(({ id }) => id.split('#')[1]);

  it('are used in their order where none has a weight', () => {
    const router = startRouter({ ...base, ...credentials([undefined, undefined]) });
    for (let index = 0; index < 10; index++) expect(used(router)).toEqual(['c0', 'c1']);
  });

  it('are split by weight where one has one, without any route; a session stays with one', () => {
    const router = startRouter({ ...base, ...credentials([3, undefined]) });
    expect(
      share(
        times(400, () => used(router)[0]),
        'c0',
      ),
    ).toBe(0.75);
    const firsts = times(2_000, (index) => used(router, inSession(index))[0]);
    expect(Math.abs(share(firsts, 'c0') - 0.75)).toBeLessThan(0.03);
    expect(times(2_000, (index) => used(router, inSession(index))[0])).toEqual(firsts);
  });

  it.each([
    ['of a model', {}],
    ['of a route, a canary', { routes: [canary] }],
    ['in several tiers', { routes: [{ name: 'tiers', tiers }] }],
  ])('are split by weight where several targets %s are at the provider', (_, more) => {
    const models = { 'gpt-4.1': { targets: ['openai', 'openai/gpt-5'] } };
    for (const weights of [
      [1, 1],
      [7, 3],
      [1, 1, 1, 1],
    ]) {
      const router = startRouter({ ...base, models, ...credentials(weights), ...more });
      const firsts = times(100, () => {
        router.trace();
        return used(router)[0];
      });
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      for (const [index, weight] of weights.entries()) {
        expect(share(firsts, `c${index}`), weights.join()).toBe(weight / total);
      }
    }
  });

  it.each(['least-in-flight', 'headroom', 'latency', 'cheapest'] as const)(
    'are split by weight where %s finds no difference',
    (strategy) => {
      const routes = [{ name: 'measured', strategy, targets: ['openai'] }];
      for (const weights of [
        [1, 1],
        [7, 3],
      ]) {
        const router = startRouter({ ...base, ...credentials(weights), routes });
        const firsts = times(100, () => {
          const { id } = router.plan().candidates[0] as { id: string };
          const attempt = router.observations.onStart(id);
          attempt.onFirstToken();
          attempt.onEnd({ ok: true });
          return id;
        });
        const [weight = 0, other = 0] = weights;
        expect(share(firsts, 'openai/gpt-4.1#c0'), weights.join()).toBe(weight / (weight + other));
      }
    },
  );

  it('of one target together have no more turns than another target where nothing makes a difference', () => {
    const routes = [{ name: 'measured', strategy: 'least-in-flight' as const, targets: ['openai', 'azure'] }];
    const { targets } = startRouter({ ...base, ...credentials([1, 1, 1]), routes });
    expect(
      share(
        times(100, () => targets()[0]),
        'azure/gpt-4.1',
      ),
    ).toBe(0.5);
  });
});
