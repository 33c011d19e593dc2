import { describe, expect, it } from 'vitest';
import { exploreEvery } from '../../src/routing/measured-order.ts';
import { type Asked, base, startRouter, withRoutes } from './context.ts';

const start = (strategy: string, targets: unknown[] = ['openai', 'azure', 'local']) =>
  startRouter(withRoutes([{ name: 'one', targets, strategy }] as never));
type Started = ReturnType<typeof start>;

const idOf = (provider: string) => `${provider}/gpt-4.1#default`;
/** An attempt whose first token takes so long. */
function answer({ observations, runtime }: Started, provider: string, ms: number, ok = true): void {
  const attempt = observations.onStart(idOf(provider));
  runtime.advance(ms);
  if (ok) attempt.onFirstToken();
  attempt.onEnd({ ok });
}
const first = ({ targets }: Started, asked?: Asked) => targets(asked)[0]?.split('/')[0];

describe('the strategy latency', () => {
  it('asks each target once that it knows nothing of, and then the quickest first', () => {
    const started = start('latency');
    expect(first(started)).toBe('openai');
    answer(started, 'openai', 300);
    // by now others are unknown
    expect(new Set([first(started), first(started)])).not.toContain('openai');
    answer(started, 'azure', 100);
    answer(started, 'local', 200);
    expect(started.targets().map((target) => target.split('/')[0])).toEqual(['azure', 'local', 'openai']);
  });

  it('sends no crowd to one that has not answered yet', () => {
    const started = start('latency');
    answer(started, 'openai', 300);
    started.observations.onStart(idOf('azure'));
    started.observations.onStart(idOf('local'));
    expect(first(started)).toBe('openai');
  });

  it('follows what changes: one that becomes slow or fails is left, and one that recovers is found out', () => {
    const started = start('latency', ['openai', 'azure']);
    answer(started, 'openai', 100);
    answer(started, 'azure', 200);
    expect(first(started)).toBe('openai');
    for (let index = 0; index < 5; index++) answer(started, 'openai', 1_000);
    expect(first(started)).toBe('azure');
    answer(started, 'azure', 1, false);
    answer(started, 'azure', 1, false);
    expect(first(started)).toBe('openai');
    // now azure answers at once again, but only a request that explores can tell
    let explored = 0;
    for (let index = 0; index < exploreEvery * 12; index++) {
      const chosen = first(started) as string;
      if (chosen === 'azure') explored++;
      answer(started, chosen, chosen === 'azure' ? 10 : 900);
    }
    expect(explored).toBeGreaterThan(0);
    expect(started.targets()[0]).toBe('azure/gpt-4.1');
  });
});

describe('the strategy least-in-flight', () => {
  it('takes the least busy for its weight, and turns among equals', () => {
    const started = start('least-in-flight', ['openai', { provider: 'azure', weight: 2 }]);
    expect([first(started), first(started), first(started), first(started)].sort()).toEqual([
      'azure',
      'azure',
      'openai',
      'openai',
    ]);
    started.observations.onStart(idOf('openai'));
    expect(first(started)).toBe('azure');
    started.observations.onStart(idOf('azure'));
    expect(first(started)).toBe('azure');
    const busy = started.observations.onStart(idOf('azure'));
    started.observations.onStart(idOf('azure'));
    expect(first(started)).toBe('openai');
    busy.onEnd({ ok: true });
  });
});

