import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createFakeUpstream, keyStoreContract } from 'headgate/testing';
import OpenAI, { AuthenticationError, NotFoundError } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFileKeyStore, writeKey } from '../../examples/custom-key-store/file-key-store.ts';
import { start as startCustomKeyStore } from '../../examples/custom-key-store/server.ts';
import { start as startExpress } from '../../examples/express/server.ts';
import { start as startFastify } from '../../examples/fastify/server.ts';
import { start as startHono } from '../../examples/hono/server.ts';
import { start as startNode } from '../../examples/node/server.ts';
import { createDirectory, createKey, until } from '../cli/harness.ts';

type Upstream = Awaited<ReturnType<typeof createFakeUpstream>>;
type Issued = Awaited<ReturnType<typeof createKey>>;

const examples = [
  { name: 'node', start: startNode, isMounted: false },
  { name: 'express', start: startExpress, isMounted: true },
  { name: 'fastify', start: startFastify, isMounted: true },
  { name: 'hono', start: startHono, isMounted: true },
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

  it.each(keyStoreContract.filter(({ needs }) => needs !== 'freeze' /* a directory cannot be frozen */))(
    'keeps the contract: $name',
    async ({ run }) => {
      await using own = await createDirectory();
      let path = join(own.path, 'keys');
      await mkdir(path);
      await writeFile(join(own.path, 'file'), '');
      await run({
        store: { findKey: (kid) => createFileKeyStore(path).findKey(kid) },
        put: (record) => writeKey(path, record),
        breakStore: () => {
          const whole = path;
          // a directory where a file should be: reading fails, and not because nothing is there
          path = '/proc/self/mem/keys';
          return () => {
            path = whole;
          };
        },
      });
    },
  );
});
