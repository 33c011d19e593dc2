import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFakeUpstream } from 'headgate/testing';
import { Agent, request } from 'undici';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { createRestarts } from '../../src/cli/serve/workers/restarts.ts';
import { createDirectory, createKey, readOutput, toConfigText, until } from './harness.ts';

const bin = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Processes that another has started, by their ids. */
function childrenOf(pid: number | undefined): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number);
}

const isRunning = (pid: number) => existsSync(`/proc/${pid}`);

async function serve(argv: readonly string[], cwd: string, environment: NodeJS.ProcessEnv = {}) {
  // of its own, so that what it leaves there is its doing
  const temporary = mkdtempSync(join(tmpdir(), 'headgate-workers-'));
  onTestFinished(() => rmSync(temporary, { recursive: true, force: true }));
  const child = spawn(process.execPath, [bin, 'serve', '--port', '0', '--json', ...argv], {
    cwd,
    env: { PATH: process.env.PATH, TMPDIR: temporary, ...environment },
  });
  children.push(child);
  const written = readOutput(child);
  const exit = new Promise<number | null>((resolve) => {
    child.on('close', (code) => resolve(code));
  });
  const started = async () => {
    const line = await until(() => written.stdout.split('\n')[0], `the start line (${written.stderr})`);
    return JSON.parse(line) as { url: string; temporaryKey?: string };
  };
  const own = () => readdirSync(temporary).filter((name) => name.startsWith('headgate-limits-'));
  return { child, written, exit, started, own };
}

/** One request on a connection of its own, so that the workers take turns. */
async function chat(url: string, key: string, more: object = {}) {
  const dispatcher = new Agent({ pipelining: 0 });
  try {
    const { statusCode, body } = await request(`${url}/v1/chat/completions`, {
      method: 'POST',
      dispatcher,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify({ model: 'gpt-4.1', messages: [{ role: 'user', content: 'Hello' }], ...more }),
    });
    return { status: statusCode, text: await body.text() };
  } finally {
    await dispatcher.close();
  }
}

const amount = 60;

async function createSite() {
  const upstream = await createFakeUpstream({ chunkDelayMs: 20 });
  onTestFinished(() => upstream.close());
  const { key, record } = await createKey(['--team', 'web']);
  const text = toConfigText(upstream.url, {
    keys: [record],
    teams: { web: { profile: 'standard' } },
    profiles: { standard: {} },
    limits: [{ unit: 'requests', amount, window: 'lifetime' }],
  });
  return { upstream, key, text };
}