describe('the strategy cheapest', () => {
  const targets = [
    { provider: 'openai', price: { input: 2, output: 8 } },
    { provider: 'azure', price: { input: 1, output: 4 }, contextWindow: 1_000 },
    { provider: 'local', price: { input: '0.5', output: 40 } },
  ];

  it('counts what this request would cost at each, and puts those last that it does not fit into', () => {
    const started = start('cheapest', targets);
    expect(first(started)).toBe('azure');
    expect(first(started)).toBe('azure');
    const body = { model: 'gpt-4.1', messages: [{ role: 'user', content: 'word '.repeat(5_000) }] };
    expect(started.targets({ body })).toEqual(['openai/gpt-4.1', 'local/gpt-4.1', 'azure/gpt-4.1']);
    // an embedding has no output: what counts is its input
    expect(first(started, { path: '/v1/embeddings', body: { model: 'gpt-4.1', input: 'x' } })).toBe('local');
  });

  it('knows prices and windows of the catalog where targets say none, and takes what has no price last', () => {
    const started = start('cheapest', ['local/unknown', 'openai/gpt-4.1', 'openai/gpt-mini']);
    // one without a price of its own costs what the model does
    expect(started.targets()[0]).toBe('openai/gpt-mini');
    const body = { model: 'gpt-4.1', messages: [{ role: 'user', content: 'word '.repeat(50_000) }] };
    expect(started.targets({ body }).at(-1)).toBe('openai/gpt-mini');
  });
});

describe('the strategy headroom', () => {
  const told = (remaining: number) => ({
    'x-ratelimit-limit-requests': '100',
    'x-ratelimit-remaining-requests': String(remaining),
    'x-ratelimit-reset-requests': '60s',
  });

  it('takes the target whose rate limit has the most left, until the limit is new', () => {
    const started = start('headroom', ['openai', 'azure']);
    const tell = (provider: string, remaining: number) => {
      const attempt = started.observations.onStart(idOf(provider));
      attempt.onHeaders(200, told(remaining));
      attempt.onEnd({ ok: true });
    };
    tell('openai', 10);
    tell('azure', 60);
    expect(first(started)).toBe('azure');
    // what was sent since counts
    for (let index = 0; index < 55; index++) started.observations.onStart(idOf('azure')).onEnd({ ok: true });
    expect(first(started)).toBe('openai');
    started.runtime.advance(60_000);
    expect(new Set([first(started), first(started)])).toEqual(new Set(['openai', 'azure']));
  });

  it('leaves alone one that has answered 429', () => {
    const started = start('headroom', ['openai', 'azure']);
    started.observations.onStart(idOf('openai')).onHeaders(429, {});
    for (let index = 0; index < 4; index++) expect(first(started)).toBe('azure');
  });
});

describe('a target of weight 0', () => {
  const prices = [
    { input: 1, output: 1 },
    { input: 2, output: 2 },
    { input: 3, output: 3 },
  ];
  const drained = [
    { provider: 'openai', weight: 0, price: prices[0] },
    { provider: 'azure', weight: 100, price: prices[1] },
    { provider: 'local', price: prices[2] },
  ];

  it.each(['weighted', 'order', 'latency', 'least-in-flight', 'cheapest', 'headroom'])(
    'is asked when all others have failed, with %s too',
    (strategy) => {
      const started = start(strategy, drained);
      for (let index = 0; index < exploreEvery * 2; index++) {
        const targets = started.targets().map((target) => target.split('/')[0]);
        expect(targets.slice(0, 2).sort()).toEqual(['azure', 'local']);
        expect(targets[2]).toBe('openai');
        answer(started, targets[0] as string, 100);
      }
    },
  );

  it('is asked before those of the next tier', () => {
    const { targets } = startRouter(
      withRoutes([
        { name: 'one', tiers: [{ targets: drained, strategy: 'cheapest' }, { targets: ['openai/last'] }] },
      ]),
    );
    expect(targets()).toEqual(['azure/gpt-4.1', 'local/gpt-4.1', 'openai/gpt-4.1', 'openai/last']);
  });

  it('takes turns with others of weight 0 where there is nothing else', () => {
    const started = start('least-in-flight', [
      { provider: 'openai', weight: 0 },
      { provider: 'azure', weight: 0 },
    ]);
    expect([first(started), first(started)].sort()).toEqual(['azure', 'openai']);
    started.observations.onStart(idOf('openai'));
    expect([first(started), first(started)]).toEqual(['azure', 'azure']);
  });
});

