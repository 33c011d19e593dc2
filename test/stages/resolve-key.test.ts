import { type Arrival, createPipeline, GatewayError, type GatewayOptions, toReply } from 'headgate';
import { describe, expect, it } from 'vitest';
import type { Identified } from '../../src/context.ts';
import type { Identity } from '../../src/identity/identity.ts';
import type { Metadata } from '../../src/metadata.ts';
import type { PrincipalInput } from '../../src/principal.ts';
import { resolveKey } from '../../src/stages/resolve-key.ts';
import { chat, makeKey, readJson, startGateway } from '../harness.ts';

/** A gateway that ends behind `resolveKey` and tells what it found. */
async function startResolving(
  identities: readonly Identity[] = [],
  change: Parameters<typeof startGateway>[0] = undefined,
) {
  const seen: Identified[] = [];
  const records: object[] = [];
  const pipeline: GatewayOptions['pipeline'] = ({ keyResolver }) =>
    createPipeline<Arrival>()
      .use(resolveKey({ resolver: keyResolver, identities }))
      .end({
        name: 'tell',
        async run(context) {
          seen.push(context);
          records.push(context.record);
          return toReply(200, {}, '{}');
        },
      });
  const started = await startGateway(change, { pipeline });
  const ask = async (more: Parameters<typeof started.send>[2] = {}) => {
    const reply = await started.send('/v1/chat/completions', chat(), more);
    return { status: reply.status, error: (await readJson(reply)).error };
  };
  return { ...started, ask, seen, records };
}

const identity = (identify: Identity['identify']): Identity => ({ name: 'test', identify });
const session: PrincipalInput = { source: 'host', key: 'session:7', team: 'payments', user: 'ada' };