describe.skipIf(!existsSync(bin) || process.platform !== 'linux')(
  'headgate serve --workers (skipped where the package was not built, and where processes cannot be listed)',
  () => {
    it('serves one port from several processes that share its limits exactly, one of them killed on the way', {
      timeout: 300_000,
    }, async () => {
      const { upstream, key, text } = await createSite();
      await using directory = await createDirectory({ 'headgate.config.json': text });
      const { child, written, exit, started, own } = await serve(['--workers', '2'], directory.path);
      const { url } = await started();
      await until(() => childrenOf(child.pid).length === 2 || undefined, 'two workers');
      await until(() => written.stderr.includes('2 workers share the port and the limits'), 'the news');
      expect(own()).toHaveLength(1);
      const first = await Promise.all(Array.from({ length: 20 }, () => chat(url, key)));
      expect(first.map(({ status }) => status)).toEqual(Array(20).fill(200));

      const [victim] = childrenOf(child.pid) as [number];
      process.kill(victim, 'SIGKILL');
      await until(() => written.stderr.includes(`worker ${victim} ended (SIGKILL)`) || undefined, 'the news');
      await until(() => (childrenOf(child.pid).length === 2 ? true : undefined), 'another worker');
      expect(childrenOf(child.pid)).not.toContain(victim);

      const statuses: number[] = [];
      for (let round = 0; round < 5; round++) {
        const replies = await Promise.all(Array.from({ length: 20 }, () => chat(url, key)));
        statuses.push(...replies.map(({ status }) => status));
      }
      const admitted = 20 + statuses.filter((status) => status === 200).length;
      expect(new Set(statuses)).toEqual(new Set([200, 402]));
      // what the killed worker had taken and not used is counted as used: never more, and a little less
      expect(admitted).toBeLessThanOrEqual(amount);
      expect(admitted).toBeGreaterThan(amount / 2);
      expect(upstream.requests).toHaveLength(admitted);

      child.kill('SIGTERM');
      expect(await exit).toBe(0);
      expect(own()).toEqual([]);
    });

    it('lets streams end when it is told to stop, and leaves no process behind', {
      timeout: 300_000,
    }, async () => {
      const { upstream, key, text } = await createSite();
      await using directory = await createDirectory({ 'headgate.config.json': text });
      const { child, exit, started } = await serve(['--workers', '2'], directory.path);
      const { url } = await started();
      await until(() => childrenOf(child.pid).length === 2 || undefined, 'two workers');
      const pids = childrenOf(child.pid);
      const running = Array.from({ length: 4 }, () => chat(url, key, { stream: true }));
      await until(() => upstream.requests.length === 4 || undefined, 'four requests');
      child.kill('SIGTERM');
      for (const one of await Promise.all(running)) expect(one.text).toContain('[DONE]');
      expect(await exit).toBe(0);
      await until(() => (pids.some(isRunning) ? undefined : true), 'the end of all workers');
    });

    it('shows one temporary key, which every worker takes, and keeps limits where it is told', {
      timeout: 300_000,
    }, async () => {
      const upstream = await createFakeUpstream();
      onTestFinished(() => upstream.close());
      const text = toConfigText(upstream.url, { keys: [] });
      await using directory = await createDirectory({ 'headgate.config.json': text });
      const { child, exit, started, own } = await serve(
        ['--workers', '2', '--limits', 'sqlite:limits.db'],
        directory.path,
      );
      const { url, temporaryKey = '' } = await started();
      await until(() => childrenOf(child.pid).length === 2 || undefined, 'two workers');
      const replies = await Promise.all(Array.from({ length: 12 }, () => chat(url, temporaryKey)));
      expect(replies.map(({ status }) => status)).toEqual(Array(12).fill(200));
      expect([own(), existsSync(`${directory.path}/limits.db`)]).toEqual([[], true]);
      child.kill('SIGINT');
      expect(await exit).toBe(0);
    });

    it('starts a worker from the file that the first one has found, and from nothing else while that is away', {
      timeout: 300_000,
    }, async () => {
      const { upstream, key, text } = await createSite();
      await using directory = await createDirectory({ 'headgate.config.json': text });
      const environment = { OPENAI_API_KEY: 'sk-upstream', OPENAI_BASE_URL: `${upstream.url}/v1` };
      const { child, written, exit, started } = await serve(['--workers', '2'], directory.path, environment);
      const { url } = await started();
      await until(() => written.stderr.includes('2 workers share the port and the limits'), 'the news');
      const file = join(directory.path, 'headgate.config.json');
      renameSync(file, `${file}.away`);
      const [victim] = childrenOf(child.pid) as [number];
      process.kill(victim, 'SIGKILL');
      await until(() => written.stderr.includes('there is no such file') || undefined, 'the refusal');
      expect((await chat(url, key)).status).toBe(200);
      child.kill('SIGTERM');
      expect(await exit).toBe(0);
    });

    it('says once what is wrong, and starts nothing, when its configuration is not valid', async () => {
      await using directory = await createDirectory({ 'headgate.config.json': '{ "providers": 1 }' });
      const { exit, written, own } = await serve(['--workers', '3'], directory.path);
      expect(await exit).toBe(1);
      expect(written.stderr.match(/providers/g)).toHaveLength(1);
      expect(own()).toEqual([]);
    });

    it('refuses a place that keeps no limits', async () => {
      const { text } = await createSite();
      await using directory = await createDirectory({ 'headgate.config.json': text });
      const { exit, written } = await serve(['--limits', 'file:here'], directory.path);
      expect(await exit).toBe(2);
      expect(written.stderr).toContain('--limits is sqlite:<file>, postgres://… or redis://…');
    });
  },
);

describe('a worker that dies', () => {
  it('is started again after a pause that doubles, up to a bound, until one has run for long', () => {
    const restarts = createRestarts({ minMs: 100, maxMs: 1_000, stableMs: 60_000 });
    expect(Array.from({ length: 6 }, () => restarts.died(10))).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    expect(restarts.failures).toBe(6);
    expect([restarts.died(60_000), restarts.died(10), restarts.failures]).toEqual([100, 200, 2]);
    expect(Array.from({ length: 2_000 }, () => restarts.died(0)).at(-1)).toBe(1_000);
  });
});
