import { cp, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { createFakeUpstream, keyStoreContract } from 'headgate/testing';
import OpenAI, { AuthenticationError, NotFoundError } from 'openai';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createFileKeyStore, writeKey } from '../../examples/custom-key-store/file-key-store.ts';
import { start as startCustomKeyStore } from '../../examples/custom-key-store/server.ts';
import { start as startExpress } from '../../examples/express/server.ts';
import { start as startFastify } from '../../examples/fastify/server.ts';
import { start as startHono } from '../../examples/hono/server.ts';
import { start as startNode } from '../../examples/node/server.ts';
import { start as startRoutes } from '../../examples/routes/server.ts';
import { createDirectory, createKey, until } from '../cli/harness.ts';

type Upstream = Awaited<ReturnType<typeof createFakeUpstream>>;
type Issued = Awaited<ReturnType<typeof createKey>>;

const examples = [
  { name: 'node', start: startNode, isMounted: false },
  { name: 'express', start: startExpress, isMounted: true },
  { name: 'fastify', start: startFastify, isMounted: true },
  { name: 'hono', start: startHono, isMounted: true },
  { name: 'routes', start: startRoutes, isMounted: false },
  { name: 'custom-key-store', start: startCustomKeyStore, isMounted: false },
];

let upstream: Upstream;
let issued: Issued;
let directory: Awaited<ReturnType<typeof createDirectory>>;
let environment: NodeJS.ProcessEnv;

beforeAll(async () => {
  upstream = await createFakeUpstream({ apiKeys: ['sk-upstream'] });
  issued = await createKey(['--team', 'web', '--owner', 'ana']);
  directory = await createDirectory({ [`keys/${issued.record.kid}.json`]: JSON.stringify(issued.record) });
  environment = {
    OPENAI_API_KEY: 'sk-upstream',
    OPENAI_BASE_URL: `${upstream.url}/v1`,
    ANTHROPIC_API_KEY: 'sk-upstream',
    ANTHROPIC_BASE_URL: upstream.url,
    HEADGATE_KEYS: JSON.stringify([issued.record]),
    KEY_DIRECTORY: join(directory.path, 'keys'),
  };
});
afterAll(async () => {
  await upstream.close();
  await directory[Symbol.asyncDispose]();
});