describe('tiers', () => {
  it('follow one another, whatever each goes by', () => {
    const { targets } = startRouter(
      withRoutes([
        {
          name: 'one',
          tiers: [
            { targets: ['local'] },
            { targets: ['openai', 'azure'], strategy: 'cheapest' },
            { targets: ['openai/last'] },
          ],
        },
      ]),
    );
    expect(targets()).toEqual(['local/gpt-4.1', 'openai/gpt-4.1', 'azure/gpt-4.1', 'openai/last']);
  });

  it('put what a request does not fit into behind all of them', () => {
    const { targets, trace } = startRouter(
      withRoutes([
        {
          name: 'one',
          tiers: [{ targets: [{ provider: 'local', contextWindow: 100 }] }, { targets: ['openai'] }],
        },
      ]),
    );
    const body = { model: 'gpt-4.1', messages: [{ role: 'user', content: 'word '.repeat(500) }] };
    expect(targets()).toEqual(['local/gpt-4.1', 'openai/gpt-4.1']);
    expect(targets({ body })).toEqual(['openai/gpt-4.1', 'local/gpt-4.1']);
    expect(trace({ body }).targets[0]).toMatchObject({
      target: 'local/gpt-4.1#default',
      place: 2,
      reason: expect.stringMatching(
        /^comes last where others fit: its window has 100 tokens, and the input about \d+$/,
      ),
    });
  });

  it('are not said to be last for their windows where no route puts them there', () => {
    const models = { 'gpt-4.1': { targets: [{ provider: 'openai', contextWindow: 100 }, 'azure'] } };
    const { targets, trace } = startRouter({ ...base, models });
    const body = { model: 'gpt-4.1', messages: [{ role: 'user', content: 'word '.repeat(500) }] };
    expect(targets({ body })).toEqual(['openai/gpt-4.1', 'azure/gpt-4.1']);
    expect(trace({ body }).targets.map(({ place, reason }) => [place, reason])).toEqual([
      [1, undefined],
      [2, undefined],
    ]);
  });
});

describe('the targets of a route', () => {
  it('keep the model’s name at a provider that has the model, or take the one that they say', () => {
    const { targets } = startRouter(
      withRoutes([{ name: 'one', tiers: [{ targets: ['azure'] }, { targets: ['local/other'] }] }], {
        models: { 'gpt-4.1': { targets: ['openai', 'azure/deployment-7'] } },
      }),
    );
    expect(targets()).toEqual(['azure/deployment-7', 'local/other']);
  });

  it('may be the model’s own, chosen otherwise', () => {
    const { targets } = startRouter(withRoutes([{ name: 'one', strategy: 'weighted', sticky: false }]));
    expect([targets(), targets()]).toEqual([
      ['openai/gpt-4.1', 'azure/gpt-4.1'],
      ['azure/gpt-4.1', 'openai/gpt-4.1'],
    ]);
  });

  it('of which none speaks the dialect are an error that says what to do', () => {
    const { plan } = startRouter(withRoutes([{ name: 'one', targets: ['anthropic'] }]));
    expect(() => plan()).toThrow(
      /"gpt-4.1" is served by providers that speak anthropic, and this request \(chat\) speaks openai/,
    );
  });

  it('carry the arm of a test, and a canary gets its share', () => {
    const { plan } = startRouter(
      withRoutes([
        {
          name: 'canary',
          targets: [
            { provider: 'openai', weight: 95, arm: 'stable' },
            { provider: 'openai', model: 'gpt-5', weight: 5, arm: 'canary' },
          ],
        },
      ]),
    );
    const arms = Array.from({ length: 1_000 }, () => plan());
    expect(arms.filter(({ arm }) => arm === 'canary')).toHaveLength(50);
    for (const { arm, candidates, route } of arms) {
      expect([arm, route]).toEqual([candidates[0]?.target.arm, 'canary']);
    }
  });
});
