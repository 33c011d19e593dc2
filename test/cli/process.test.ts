import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { createFakeUpstream } from 'headgate/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { createDirectory, createKey, readOutput, toConfigText, until } from './harness.ts';

const root = new URL('../../', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
  version: string;
  bin: { headgate: string };
};
const bin = fileURLToPath(new URL(manifest.bin.headgate, root));

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function spawnCli(
  argv: readonly string[],
  cwd: string,
  environment: NodeJS.ProcessEnv = {},
  files: { readonly stdout?: string; readonly stderr?: string } = {},
) {
  const { stdout, stderr } = files;
  const child = spawn(process.execPath, [bin, ...argv], {
    cwd,
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['pipe', ...[stdout, stderr].map((file) => (file === undefined ? 'pipe' : openSync(file, 'w')))],
  });
  children.push(child);
  const written = readOutput(child);
  const exit = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal }));
  });
  return { child, written, exit };
}

async function startServer(
  argv: readonly string[],
  cwd: string,
  environment?: NodeJS.ProcessEnv,
  files?: { readonly stderr: string },
) {
  const process = spawnCli(['serve', '--port', '0', '--json', ...argv], cwd, environment, files);
  const line = await until(
    () => process.written.stdout.split('\n')[0],
    `the start line (${process.written.stderr})`,
  );
  return { ...process, url: (JSON.parse(line) as { url: string }).url };
}

function chat(url: string, key: string, more: object = {}) {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-4.1', messages: [{ role: 'user', content: 'Hello' }], ...more }),
  });
}

/** A directory in which `headgate` is installed. */
async function createProject(files: Readonly<Record<string, string>>) {
  const directory = await createDirectory(files);
  await mkdir(`${directory.path}/node_modules`);
  await symlink(fileURLToPath(root), `${directory.path}/node_modules/headgate`);
  return directory;
}

