import { readdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createProcessIo } from '../../src/cli/io.ts';
import { describeStore, openStores } from '../../src/cli/open-stores.ts';
import { createDirectory, run, toConfigText, until } from './harness.ts';

describe('--store', () => {
  it.each([['nothing'], ['mysql://localhost/x'], [':memory:'], ['sqlite'], ['http://user:canary@host/']])(
    'refuses %s, says what there is, and repeats no password',
    async (url) => {
      const { code, stdout, stderr } = await run(['keys', 'list', '--store', url]);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toContain('sqlite:<file>');
      expect(stderr).not.toContain('canary');
    },
  );

  it.each([['keys', 'list'], ['keys', 'rotate', 'x'], ['config', 'versions'], ['migrate']])(
    'is needed by %s %s',
    async (...argv) => {
      const { code, stderr } = await run(argv);
      expect(code).toBe(2);
      expect(stderr).toContain('--store (or HEADGATE_STORE) is needed');
    },
  );

  it('memory: is empty each time', async () => {
    const { code, stdout } = await run(['keys', 'list', '--store', 'memory:', '--json']);
    expect([code, JSON.parse(stdout)]).toEqual([0, { keys: [], after: null }]);
  });

  it.each(['sqlite:%', 'sqlite://%', 'file:%', 'file://%'])('takes an absolute path as %s', async (form) => {
    await using directory = await createDirectory();
    const io = { ...createProcessIo(), cwd: '/nonexistent' };
    const stores = await openStores(form.replace('%', `${directory.path}/place`), io);
    await stores.migrate();
    expect(await stores.config.readNumber()).toBe(0);
    await stores.close();
  });

  it.each(['postgres', 'redis'])(
    'fails with the reason and without the password when %s is not there',
    async (scheme) => {
      // a port that was free a moment ago
      const server = createServer().listen(0, '127.0.0.1');
      await until(() => server.listening);
      const { port } = server.address() as { port: number };
      await new Promise((resolve) => server.close(resolve));
      const url = `${scheme}://ana:canary@127.0.0.1:${port}/0`;
      const { code, stdout, stderr } = await run(['keys', 'list'], { environment: { HEADGATE_STORE: url } });
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toContain(`${scheme}://ana:***@127.0.0.1:${port}/0`);
      expect(stderr).not.toContain('canary');
      expect(stderr.split('\n').length).toBeLessThan(5);
    },
  );

  it.each([
    ['keys', 'list'],
    ['keys', 'revoke', 'Aa0000000001'],
    ['config', 'versions'],
    ['config', 'rollback', '1'],
    ['profiles', 'list'],
    ['explain', '--team', 'web', '--model', 'x'],
    ['serve', '--port', '0'],
  ])('is not made by %s %s where there is none: the path has a slip in it', async (...argv) => {
    await using directory = await createDirectory();
    for (const store of ['sqlite:nowhere.db', 'file:nowhere']) {
      const words = argv.filter((word) => word !== undefined);
      const { code, stderr } = await run([...words, '--store', store], { cwd: directory.path });
      expect(code).toBe(1);
      expect(stderr).toContain('There is no store at ');
      expect(stderr).toContain('headgate migrate');
    }
    expect(await readdir(directory.path)).toEqual([]);
  });

  it('says which file is no database and leaves it as it was', async () => {
    await using directory = await createDirectory({
      'data.db': 'not a database, but long enough to be read as one',
    });
    const { code, stderr } = await run(['keys', 'list', '--store', 'sqlite:data.db'], {
      cwd: directory.path,
    });
    expect(code).toBe(1);
    expect(stderr).toContain('data.db');
    expect(stderr).not.toContain(' at ');
  });
});

describe('describeStore', () => {
  it.each([
    ['postgres://ana:secret@db/x', 'postgres://ana:***@db/x'],
    ['redis://:secret@cache:6379', 'redis://:***@cache:6379'],
    ['postgres://db/x?user=a&password=secret&ssl=1', 'postgres://db/x?user=a&password=***&ssl=1'],
    ['sqlite:data.db', 'sqlite:data.db'],
    ['postgres://ana:p@ss:word@db/x', 'postgres://ana:***@db/x'],
  ])('shows %s as %s', (url, shown) => {
    expect(describeStore(url)).toBe(shown);
  });
});

describe('the commands that look at a configuration', () => {
  const more = {
    providers: {
      main: { type: 'openai', apiKey: 'sk-canary', headers: { 'x-token': 'canary-2' } },
      spare: {
        type: 'openai',
        credentials: [
          { id: 'one', apiKey: { env: 'ONE' } },
          { id: 'two', apiKey: { file: '/run/two' } },
        ],
      },
    },
    models: {
      'gpt-4.1': { targets: ['main', { provider: 'spare', model: 'x' }], aliases: ['smart'], enabled: false },
    },
  };

  it('list and show what is in a file, without secrets', async () => {
    await using directory = await createDirectory({
      'headgate.config.json': toConfigText('http://127.0.0.1:1', more),
    });
    const cli = async (...argv: string[]) => {
      const result = await run(argv, { cwd: directory.path });
      expect(result.stderr + result.stdout).not.toContain('canary');
      return result;
    };
    expect((await cli('providers', 'list')).stdout).toBe(
      [
        'NAME   TYPE    BASE URL  CREDENTIALS',
        'main   openai  -         literal',
        'spare  openai  -         one (env ONE), two (file /run/two)',
        '',
      ].join('\n'),
    );
    expect((await cli('models', 'list')).stdout).toContain(
      'gpt-4.1  main, spare/x  smart    -       disabled',
    );
    expect((await cli('profiles', 'list')).stdout).toContain('standard  gpt-*   100 requests/1m  -     web');
    expect((await cli('providers', 'show', 'main')).stdout).toContain('apiKey           [secret]\n');
    const shown = JSON.parse((await cli('profiles', 'show', 'standard', '--json')).stdout);
    expect(shown.entry).toEqual({
      models: ['gpt-*'],
      limits: [{ unit: 'requests', amount: 100, window: '1m' }],
    });
    const missing = await cli('models', 'show', 'gpt-5');
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('There are: gpt-4.1.')]);
    expect((await cli('models', 'show')).stderr).toContain('<model> is needed.');
    expect((await cli('models', 'list', '--json', '--store', 'memory:', '-c', 'x')).code).toBe(2);
  });

  it('let no text of others steer the terminal', async () => {
    const models = { 'gpt-4.1': { targets: ['openai'], aliases: ['a\u001b[31mb\nc'] } };
    await using directory = await createDirectory({
      'headgate.config.json': toConfigText('http://127.0.0.1:1', { models }),
    });
    for (const argv of [
      ['models', 'list'],
      ['models', 'show', 'gpt-4.1'],
    ]) {
      const { stdout } = await run(argv, { cwd: directory.path });
      expect(stdout).toContain('a\ufffd[31mb\ufffdc');
      expect(stdout).not.toContain('\u001b');
    }
  });
});
