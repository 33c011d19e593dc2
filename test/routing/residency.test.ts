import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { base, startRouter, withRoutes } from './context.ts';

const berlin = { principal: { team: 'berlin' } };

describe('where requests may be handled', () => {
  it('is what the profile permits, without any route', () => {
    const { targets, trace } = startRouter(base);
    expect(targets()).toEqual(['openai/gpt-4.1', 'azure/gpt-4.1']);
    expect(targets(berlin)).toEqual(['azure/gpt-4.1']);
    expect(trace(berlin).targets).toEqual([
      expect.objectContaining({
        target: 'openai/gpt-4.1#default',
        regions: ['us-east'],
        reason: 'lies in us-east, and profiles.european.regions permits eu-*',
      }),
      expect.objectContaining({ target: 'azure/gpt-4.1#default', regions: ['eu-west'], place: 1 }),
    ]);
  });

  it('is what organisation, profile and route all permit', () => {
    const routes = [{ name: 'one', regions: ['us-*', 'eu-west'] }];
    expect(startRouter(withRoutes(routes)).targets(berlin)).toEqual(['azure/gpt-4.1']);
    const organisation = { regions: ['us-east'] };
    const started = startRouter(withRoutes(routes, { organisation }));
    expect(started.targets()).toEqual(['openai/gpt-4.1']);
    expect(() => started.targets(berlin)).toThrow(
      /must be handled in us-east, and in eu-\*, and in us-\* or eu-west, and no target .* is known to lie there/,
    );
  });

  it('is refused before anything leaves when nothing lies there, and what says no region lies nowhere', () => {
    const { plan } = startRouter(base);
    for (const model of ['gpt-mini', 'llama-3']) {
      const asked = { ...berlin, body: { model, messages: [] } };
      expect(() => plan(asked)).toThrow(expect.objectContaining({ code: 'not_permitted', status: 403 }));
    }
  });

  it('is told by the target and by the credential, each for itself, and by the provider where neither does', () => {
    const credentials = [
      { id: 'us', apiKey: 'sk-1', region: 'us-east' },
      { id: 'eu', apiKey: 'sk-2', region: 'eu-west' },
      { id: 'any', apiKey: 'sk-3' },
    ];
    const { plan } = startRouter({
      ...base,
      providers: { ...base.providers, azure: { type: 'openai', credentials, region: 'eu-north' } },
      models: {
        plain: { targets: ['azure'] },
        european: { targets: [{ provider: 'azure', region: 'eu-central' }] },
        american: { targets: [{ provider: 'azure', region: 'us-west' }, 'azure'] },
      },
    });
    const used = (model: string) =>
      plan({ ...berlin, body: { model, messages: [] } }).candidates.map(({ id }) => id);
    expect(used('plain')).toEqual(['azure/plain#eu', 'azure/plain#any']);
    expect(used('european')).toEqual(['azure/european#eu', 'azure/european#any']);
    expect(used('american')).toEqual(['azure/american#eu', 'azure/american#any']);
  });

  it('holds for calls that name no model', () => {
    const { plan } = startRouter(base);
    const resource = { path: '/v1/responses/resp_1/cancel', body: {} };
    expect(plan(resource).candidates[0]?.target.provider.id).toBe('openai');
    expect(() => plan({ ...resource, ...berlin })).toThrow(/must be handled in eu-\*/);
  });
});

describe('whatever the configuration, the strategy and the request', () => {
  it('no candidate of a plan lies outside', () => {
    const random = createVirtualRuntime({ seed: 42 });
    const draw = (below: number) => Math.floor(random.random() * below);
    const pick = <Item>(items: readonly Item[]): Item => items[draw(items.length)] as Item;
    const places = ['eu-west', 'eu-north', 'us-east', 'ap-south', undefined];
    const strategies = ['weighted', 'order', 'latency', 'least-in-flight', 'cheapest', 'headroom'] as const;
    let plans = 0;
    let refusals = 0;
    for (let round = 0; round < 150; round++) {
      const stated = () => {
        const region = pick(places);
        return region === undefined ? {} : { region };
      };
      const names = ['a', 'b', 'c', 'd'];
      const providers = Object.fromEntries(
        names.map((name) => [
          name,
          {
            type: 'openai',
            ...stated(),
            credentials: ['x', 'y'].map((id) => ({
              id,
              apiKey: 'sk',
              ...stated(),
              ...(draw(2) === 0 && { weight: 1 + draw(9) }),
            })),
          },
        ]),
      );
      const target = () => ({
        provider: pick(names),
        ...stated(),
        weight: draw(4),
        contextWindow: 1 + draw(40),
      });
      const allowed = pick([['eu-*'], ['eu-west', 'us-east'], ['ap-south']]);
      const inProfile = draw(2) === 0;
      const started = startRouter({
        providers,
        models: { m: { targets: names.map((name) => ({ provider: name, ...stated() })) } },
        profiles: { standard: inProfile ? { regions: allowed } : {} },
        teams: { payments: { profile: 'standard' } },
        routes: [
          {
            name: 'one',
            match: { stream: draw(2) === 0 },
            tiers: [0, 1].map(() => ({
              targets: [target(), target(), target()],
              strategy: pick(strategies),
            })),
            ...(!inProfile && { regions: allowed }),
          },
          { name: 'rest', ...(!inProfile && { regions: allowed }) },
        ],
      });
      for (let request = 0; request < 8; request++) {
        const headers = draw(2) === 0 ? {} : { 'x-headgate-session': `s${request}` };
        const body = { model: 'm', stream: draw(2) === 0, messages: [{ role: 'user', content: 'hello' }] };
        try {
          const { candidates } = started.plan({ headers, body });
          plans++;
          for (const { id, target, credential } of candidates) {
            const own = [target.region, credential.region].filter((region) => region !== undefined);
            const at = own.length > 0 ? own : [target.provider.config.region];
            for (const region of at) {
              expect(
                allowed.some((place) => place === region || (place === 'eu-*' && region?.startsWith('eu-'))),
              ).toBe(true);
            }
            started.observations.onStart(id).onEnd({ ok: draw(2) === 0 });
          }
        } catch (error) {
          expect(error).toMatchObject({ code: 'not_permitted' });
          refusals++;
        }
      }
    }
    // a property that is never tried would hold as well
    expect(plans).toBeGreaterThan(300);
    expect(refusals).toBeGreaterThan(50);
  });
});
