import { createMemoryStoredOwners, type GatewayConfig, type StoredOwners } from 'headgate';
import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { withOwnBatches } from '../../src/stored/own-batches.ts';
import { makeKey, readJson, readText, startGateway } from '../harness.ts';

const ask = { model: 'gpt-4.1', input: 'hello' };
const batch = {
  requests: [
    {
      custom_id: 'one',
      params: { model: 'claude-sonnet', max_tokens: 8, messages: [{ role: 'user', content: 'hello' }] },
    },
  ],
};

/** Callers of two teams, one of them with two keys of one user, one of another user and one in another project. */
async function startSite(stored?: GatewayConfig['stored'], storedOwners?: StoredOwners) {
  const keys = {
    sameUser: makeKey('payments', { owner: 'ada', project: 'checkout' }),
    colleague: makeKey('payments', { owner: 'bob', project: 'checkout' }),
    otherProject: makeKey('payments', { owner: 'bob', project: 'refunds' }),
    otherTeam: makeKey('research', { owner: 'ada', project: 'checkout' }),
  };
  const site = await startGateway(
    (config) => ({
      ...config,
      teams: { ...config.teams, research: { profile: 'standard' } },
      keys: [...(config.keys ?? []), ...Object.values(keys).map(({ record }) => record)],
      ...(stored && { stored }),
    }),
    storedOwners ? { storedOwners } : {},
  );
  /** Status for each caller, the one who had it stored first. */
  const statuses = async (path: string, method = 'GET') => {
    const found: Record<string, number> = {};
    for (const [name, key] of [
      ['own', site.key],
      ...Object.entries(keys).map(([name, { key }]) => [name, key]),
    ] as const) {
      const headers = path.includes('batches') ? { 'anthropic-version': '2023-06-01' } : {};
      const reply = await site.send(path, undefined, { method, headers, key: key as string });
      await readText(reply);
      found[name as string] = reply.status;
    }
    return found;
  };
  return { ...site, keys, statuses };
}

const anthropic = { headers: { 'anthropic-version': '2023-06-01' } };

describe('a response that a provider stored', () => {
  it.each([false, true])(
    'is reached by the team that had it stored and by nobody else (stream: %s)',
    async (stream) => {
      const { send, statuses, upstream, keys } = await startSite();
      const text = await readText(await send('/v1/responses', { ...ask, stream }));
      const id = /"id":"(resp_[^"]+)"/.exec(text)?.[1] as string;
      const all = { own: 200, sameUser: 200, colleague: 200, otherProject: 200, otherTeam: 404 };
      expect(await statuses(`/v1/responses/${id}`)).toEqual(all);
      expect(await statuses(`/v1/responses/${id}/input_items`)).toMatchObject({ own: 200, otherTeam: 404 });
      const before = upstream.requests.length;
      const refused = await send(`/v1/responses/${id}`, undefined, {
        method: 'DELETE',
        key: keys.otherTeam.key,
      });
      expect(refused.status).toBe(404);
      expect((await readJson(refused)).error).toMatchObject({
        code: 'stored_not_found',
        type: 'not_found_error',
      });
      expect(upstream.requests, 'nothing is asked of the provider').toHaveLength(before);
    },
  );

  it('is continued by the team that had it stored and by nobody else', async () => {
    const { send, keys } = await startSite();
    const { id } = await readJson(await send('/v1/responses', ask));
    const next = { ...ask, previous_response_id: id };
    expect((await send('/v1/responses', next)).status).toBe(200);
    const refused = await send('/v1/responses', next, { key: keys.otherTeam.key });
    expect(refused.status).toBe(404);
    expect(await refused.outcome).toMatchObject({ kind: 'refused', errorCode: 'stored_not_found' });
  });

  it.each([
    ['key', { own: 200, sameUser: 404, colleague: 404, otherProject: 404, otherTeam: 404 }],
    ['user', { own: 200, sameUser: 200, colleague: 404, otherProject: 404, otherTeam: 404 }],
    ['project', { own: 200, sameUser: 200, colleague: 200, otherProject: 404, otherTeam: 404 }],
    ['anyone', { own: 200, sameUser: 200, colleague: 200, otherProject: 200, otherTeam: 200 }],
  ] as const)('is visible to the same %s when the configuration says so', async (visibleTo, expected) => {
    const { send, statuses } = await startSite({ visibleTo });
    const { id } = await readJson(await send('/v1/responses', ask));
    expect(await statuses(`/v1/responses/${id}`)).toEqual(expected);
  });

  it('of which nobody knows whose it is is asked for, or is not, as the configuration says', async () => {
    const open = await startSite();
    await open.send('/v1/responses/resp_0001');
    expect(open.upstream.requests.at(-1)?.path).toBe('/v1/responses/resp_0001');
    const strict = await startSite({ unknown: 'refuse' });
    expect(await strict.statuses('/v1/responses/resp_0001')).toMatchObject({ own: 404, otherTeam: 404 });
    expect(strict.upstream.requests).toHaveLength(0);
  });

  it('is 503 while it cannot be told whose it is, and one that cannot be noted is answered all the same', async () => {
    const errors: unknown[] = [];
    const broken: StoredOwners = {
      note: () => Promise.reject(new Error('note is down')),
      find: () => Promise.reject(new Error('find is down')),
    };
    const { send } = await startGateway(undefined, {
      storedOwners: broken,
      onError: (error) => errors.push(error),
    });
    expect((await send('/v1/responses', ask)).status).toBe(200);
    const reply = await send('/v1/responses/resp_0001');
    expect(reply.status).toBe(503);
    expect((await readJson(reply)).error.code).toBe('store_unavailable');
    expect(String(errors)).toContain('note is down');
  });

  it('of a caller who pays the provider itself is the provider’s business', async () => {
    const { gateway, send, config, keys } = await startSite();
    const created = await readJson(await send('/v1/messages/batches', batch, anthropic));
    gateway.update({
      ...config,
      profiles: { standard: { billing: 'passthrough' } },
      // is nothing to who pays with a token of its own
      routes: [
        {
          name: 'ours',
          match: { models: ['gpt-4.1'] },
          targets: [{ provider: 'openai', billing: 'standard' }],
        },
      ],
    });
    const reply = await send(`/v1/messages/batches/${created.id}`, undefined, {
      headers: {
        ...anthropic.headers,
        authorization: 'Bearer sk-ant-own',
        'x-headgate-key': keys.otherTeam.key,
      },
    });
    expect(reply.status).toBe(200);
  });

  it('is explained as it is answered', async () => {
    const { gateway, send, keys } = await startSite();
    const { id } = await readJson(await send('/v1/responses', ask));
    const request = (key: string) => ({
      method: 'GET',
      path: `/v1/responses/${id}`,
      query: '',
      headers: { authorization: `Bearer ${key}` },
      signal: new AbortController().signal,
      readBody: async () => new Uint8Array(0),
    });
    expect((await gateway.explain(request(keys.otherTeam.key))).refusal?.code).toBe('stored_not_found');
    expect((await gateway.explain(request(keys.colleague.key))).allowed).toBe(true);
  });
});

