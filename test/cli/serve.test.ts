import { readFile, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createFakeUpstream } from 'headgate/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createDirectory,
  createKey,
  type RunOptions,
  run,
  type StartedCommand,
  start,
  toConfigText,
  until,
} from './harness.ts';

type Upstream = Awaited<ReturnType<typeof createFakeUpstream>>;
let upstream: Upstream;
beforeAll(async () => {
  upstream = await createFakeUpstream();
});
afterAll(() => upstream.close());

interface Listening {
  readonly event: 'listening';
  readonly url: string;
  readonly source: string;
  readonly models: number;
  readonly keys: number | null;
  readonly temporaryKey?: string;
  readonly warnings?: readonly string[];
}

/** Starts `headgate serve` on a free port; ends it with SIGTERM. */
async function serve(argv: readonly string[], options: RunOptions) {
  const command = start(['serve', '--port', '0', '--json', ...argv], options);
  const line = await Promise.race([
    until(() => command.stdout().split('\n')[0], 'the start line'),
    command.code.then((code) => {
      throw new Error(`ended with ${code}: ${command.stderr()}`);
    }),
  ]);
  return {
    command,
    listening: JSON.parse(line) as Listening,
    async [Symbol.asyncDispose]() {
      command.signal('SIGTERM');
      await command.code;
    },
  };
}

function chat(url: string, key: string, model = 'gpt-4.1', more: object = {}) {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }], ...more }),
  });
}

async function createSite(more: object = {}) {
  const { key, record } = await createKey(['--team', 'web']);
  const text = toConfigText(upstream.url, { keys: [record], ...more });
  const directory = await createDirectory({ 'headgate.config.json': text });
  return { key, text, directory, options: { cwd: directory.path, environment: {} } };
}