describe.skipIf(!existsSync(bin))(
  'the built command (skipped only where the package was not built: npm run build)',
  () => {
    it('prints its version', async () => {
      const { exit, written } = spawnCli(['--version'], '/');
      expect(await exit).toEqual({ code: 0, signal: null });
      expect(written.stdout).toBe(`${manifest.version}\n`);
    });

    it('exits with 2 for what it does not understand', async () => {
      const { exit, written } = spawnCli(['serve', '--nonsense'], '/');
      expect(await exit).toEqual({ code: 2, signal: null });
      expect(written.stderr).toContain("Unknown option '--nonsense'");
    });

    it.each(['file:store', 'sqlite:store.db'])(
      'works on %s from several processes at once, loses nothing and ends by itself',
      { timeout: 300_000 },
      async (store) => {
        await using directory = await createDirectory();
        const environment = { HEADGATE_STORE: store };
        const spawned = Array.from({ length: 6 }, () =>
          spawnCli(['keys', 'create', '--team', 'web', '--json'], directory.path, environment),
        );
        const made = await Promise.all(
          spawned.map(async ({ exit, written }) => {
            expect([await exit, written.stderr]).toEqual([
              { code: 0, signal: null },
              expect.stringContaining('without a pepper'),
            ]);
            return JSON.parse(written.stdout).record.kid as string;
          }),
        );
        const { exit, written } = spawnCli(['keys', 'list', '--json'], directory.path, environment);
        expect(await exit).toEqual({ code: 0, signal: null });
        const { keys } = JSON.parse(written.stdout) as { keys: { kid: string }[] };
        expect(keys.map(({ kid }) => kid)).toEqual(made.sort());
      },
    );

    it('finishes a running stream after SIGTERM, then ends with 0', async () => {
      await using upstream = await createFakeUpstream({ chunkDelayMs: 60 });
      const { key, record } = await createKey(['--team', 'web']);
      await using directory = await createDirectory({
        'headgate.config.json': toConfigText(upstream.url, { keys: [record] }),
      });
      const server = await startServer([], directory.path);
      const reply = await chat(server.url, key, { stream: true });
      const text = reply.text();
      server.child.kill('SIGTERM');
      expect(await text).toContain('data: [DONE]');
      expect(await server.exit).toEqual({ code: 0, signal: null });
    });

    it('ends at once at the second signal', async () => {
      await using upstream = await createFakeUpstream();
      upstream.fail({ kind: 'stall' });
      const { key, record } = await createKey(['--team', 'web']);
      await using directory = await createDirectory({
        'headgate.config.json': toConfigText(upstream.url, { keys: [record] }),
      });
      const server = await startServer([], directory.path);
      const reply = chat(server.url, key).catch(() => undefined);
      await upstream.waitFor(() => true, 60_000);
      server.child.kill('SIGINT');
      await until(() => server.written.stderr.includes('finishing requests'));
      server.child.kill('SIGTERM');
      expect(await server.exit).toEqual({ code: 1, signal: null });
      await reply;
    });

    it('refuses to listen beyond loopback without keys', async () => {
      const { exit, written } = spawnCli(['serve', '--host', '0.0.0.0', '--port', '0'], '/', {
        OPENAI_API_KEY: 'k',
      });
      expect(await exit).toEqual({ code: 1, signal: null });
      expect(written.stderr).toContain('Refusing to listen on 0.0.0.0 without keys');
    });

    it('goes on when nobody reads its output any more', async () => {
      await using upstream = await createFakeUpstream();
      const { key, record } = await createKey(['--team', 'web']);
      await using directory = await createDirectory({
        'headgate.config.json': toConfigText(upstream.url, { keys: [record] }),
      });
      const server = await startServer([], directory.path);
      server.child.stdout?.destroy();
      server.child.stderr?.destroy();
      // each reload writes a line into the broken pipe
      for (let times = 0; times < 3; times++) {
        server.child.kill('SIGHUP');
        expect((await chat(server.url, key)).status).toBe(200);
      }
      const ended = new Promise((resolve) => server.child.once('exit', resolve));
      server.child.kill('SIGTERM');
      expect(await ended).toBe(0);
    });

    it.skipIf(!existsSync('/dev/full'))('goes on while the disk of its log is full', async () => {
      await using upstream = await createFakeUpstream();
      const { key, record } = await createKey(['--team', 'web']);
      await using directory = await createDirectory({
        'headgate.config.json': toConfigText(upstream.url, { keys: [record] }),
      });
      const server = await startServer([], directory.path, {}, { stderr: '/dev/full' });
      // each reload writes a line
      for (let times = 0; times < 3; times++) {
        server.child.kill('SIGHUP');
        expect((await chat(server.url, key)).status).toBe(200);
      }
      server.child.kill('SIGTERM');
      expect(await server.exit).toEqual({ code: 0, signal: null });
    });

    it.skipIf(!existsSync('/dev/full'))('fails when its result cannot be written', async () => {
      const { exit } = spawnCli(['keys', 'create', '--team', 'web'], '/', {}, { stdout: '/dev/full' });
      expect(await exit).toEqual({ code: 1, signal: null });
    });

    it('reads a TypeScript configuration, and again when it changes', async () => {
      await using upstream = await createFakeUpstream();
      const { key, record } = await createKey(['--team', 'web']);
      const toText = (alias: string) =>
        `import { defineConfig } from 'headgate';
       const alias: string = '${alias}';
       export default defineConfig({ ...${toConfigText(upstream.url, { keys: [record] })}, models: { [alias]: { targets: ['openai/gpt-4.1'] } } });`;
      await using directory = await createProject({ 'headgate.config.ts': toText('gpt-one') });
      const server = await startServer([], directory.path);
      const statusOf = async (model: string) => (await chat(server.url, key, { model })).status;
      expect([await statusOf('gpt-one'), await statusOf('gpt-two')]).toEqual([200, 404]);
      await directory.write('headgate.config.ts', toText('gpt-two'));
      await until(() => server.written.stderr.includes('configuration loaded again'), 'the reload');
      expect([await statusOf('gpt-one'), await statusOf('gpt-two')]).toEqual([404, 200]);
    });

    it.each([
      ['headgate.config.ts', 'export default {\n  models: {},\n  teams: = 1,\n};', ':3:'],
      ['headgate.config.mjs', 'export default {\n  models: {},\n  teams: = 1,\n};', ':3:10: '],
      ['headgate.config.cjs', 'module.exports = {\n  teams: = 1 };', ':2:10: '],
      ['headgate.config.ts', 'enum X { A }\nexport default {};', ':1:1: TypeScript enum is not supported'],
      ['headgate.config.ts', "import x from './missing.ts';\nexport default x;", 'missing.ts'],
    ])('says where %s is wrong: %j', async (name, text, place) => {
      await using directory = await createDirectory({ [name]: text });
      const { exit, written } = spawnCli(['check'], directory.path);
      expect(await exit).toEqual({ code: 1, signal: null });
      expect(written.stderr).toContain(name);
      expect(written.stderr).toContain(place);
    });
  },
);