it.each([
  ['a list', (id: string) => [id]],
  ['a blank behind it', (id: string) => `${id} `],
  ['an object', (id: string) => ({ id })],
])('a previous_response_id that is no id (%s) is refused', async (_, written) => {
  const { send, upstream } = await startSite();
  const { id } = await readJson(await send('/v1/responses', ask));
  const before = upstream.requests.length;
  const reply = await send('/v1/responses', { ...ask, previous_response_id: written(id) });
  expect([reply.status, (await readJson(reply)).error.param]).toEqual([400, 'previous_response_id']);
  expect(upstream.requests).toHaveLength(before);
  expect((await send('/v1/responses', { ...ask, previous_response_id: null })).status).toBe(200);
});

it('a response of another team is not counted on either', async () => {
  const { send, keys } = await startSite();
  const { id } = await readJson(await send('/v1/responses', ask));
  const next = { ...ask, previous_response_id: id };
  expect((await send('/v1/responses/input_tokens', next)).status).toBe(200);
  expect((await send('/v1/responses/input_tokens', next, { key: keys.otherTeam.key })).status).toBe(404);
});

it('a response of another team is not continued by who pays for itself, where a target is the gateway’s to pay', async () => {
  const { gateway, send, config, keys } = await startSite();
  const { id } = await readJson(await send('/v1/responses', ask));
  gateway.update({
    ...config,
    profiles: { ...config.profiles, own: { billing: 'byok' } },
    teams: { ...config.teams, research: { profile: 'own' } },
    routes: [
      {
        name: 'paid',
        match: { models: ['gpt-4.1'] },
        targets: [{ provider: 'openai', billing: 'standard' }],
      },
    ],
  });
  const next = { ...ask, previous_response_id: id };
  expect((await send('/v1/responses', next, { key: keys.otherTeam.key })).status).toBe(404);
  expect((await send('/v1/responses', ask, { key: keys.otherTeam.key })).status).toBe(200);
});