describe('headgate serve', () => {
  it('serves the configured models to the configured keys', async () => {
    const { key, directory, options } = await createSite();
    await using _ = directory;
    await using site = await serve([], options);
    expect(site.listening).toMatchObject({ event: 'listening', models: 1, keys: 1, providers: ['openai'] });
    expect(site.listening.temporaryKey).toBeUndefined();
    const reply = await chat(site.listening.url, key);
    expect(reply.status).toBe(200);
    expect(await reply.json()).toMatchObject({ object: 'chat.completion' });
    expect(upstream.requests.at(-1)?.headers.authorization).toBe('Bearer sk-upstream');
    expect((await chat(site.listening.url, 'hg_live_nonsense')).status).toBe(401);
  });

  it('says what is odd about its configuration, at its start and whenever it is loaded again', async () => {
    const all = { name: 'all', targets: ['openai'] };
    const never = (name: string) => ({ name, match: { models: ['gpt-4.1'] }, targets: ['openai'] });
    const { directory, text, options } = await createSite({ routes: [all, never('late')] });
    await using _ = directory;
    await using site = await serve([], options);
    expect(site.listening.warnings).toEqual([
      expect.stringMatching(/^warning: headgate\.config\.json:\d+:\d+: routes\[1\]: .*"all"/),
    ]);
    const changed = { ...JSON.parse(text), routes: [all, never('late'), never('later')] };
    await writeFile(join(directory.path, 'headgate.config.json'), JSON.stringify(changed));
    site.command.signal('SIGHUP');
    await until(() => /headgate: warning: .*routes\[2\]/.test(site.command.stderr()), 'the warning');
    const people = start(['serve', '--port', '0'], options);
    await until(() => /^warning: .*routes\[1\]/m.test(people.stdout()), 'the warning for people');
    people.signal('SIGTERM');
    expect(await people.code).toBe(0);
  });

  it('ends with 0 after SIGTERM and refuses connections from then on', async () => {
    const { directory, options } = await createSite();
    await using _ = directory;
    const site = await serve([], options);
    site.command.signal('SIGTERM');
    expect(await site.command.code).toBe(0);
    expect(site.command.stderr()).toContain('SIGTERM: finishing requests in flight');
    await expect(fetch(site.listening.url)).rejects.toThrow();
  });

  it('prints one line for people: address, providers, models, keys, source', async () => {
    const { directory, options } = await createSite();
    await using _ = directory;
    const command = start(['serve', '--port', '0'], options);
    const line = await until(() => command.stdout().split('\n')[0]);
    expect(line).toMatch(
      /^headgate \d+\.\d+\.\d+ listening on http:\/\/127\.0\.0\.1:\d+ \(providers: openai; 1 model, 1 key; configuration: \/.*headgate\.config\.json\)$/,
    );
    command.signal('SIGINT');
    expect(await command.code).toBe(0);
  });

  it('makes a temporary key on loopback when there is none, and prints it once with lines to paste', async () => {
    const environment = {
      OPENAI_API_KEY: 'sk-upstream',
      OPENAI_BASE_URL: `${upstream.url}/v1`,
      ANTHROPIC_API_KEY: 'sk-ant-upstream',
      ANTHROPIC_BASE_URL: upstream.url,
    };
    await using directory = await createDirectory();
    const command = start(['serve', '--port', '0'], { cwd: directory.path, environment });
    const text = await until(() => command.stdout().includes('unset ANTHROPIC') && command.stdout());
    const url = /listening on (\S+)/.exec(text)?.[1] as string;
    const key = /OPENAI_API_KEY=(\S+)/.exec(text)?.[1] as string;
    expect(text).toContain(`export OPENAI_BASE_URL=${url}/v1\n`);
    expect(text).toContain(`export ANTHROPIC_BASE_URL=${url}\n`);
    expect(text).toContain(`export ANTHROPIC_AUTH_TOKEN=${key}\n`);
    expect(text).not.toContain('GEMINI');
    expect(text).not.toMatch(/sk-(ant-)?upstream/);
    expect((await chat(url, key)).status).toBe(200);
    command.signal('SIGTERM');
    expect(await command.code).toBe(0);
  });

  it('lists what the providers of the environment say that they have, and serves all else by its name', async () => {
    const { key, record } = await createKey(['--team', 'web']);
    const environment = {
      OPENAI_API_KEY: 'sk-upstream',
      OPENAI_BASE_URL: `${upstream.url}/v1`,
      ANTHROPIC_API_KEY: 'sk-ant-upstream',
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:1',
      HEADGATE_KEYS: JSON.stringify([record]),
    };
    await using directory = await createDirectory();
    await using site = await serve([], { cwd: directory.path, environment });
    const list = async () => {
      const reply = await fetch(`${site.listening.url}/v1/models`, {
        headers: { authorization: `Bearer ${key}` },
      });
      return ((await reply.json()) as { data: { id: string }[] }).data.map(({ id }) => id);
    };
    const names = await list();
    expect(names).toContain('gpt-4o-mini');
    expect(names.filter((name) => !/^(gpt|o|text-|dall-e|tts|whisper)/.test(name))).toEqual([]);
    expect(site.command.stderr()).toMatch(/served and not listed.*127\.0\.0\.1:1/);
    expect(site.command.stderr()).not.toContain('sk-ant');
    expect((await chat(site.listening.url, key, 'gpt-unlisted')).status).toBe(200);
    site.command.signal('SIGHUP');
    await until(() => site.command.stderr().includes('loaded again'), 'the reload');
    expect(await list()).toEqual(names);
  });

  it.each(['0.0.0.0', '::', '192.0.2.1', 'example.com'])(
    'refuses to listen on %s without keys',
    async (host) => {
      const environment = { OPENAI_API_KEY: 'k' };
      const { code, stdout, stderr } = await run(['serve', '--port', '0', '--host', host], { environment });
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain(`Refusing to listen on ${host} without keys`);
      expect(stderr).toContain('headgate keys create --team');
      expect(stderr).toContain('put its record into HEADGATE_KEYS');
    },
  );

  it('names the place of keys that it reads: beside a file that is no variable', async () => {
    await using directory = await createDirectory({ 'headgate.config.json': toConfigText(upstream.url) });
    const { stderr } = await run(['serve', '--port', '0', '--host', '0.0.0.0'], { cwd: directory.path });
    expect(stderr).toContain('put its record into "keys",');
    expect(stderr).not.toContain('HEADGATE_KEYS');
  });

  it('listens beyond loopback with keys', async () => {
    const { key, directory, options } = await createSite();
    await using _ = directory;
    await using site = await serve(['--host', '0.0.0.0'], options);
    const url = site.listening.url.replace('0.0.0.0', '127.0.0.1');
    expect((await chat(url, key)).status).toBe(200);
  });

  it('says what to do when the port is taken', async () => {
    const { directory, options } = await createSite();
    await using _ = directory;
    const other = createServer().listen(0, '127.0.0.1');
    await until(() => other.listening);
    const { port } = other.address() as { port: number };
    const { code, stderr } = await run(['serve', '--port', String(port)], options);
    other.close();
    expect(code).toBe(1);
    expect(stderr).toContain(`Cannot listen on 127.0.0.1:${port}: something else listens there.`);
  });

  it('refuses to be its own provider', async () => {
    const environment = { OPENAI_API_KEY: 'k', OPENAI_BASE_URL: 'http://localhost:8787/v1' };
    const { code, stderr } = await run(['serve'], { environment });
    expect(code).toBe(1);
    expect(stderr).toContain("is this gateway's own address");
  });

  it('lists what is wrong in the configuration and does not start', async () => {
    const { directory, text, options } = await createSite();
    await using _ = directory;
    await directory.write(
      'headgate.config.json',
      text.replace('"targets":["openai"]', '"targets":["azure"]'),
    );
    const { code, stderr } = await run(['serve', '--port', '0'], options);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /headgate\.config\.json:1:\d+: models\.gpt-4\.1\.targets\[0\]: no provider "azure"/,
    );
  });

  it('warns of keys whose pepper it does not have', async () => {
    const { directory, options } = await createSite();
    await using _ = directory;
    const environment = { HEADGATE_PEPPER: Buffer.alloc(32, 7).toString('base64') };
    await using site = await serve([], { ...options, environment });
    expect(site.command.stderr()).toContain(
      '1 of 1 keys cannot be used: they were hashed under the pepper "none"',
    );
  });

  it('appends a record of each request to --records', async () => {
    const { key, directory, options } = await createSite();
    await using _ = directory;
    const file = join(directory.path, 'records.jsonl');
    const site = await serve(['--records', file], options);
    await (await chat(site.listening.url, key)).text();
    await (await chat(site.listening.url, key, 'unknown')).text();
    site.command.signal('SIGTERM');
    expect(await site.command.code).toBe(0);
    const records = (await readFile(file, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(records).toMatchObject([
      { team: 'web', model: 'gpt-4.1', outcome: 'complete', status: 200 },
      { team: 'web', requestedModel: 'unknown', outcome: 'refused', status: 404 },
    ]);
  });
});

describe('headgate serve while it runs', () => {
  const isReloaded = (command: StartedCommand, times: number) => () =>
    command.stderr().split('configuration loaded again').length > times;

  it('takes a changed configuration on SIGHUP, a revoked key included', async () => {
    const { key, text, directory, options } = await createSite();
    await using _ = directory;
    await using site = await serve([], options);
    expect((await chat(site.listening.url, key)).status).toBe(200);
    await directory.write('headgate.config.json', text.replace('"last4"', '"revokedAtMs":1,"last4"'));
    site.command.signal('SIGHUP');
    await until(isReloaded(site.command, 1), 'the reload');
    expect((await chat(site.listening.url, key)).status).toBe(401);
  });

  it('looks again after a SIGHUP that came before it served', async () => {
    const { directory, options } = await createSite();
    await using _ = directory;
    const command = start(['serve', '--port', '0'], options);
    command.signal('SIGHUP');
    await until(isReloaded(command, 1), 'the reload');
    command.signal('SIGTERM');
    expect(await command.code).toBe(0);
  });

  it('notices a changed file by itself', async () => {
    const { key, text, directory, options } = await createSite();
    await using _ = directory;
    await using site = await serve([], options);
    expect((await chat(site.listening.url, key, 'clever')).status).toBe(404);
    await directory.write('headgate.config.json', text.replace('"smart"', '"smart","clever"'));
    await until(isReloaded(site.command, 1), 'the reload');
    expect((await chat(site.listening.url, key, 'clever')).status).toBe(200);
  });

  it('goes on with the last good configuration and says why', async () => {
    const { key, text, directory, options } = await createSite();
    await using _ = directory;
    await using site = await serve([], options);
    await directory.write('headgate.config.json', text.slice(0, -1));
    site.command.signal('SIGHUP');
    await until(() => site.command.stderr().includes('not valid JSON'), 'the message');
    expect(site.command.stderr()).toContain('the new configuration is not used, the old one goes on');
    expect((await chat(site.listening.url, key)).status).toBe(200);
    await directory.write('headgate.config.json', text);
    site.command.signal('SIGHUP');
    await until(isReloaded(site.command, 1), 'the reload');
    expect((await chat(site.listening.url, key)).status).toBe(200);
  });

  it('goes on when a file in JavaScript rejects with what is no error', async () => {
    const { key, text, directory, options } = await createSite();
    await using _ = directory;
    await directory.write('headgate.config.mjs', `export default ${text};`);
    await using site = await serve([], options);
    await directory.write('headgate.config.mjs', 'export default Promise.reject(null);');
    site.command.signal('SIGHUP');
    await until(
      () => /the old one goes on: .*config\.mjs: null\n/.test(site.command.stderr()),
      'the message',
    );
    await directory.write('headgate.config.mjs', `export default ${text.replace('"smart"', '"clever"')};`);
    site.command.signal('SIGHUP');
    await until(isReloaded(site.command, 1), 'the reload');
    expect((await chat(site.listening.url, key, 'clever')).status).toBe(200);
  });

  it('keeps to the file that it has found: while that is away the old configuration goes on', async () => {
    const { key, text, directory, options } = await createSite();
    await using _ = directory;
    const environment = { OPENAI_API_KEY: 'sk-upstream', OPENAI_BASE_URL: `${upstream.url}/v1` };
    await using site = await serve([], { ...options, environment });
    const file = join(directory.path, 'headgate.config.json');
    await rename(file, `${file}.away`);
    site.command.signal('SIGHUP');
    await until(() => /headgate: .*loaded again|no such file/.test(site.command.stderr()), 'the reload');
    expect(site.command.stderr()).toContain('the old one goes on');
    expect((await chat(site.listening.url, key)).status).toBe(200);

    // a name that would be found first
    await directory.write('headgate.config.mjs', `export default ${toConfigText(upstream.url)}`);
    await directory.write('headgate.config.json', text.replace('"smart"', '"smart","clever"'));
    site.command.signal('SIGHUP');
    await until(isReloaded(site.command, 1), 'the second reload');
    expect((await chat(site.listening.url, key, 'clever')).status).toBe(200);
  });

  it('keeps its temporary key over a reload, until keys are configured', async () => {
    const text = toConfigText(upstream.url);
    await using directory = await createDirectory({ 'headgate.config.json': text });
    await using site = await serve([], { cwd: directory.path, environment: {} });
    const temporaryKey = site.listening.temporaryKey as string;
    site.command.signal('SIGHUP');
    await until(isReloaded(site.command, 1), 'the reload');
    expect((await chat(site.listening.url, temporaryKey)).status).toBe(200);
    const { key, record } = await createKey(['--team', 'web']);
    await directory.write('headgate.config.json', toConfigText(upstream.url, { keys: [record] }));
    site.command.signal('SIGHUP');
    await until(isReloaded(site.command, 2), 'the second reload');
    expect((await chat(site.listening.url, temporaryKey)).status).toBe(401);
    expect((await chat(site.listening.url, key)).status).toBe(200);
  });

  it('does not give up its keys while it can be reached from elsewhere', async () => {
    const { key, directory, options } = await createSite();
    await using _ = directory;
    await using site = await serve(['--host', '0.0.0.0'], options);
    await directory.write('headgate.config.json', toConfigText(upstream.url));
    site.command.signal('SIGHUP');
    await until(() => site.command.stderr().includes('Refusing to listen'), 'the message');
    expect((await chat(site.listening.url.replace('0.0.0.0', '127.0.0.1'), key)).status).toBe(200);
  });

  it('lets a running stream finish before it ends', async () => {
    const slow = await createFakeUpstream({ chunkDelayMs: 60 });
    const { key, record } = await createKey(['--team', 'web']);
    await using directory = await createDirectory({
      'headgate.config.json': toConfigText(slow.url, { keys: [record] }),
    });
    const site = await serve([], { cwd: directory.path, environment: {} });
    const reply = await chat(site.listening.url, key, 'gpt-4.1', { stream: true });
    const reader = (reply.body as ReadableStream<Uint8Array>).getReader();
    let text = new TextDecoder().decode((await reader.read()).value);
    site.command.signal('SIGTERM');
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      text += new TextDecoder().decode(chunk.value);
    }
    expect(text).toContain('data: [DONE]');
    expect(await site.command.code).toBe(0);
    expect(site.command.exits).toEqual([]);
    await slow.close();
  });

  it('ends a stream that outlasts --drain-ms with an error, and ends at once at the second signal', async () => {
    const stuck = await createFakeUpstream();
    stuck.fail({ kind: 'cut', how: 'stall', afterChunks: 1 });
    const { key, record } = await createKey(['--team', 'web']);
    await using directory = await createDirectory({
      'headgate.config.json': toConfigText(stuck.url, { keys: [record] }),
    });
    const site = await serve(['--drain-ms', '300'], { cwd: directory.path, environment: {} });
    const reply = await chat(site.listening.url, key, 'gpt-4.1', { stream: true });
    const rest = reply.text();
    site.command.signal('SIGTERM');
    // once more at once is the same Ctrl-C, come twice
    site.command.signal('SIGTERM');
    expect(site.command.exits).toEqual([]);
    site.command.signal('SIGINT');
    expect(site.command.exits).toEqual([1]);
    expect(await site.command.code).toBe(0);
    expect(await rest).toMatch(/data: \{"error":\{.*"shutting_down"\}\}\n\n$/);
    await stuck.close();
  });
});