describe('resolveKey', () => {
  it('makes one principal of a key and keeps it as long as the record is cached', async () => {
    const { ask, seen, record } = await startResolving();
    await ask();
    await ask();
    expect(seen[0]!.principal).toMatchObject({
      source: 'key',
      key: record.kid,
      team: 'payments',
      project: 'checkout',
      user: 'ada',
      environment: 'live',
    });
    expect(seen[1]!.principal).toBe(seen[0]!.principal);
    expect(seen[1]!.policy).toBe(seen[0]!.policy);
  });

  it('asks identities in their order before the keys, and the first that knows the caller decides', async () => {
    const asked: string[] = [];
    const { ask, seen } = await startResolving([
      identity(() => {
        asked.push('one');
        return undefined;
      }),
      identity(async () => {
        asked.push('two');
        return undefined;
      }),
      identity(({ headers }) => {
        asked.push('three');
        return headers.cookie === 'session=7' ? session : undefined;
      }),
      identity(() => {
        asked.push('four');
        return undefined;
      }),
    ]);
    expect((await ask({ headers: { cookie: 'session=7', authorization: undefined } })).status).toBe(200);
    expect(asked).toEqual(['one', 'two', 'three']);
    expect(seen[0]!.principal).toMatchObject({ source: 'host', key: 'session:7', user: 'ada' });
  });

  it('takes the key when no identity knows the caller, and refuses a request with neither', async () => {
    const { ask, seen } = await startResolving([identity(() => undefined), identity(async () => undefined)]);
    expect((await ask()).status).toBe(200);
    expect(seen[0]!.principal.source).toBe('key');
    expect((await ask({ headers: { authorization: undefined } })).error).toMatchObject({
      code: 'missing_key',
    });
  });

  it('refuses what an identity refuses, at once or later, without trying the key', async () => {
    const refusal = new GatewayError('invalid_key', 'The token is not valid.');
    for (const identify of [
      () => {
        throw refusal;
      },
      () => Promise.reject(refusal),
    ]) {
      const { ask, seen } = await startResolving([identity(identify)]);
      expect((await ask()).status).toBe(401);
      expect(seen).toHaveLength(0);
    }
  });

  it('lets nobody pass whom an identity describes without a key or a team', async () => {
    for (const broken of [{}, { ...session, team: '' }, { ...session, key: '' }, { ...session, user: '' }]) {
      const { ask, seen } = await startResolving([identity(() => broken as PrincipalInput)]);
      expect((await ask()).status).toBe(500);
      expect(seen).toHaveLength(0);
    }
  });

  it('keeps the principal of facts that are handed out again, and makes a new one when they have changed', async () => {
    const facts = { ...session };
    const { ask, seen } = await startResolving([identity(() => facts)], (config) => ({
      ...config,
      teams: { ...config.teams, web: { profile: 'standard' } },
    }));
    await ask();
    await ask();
    facts.team = 'web';
    await ask();
    expect(seen[1]!.principal).toBe(seen[0]!.principal);
    expect(seen[2]!.principal.team).toBe('web');
  });

  it.each<Partial<PrincipalInput>>([
    { key: 'session:8' },
    { project: 'checkout' },
    { user: 'bob' },
    { application: 'editor' },
    { environment: 'test' },
    { models: ['gpt-*'] },
    { limits: [{ unit: 'requests', amount: 5, window: '1d' }] },
    { labels: { floor: '3' } },
    { expiresAtMs: Date.UTC(2100, 0, 1) },
  ])('makes a new principal when what is handed out again says something else: %j', async (change) => {
    const facts = { ...session };
    const { ask, seen } = await startResolving([identity(() => facts)]);
    await ask();
    Object.assign(facts, change);
    await ask();
    expect(seen[1]!.principal).toMatchObject(change);
  });

  it('refuses a principal from the instant on at which what proved it ends', async () => {
    const { ask, gateway } = await startResolving([
      identity(({ headers }) => ({ ...session, expiresAtMs: Number(headers['x-expires']) })),
    ]);
    expect(gateway.snapshot.id).toBe('v1');
    const at = async (expiresAtMs: number) =>
      (await ask({ headers: { 'x-expires': String(expiresAtMs) } })).status;
    expect([await at(Date.now() + 60_000), await at(Date.now())]).toEqual([200, 401]);
  });

  it('refuses a team, a project and a project of another team that are not configured', async () => {
    const [nobody, nothing, foreign] = [
      makeKey('nobody'),
      makeKey('payments', { project: 'none' }),
      makeKey('payments', { project: 'site' }),
    ];
    const byKid = new Map([nobody, nothing, foreign].map(({ record }) => [record.kid, record]));
    const found: unknown[] = [];
    const { send } = await startGateway(
      (config) => ({
        ...config,
        keys: [],
        teams: { ...config.teams, web: { profile: 'standard' } },
        projects: { checkout: { team: 'payments' }, site: { team: 'web' } },
      }),
      { keys: { findKey: async (kid) => byKid.get(kid) ?? null } },
    );
    for (const { key } of [nobody, nothing, foreign]) {
      const reply = await send('/v1/chat/completions', chat(), { key });
      found.push([reply.status, (await readJson(reply)).error.message]);
    }
    expect(found).toEqual([
      [403, 'The key\'s team "nobody" is not configured on this gateway. Ask its operator.'],
      [
        403,
        'The key\'s project "none" is not configured for the team "payments" on this gateway. Ask its operator.',
      ],
      [
        403,
        'The key\'s project "site" is not configured for the team "payments" on this gateway. Ask its operator.',
      ],
    ]);
  });
});

describe('metadata', () => {
  const asking = (config: Parameters<NonNullable<Parameters<typeof startGateway>[0]>>[0]) => ({
    ...config,
    profiles: { standard: { metadata: { required: ['ticket'] } } },
  });

  it('is a fact for the stages behind, and in the record', async () => {
    const { ask, seen, records } = await startResolving();
    await ask({ headers: { 'x-headgate-metadata': 'ticket=PAY-1' } });
    await ask();
    expect(seen.map(({ metadata }) => metadata)).toEqual([{ ticket: 'PAY-1' }, {}]);
    expect((records[0] as { metadata?: Metadata }).metadata).toEqual({ ticket: 'PAY-1' });
  });

  it('that the profile asks for and the request lacks is a 400 that names it and the header', async () => {
    const { ask } = await startResolving([], asking);
    expect((await ask({ headers: { 'x-headgate-metadata': '{"ticket":"PAY-1"}' } })).status).toBe(200);
    const refused = await ask();
    expect([refused.status, refused.error.code]).toEqual([400, 'metadata_required']);
    expect(refused.error.message).toContain('"ticket"');
    expect(refused.error.message).toContain('x-headgate-metadata');
  });

  it('is not asked of those who only list models', async () => {
    const { send } = await startGateway(asking);
    expect((await send('/v1/models')).status).toBe(200);
    expect((await send('/v1/models/gpt-4.1')).status).toBe(200);
  });
});