describe('a batch', () => {
  it('is in the list of its team although others’ stand before it, and no cursor tells of theirs', async () => {
    const { send, keys } = await startSite();
    const make = async (key?: string) =>
      (await readJson(await send('/v1/messages/batches', batch, { ...anthropic, ...(key && { key }) }))).id;
    const own = [await make(), await make(), await make()].reverse();
    for (let others = 0; others < 4; others++) await make(keys.otherTeam.key);
    const page = async (query: string) =>
      readJson(await send(`/v1/messages/batches?${query}`, undefined, anthropic));
    const first = await page('limit=2');
    expect(first.data.map(({ id }: { id: string }) => id)).toEqual(own.slice(0, 2));
    expect(first).toMatchObject({ has_more: true, first_id: own[0], last_id: own[1] });
    const second = await page(`limit=2&after_id=${first.last_id}`);
    expect(second.data.map(({ id }: { id: string }) => id)).toEqual(own.slice(2));
    expect(second).toMatchObject({ has_more: false, first_id: own[2], last_id: own[2] });
    const before = await page(`limit=1&before_id=${own[2]}`);
    expect(before.data.map(({ id }: { id: string }) => id)).toEqual([own[1]]);
    const third = await startSite();
    await readText(await third.send('/v1/messages/batches', batch, anthropic));
    const none = await third.send('/v1/messages/batches', undefined, {
      ...anthropic,
      key: third.keys.otherTeam.key,
    });
    expect(await readJson(none)).toMatchObject({ data: [], has_more: false, first_id: null, last_id: null });
    expect((await send('/v1/messages/batches?limit=x', undefined, anthropic)).status).toBe(400);
  });

  it('is reached, and listed, by the team that made it and by nobody else', async () => {
    const { send, statuses, keys, upstream } = await startSite();
    const own = await readJson(await send('/v1/messages/batches', batch, anthropic));
    const other = await readJson(
      await send('/v1/messages/batches', batch, { ...anthropic, key: keys.otherTeam.key }),
    );
    expect(await statuses(`/v1/messages/batches/${own.id}`)).toMatchObject({
      own: 200,
      colleague: 200,
      otherTeam: 404,
    });
    expect(await statuses(`/v1/messages/batches/${own.id}/results`)).toMatchObject({ otherTeam: 404 });
    const list = async (key?: string) => {
      const reply = await send('/v1/messages/batches', undefined, {
        ...anthropic,
        ...(key !== undefined && { key }),
      });
      const page = await readJson(reply);
      expect(page).toMatchObject({ has_more: false });
      return page.data.map(({ id }: { id: string }) => id);
    };
    expect(await list()).toEqual([own.id]);
    expect(await list(keys.otherTeam.key)).toEqual([other.id]);
    await fetch(`${upstream.url}/v1/messages/batches`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'anthropic-version': '2023-06-01',
        'x-api-key': 'sk-ant-upstream',
      },
      body: JSON.stringify(batch),
    });
    expect(await list(), 'what was made past the gateway is in no list').toEqual([own.id]);
  });
});

describe('a list of batches that comes in pieces', () => {
  const toPieces = async function* (text: string, size: number) {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  };
  const read = async (text: string, ids: readonly string[]) => {
    const reply = { status: 200, headers: { 'content-length': '1' }, body: toPieces(text, 65_536) };
    const page = { query: '', limit: 20, isBackwards: false };
    const { headers, body } = await withOwnBatches(reply as never, page, async (id) => ids.includes(id));
    expect(headers).toEqual({});
    return JSON.parse(Buffer.from(body as Uint8Array).toString());
  };

  it('shows what may be seen of it, and that there is more only with a cursor to ask behind', async () => {
    const list = JSON.stringify({ data: [{ id: 'a' }, { id: 'b' }, { id: 'c' }], has_more: true });
    const more = { has_more: true, first_id: 'a', last_id: 'c' };
    expect(await read(list, ['a', 'c'])).toEqual({ data: [{ id: 'a' }, { id: 'c' }], ...more });
    const none = { has_more: false, first_id: null, last_id: null };
    expect(await read(list, [])).toEqual({ data: [], ...none });
  });

  it('shows nobody’s where it is too long to be looked through', async () => {
    const list = JSON.stringify({ data: [{ id: 'a' }], filled: 'x'.repeat(4 * 1_024 * 1_024) });
    expect(await read(list, ['a'])).toMatchObject({ data: [], first_id: null });
  });
});

describe('the memory of who had what stored', () => {
  it('is bounded in number and time, and holds nothing but who it was', async () => {
    const runtime = createVirtualRuntime();
    const owners = createMemoryStoredOwners({ max: 2, ttlMs: 1_000, runtime });
    const who = { key: 'k', team: 't', project: undefined, user: 'u', labels: { a: 'secret' } };
    for (const id of ['one', 'two', 'three']) await owners.note(id, who);
    expect(await owners.find('one')).toBeNull();
    expect(await owners.find('three')).toEqual({ key: 'k', team: 't', project: undefined, user: 'u' });
    runtime.advance(999);
    expect(await owners.find('three')).toMatchObject({ key: 'k' });
    runtime.advance(1);
    expect(await owners.find('three')).toBeNull();
  });
});