describe('headgate serve on a store', () => {
  async function createStoreSite() {
    const directory = await createDirectory();
    const environment = { HEADGATE_STORE: 'sqlite:store.db', OPENAI_API_KEY: 'sk-upstream' };
    const options = { cwd: directory.path, environment };
    const apply = async (models: object) => {
      const config = JSON.parse(toConfigText(upstream.url, { models }));
      config.providers.openai.apiKey = { env: 'OPENAI_API_KEY' };
      await directory.write('next.json', JSON.stringify(config));
      const applied = await run(['config', 'apply', '--config', 'next.json'], options);
      expect(applied).toMatchObject({ code: 0, stderr: '' });
    };
    return { directory, options, apply };
  }
  const one = { 'gpt-4.1': { targets: ['openai'] } };

  it('serves its configuration to its keys, and takes over every change of either', async () => {
    const { directory, options, apply } = await createStoreSite();
    await using _ = directory;
    await apply(one);
    await using site = await serve([], options);
    expect(site.listening).toMatchObject({ source: 'sqlite:store.db (version 1)', keys: null });
    const { url } = site.listening;
    const statusOf = async (key: string, model = 'gpt-4.1') => {
      const reply = await chat(url, key, model);
      await reply.text();
      return reply.status;
    };

    const { key, record } = await createKey(['--team', 'web'], options);
    expect(await statusOf(key)).toBe(200);
    const rotated = JSON.parse(
      (await run(['keys', 'rotate', record.kid, '--grace', '0', '--json'], options)).stdout,
    );
    await until(async () => (await statusOf(key)) === 401, 'the end of the old secret');
    expect(await statusOf(rotated.key)).toBe(200);

    expect(await statusOf(rotated.key, 'gpt-5')).toBe(404);
    await apply({ ...one, 'gpt-5': { targets: ['openai'] } });
    await until(async () => (await statusOf(rotated.key, 'gpt-5')) === 200, 'the new model');

    await run(['keys', 'revoke', record.kid], options);
    await until(async () => (await statusOf(rotated.key)) === 401, 'the revocation');
    expect(site.command.stderr()).not.toContain('the old one goes on');
  });

  it('writes when keys were last used, at the latest when it ends', async () => {
    const { directory, options, apply } = await createStoreSite();
    await using _ = directory;
    await apply(one);
    const site = await serve([], options);
    const { key } = await createKey(['--team', 'web'], options);
    const beforeMs = Date.now();
    await (await chat(site.listening.url, key)).text();
    site.command.signal('SIGTERM');
    expect(await site.command.code).toBe(0);
    const { keys } = JSON.parse((await run(['keys', 'list', '--json'], options)).stdout);
    expect(keys[0].lastUsedAtMs).toBeGreaterThanOrEqual(beforeMs);
  });

  it('sends the credential that is stored for the provider, and the new one once it is replaced', async () => {
    const { directory, options } = await createStoreSite();
    await using _ = directory;
    const environment = { ...options.environment, HEADGATE_KEK: Buffer.alloc(32, 5).toString('base64') };
    const cli = async (argv: readonly string[], stdin = '') => {
      const result = await run(argv, { ...options, environment, stdin });
      expect(result.code, result.stderr).toBe(0);
    };
    const config = JSON.parse(toConfigText(upstream.url));
    config.providers.openai.apiKey = { store: 'openai' };
    await directory.write('next.json', JSON.stringify(config));
    const early = await run(['config', 'apply', '--config', 'next.json'], { ...options, environment });
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining('no secret "openai" is stored')]);
    await cli(['providers', 'set-secret', 'openai'], 'sk-first');
    await cli(['config', 'apply', '--config', 'next.json']);
    await cli(['check']);
    const sealed = await run(['serve', '--port', '0'], options);
    expect([sealed.code, sealed.stderr]).toEqual([1, expect.stringContaining('set HEADGATE_KEK')]);
    await using site = await serve([], { ...options, environment });
    const { key } = await createKey(['--team', 'web'], options);
    const sent = async () => {
      const reply = await chat(site.listening.url, key);
      await reply.text();
      expect(reply.status).toBe(200);
      return upstream.requests.at(-1)?.headers.authorization;
    };
    expect(await sent()).toBe('Bearer sk-first');
    await cli(['providers', 'set-secret', 'openai'], 'sk-second');
    await until(async () => (await sent()) === 'Bearer sk-second', 'the new credential');
    expect(site.command.stdout() + site.command.stderr()).not.toMatch(/sk-(first|second)/);
  });

  it('warns of stored keys whose pepper it does not have', async () => {
    const { directory, options, apply } = await createStoreSite();
    await using _ = directory;
    await apply(one);
    await createKey(['--team', 'web'], options);
    const pepper = { HEADGATE_PEPPER: Buffer.alloc(32, 7).toString('base64') };
    await using site = await serve([], { ...options, environment: { ...options.environment, ...pepper } });
    expect(site.command.stderr()).toContain(
      '1 of 1 keys cannot be used: they were hashed under the pepper "none"',
    );
  });

  it('starts, and says why, where the keys in the store cannot be listed', async () => {
    const { directory, options, apply } = await createStoreSite();
    await using _ = directory;
    await apply(one);
    await createKey(['--team', 'web'], options);
    const { key } = await createKey(['--team', 'web'], options);
    using database = new DatabaseSync(join(directory.path, 'store.db'));
    database.exec(
      "UPDATE headgate_keys SET record = '{' WHERE rowid = (SELECT min(rowid) FROM headgate_keys)",
    );
    await using site = await serve([], options);
    expect(site.command.stderr()).toMatch(
      /^headgate: the keys cannot be listed, .*SQLite store .*store\.db/m,
    );
    expect((await chat(site.listening.url, key)).status).toBe(200);
  });

  it('says what to do when the store has no configuration', async () => {
    const { directory, options } = await createStoreSite();
    await using _ = directory;
    await run(['migrate'], options);
    const { code, stderr } = await run(['serve', '--port', '0'], options);
    expect(code).toBe(1);
    expect(stderr).toContain('There is no configuration in sqlite:store.db yet.');
  });

  it('lists what is wrong when a secret is missing here, and does not start', async () => {
    const { directory, options, apply } = await createStoreSite();
    await using _ = directory;
    await apply(one);
    const environment = { HEADGATE_STORE: 'sqlite:store.db' };
    const { code, stderr } = await run(['serve', '--port', '0'], { ...options, environment });
    expect(code).toBe(1);
    expect(stderr).toContain('OPENAI_API_KEY is not set');
    expect(stderr).not.toContain(' at ');
  });
});