describe.each(examples)('examples/$name', ({ start }) => {
  let server: Awaited<ReturnType<typeof startNode>>;
  let client: OpenAI;
  beforeAll(async () => {
    server = await start({ port: 0, environment });
    client = new OpenAI({ apiKey: issued.key, baseURL: `${server.url}/v1`, maxRetries: 0 });
  });
  afterAll(() => server.close());

  const messages = [{ role: 'user' as const, content: 'Hello' }];

  it('answers a chat', async () => {
    const completion = await client.chat.completions.create({ model: 'gpt-4.1', messages });
    expect(completion.choices[0]?.message.content).not.toBe('');
    expect(upstream.requests.at(-1)?.path).toBe('/v1/chat/completions');
  });

  it('streams a chat to its end', async () => {
    const stream = await client.chat.completions.create({ model: 'gpt-4.1', messages, stream: true });
    let text = '';
    let finish: string | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      finish = chunk.choices[0]?.finish_reason ?? finish;
    }
    expect(text.length).toBeGreaterThan(10);
    expect(finish).toBe('stop');
  });

  it('lists the models that the key may use', async () => {
    const { data } = await client.models.list();
    // `smart` is its alias in one of the examples
    expect(data.map(({ id }) => id).filter((id) => id !== 'smart')).toEqual(['gpt-4.1']);
  });

  it('refuses a model outside the profile', async () => {
    const refused = client.chat.completions.create({ model: 'claude-opus-4-1', messages });
    await expect(refused).rejects.toBeInstanceOf(NotFoundError);
    await expect(refused).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('refuses a wrong key', async () => {
    const stranger = new OpenAI({
      apiKey: `${issued.key.slice(0, -1)}!`,
      baseURL: `${server.url}/v1`,
      maxRetries: 0,
    });
    await expect(stranger.models.list()).rejects.toBeInstanceOf(AuthenticationError);
  });
});

describe.each(examples.filter(({ isMounted }) => isMounted))('examples/$name', ({ start }) => {
  it('leaves the other routes of the application alone', async () => {
    const server = await start({ port: 0, environment });
    const reply = await fetch(new URL('/hello', server.url));
    expect(await reply.json()).toEqual({ hello: 'world' });
    await server.close();
  });
});

describe('examples/routes', () => {
  const messages = [{ role: 'user' as const, content: 'Hello' }];

  async function startBoth(more: NodeJS.ProcessEnv = {}) {
    const europe = await createFakeUpstream();
    const america = await createFakeUpstream({ chunkDelayMs: 5 });
    const [web, claims] = await Promise.all([createKey(['--team', 'web']), createKey(['--team', 'claims'])]);
    const server = await startRoutes({
      port: 0,
      environment: {
        OPENAI_API_KEY: 'sk-upstream',
        OPENAI_BASE_URL: `${america.url}/v1`,
        EUROPE_BASE_URL: `${europe.url}/v1`,
        HEADGATE_KEYS: JSON.stringify([web.record, claims.record]),
        ...more,
      },
    });
    onTestFinished(async () => {
      await server.close();
      await america.close();
      await europe.close();
    });
    const ask = (of: Issued, options: object = {}) =>
      new OpenAI({ apiKey: of.key, baseURL: `${server.url}/v1`, maxRetries: 0 }).chat.completions.create({
        ...{ model: 'gpt-4.1', messages, max_tokens: 100 },
        ...options,
      });
    const modelsOf = ({ requests }: Upstream) =>
      requests.map(({ json }) => (json as { model: string }).model);
    return { europe, america, web, claims, ask, modelsOf };
  }

  it('gives one request in ten to the canary', async () => {
    const { america, web, ask, modelsOf } = await startBoth();
    for (let count = 0; count < 20; count++) await ask(web);
    expect(modelsOf(america).filter((model) => model === 'gpt-5')).toHaveLength(2);
    expect(modelsOf(america).filter((model) => model === 'gpt-4.1')).toHaveLength(18);
  });

  it('goes to the second tier when the first fails, and on with a stream that breaks', async () => {
    const { america, europe, web, ask } = await startBoth();
    america.fail({ kind: 'status', status: 503 }, { times: 10 });
    await ask(web);
    expect(europe.requests).toHaveLength(1);
    america.reset();
    america.fail({ kind: 'cut', how: 'reset', afterChunks: 3 }, { times: 10 });
    const stream = await ask(web, { stream: true });
    let text = '';
    for await (const chunk of stream as unknown as AsyncIterable<OpenAI.ChatCompletionChunk>) {
      text += chunk.choices[0]?.delta.content ?? '';
    }
    expect(text).toMatch(/^The quick brown fox.*forty-two\.$/);
  });

  it('keeps what must stay in Europe there, even when nothing there answers', async () => {
    const { america, europe, claims, ask } = await startBoth();
    await ask(claims);
    expect([america.requests.length, europe.requests.length]).toEqual([0, 1]);
    europe.fail({ kind: 'status', status: 500 }, { times: 10 });
    await expect(ask(claims)).rejects.toMatchObject({ status: 502 });
    expect(america.requests).toHaveLength(0);
  });

  it('has a cheaper model serve the last fifth of a budget', async () => {
    const { america, web, ask, modelsOf } = await startBoth({ DAILY_USD: '0.003' });
    for (let count = 0; count < 10; count++) await ask(web);
    expect(modelsOf(america)[0]).toBe('gpt-4.1');
    expect(modelsOf(america).at(-1)).toBe('gpt-4.1-mini');
  });
});

describe('examples/custom-key-store', () => {
  it('refuses a key from the next request after its file says that it is revoked', async () => {
    const { key, record } = await createKey(['--team', 'web']);
    await writeKey(join(directory.path, 'keys'), record);
    const server = await startCustomKeyStore({ port: 0, environment });
    const client = new OpenAI({ apiKey: key, baseURL: `${server.url}/v1`, maxRetries: 0 });
    expect((await client.models.list()).data).toHaveLength(1);
    await writeKey(join(directory.path, 'keys'), { ...record, revokedAtMs: Date.now() });
    const list = () =>
      client.models.list().then(
        () => undefined,
        (error) => error,
      );
    expect(await until(list, 'the refusal')).toBeInstanceOf(AuthenticationError);
    await server.close();
  });

  // a directory of this machine can be neither frozen nor slow
  it.each(keyStoreContract.filter(({ needs }) => needs !== 'freeze' && needs !== 'slow'))(
    'keeps the contract: $name',
    async ({ run }) => {
      await using own = await createDirectory();
      const path = join(own.path, 'keys');
      const away = join(own.path, 'away');
      await mkdir(path);
      await run({
        store: createFileKeyStore(path),
        put: (record) => writeKey(path, record),
        // as when a volume is not mounted: nothing is there, and that is no answer about any key
        breakStore: async () => {
          await rename(path, away);
          return () => rename(away, path);
        },
        // as when a copy of the volume is mounted in its place
        failOver: async () => {
          await rename(path, away);
          await cp(away, `${path}.copy`, { recursive: true });
          await rename(`${path}.copy`, path);
        },
      });
    },
  );

  it('throws, too, when a file cannot be read', async () => {
    await using own = await createDirectory({ 'keys/Aa0000000001.json/not-a-file': '' });
    await expect(createFileKeyStore(join(own.path, 'keys')).findKey('Aa0000000001')).rejects.toThrow(
      'EISDIR',
    );
  });

  it('tells a watch that it begins and of each key that changes, and nothing after it has ended', async () => {
    await using own = await createDirectory({ 'keys/none': '' });
    const path = join(own.path, 'keys');
    const heard: (string | undefined)[] = [];
    const unwatch = createFileKeyStore(path).watchKeys((kid) => void heard.push(kid));
    expect(heard).toEqual([]);
    await until(() => heard.includes(undefined), 'the beginning');
    await writeKey(path, { ...issued.record, kid: 'Aa0000000001' });
    await until(() => heard.includes('Aa0000000001'), 'the change');
    expect(heard.filter((kid) => kid !== 'Aa0000000001')).toEqual([undefined]);
    await unwatch();
    const { length } = heard;
    await using other = await createDirectory();
    await writeKey(path, { ...issued.record, kid: 'Aa0000000002' });
    const control: unknown[] = [];
    const end = createFileKeyStore(other.path).watchKeys((kid) => void control.push(kid));
    await writeKey(other.path, { ...issued.record, kid: 'Aa0000000003' });
    await until(() => control.includes('Aa0000000003') || control.includes(undefined), 'the other watch');
    await end();
    expect(heard.length).toBe(length);
  });

  it('watches a directory that is not there yet, and tells when it is', async () => {
    await using own = await createDirectory();
    const path = join(own.path, 'keys');
    const heard: (string | undefined)[] = [];
    const unwatch = createFileKeyStore(path).watchKeys((kid) => void heard.push(kid));
    await mkdir(path);
    await until(() => heard.includes(undefined), 'the beginning');
    await unwatch();
  });
});
