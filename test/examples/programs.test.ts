import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createFakeUpstream } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { createDirectory, createKey, until } from '../cli/harness.ts';

const root = new URL('../../', import.meta.url);
const isBuilt = existsSync(new URL('dist/index.js', root));

/** Runs a program of the repository against the built package, with nothing else in its environment. */
function runProgram(file: string, environment: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [fileURLToPath(new URL(file, root))], {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const code = new Promise<number | null>((resolve) => child.on('close', resolve));
  return { child, code, output: () => output };
}

describe.skipIf(!isBuilt)('the demo (skipped only where the package was not built: npm run build)', () => {
  it('shows every step, ends with the table by team and exits with 0', async () => {
    const demo = runProgram('examples/demo/demo.ts');
    expect(await demo.code, demo.output()).toBe(0);
    expect(demo.output()).toMatch(/All \d+ steps did what they should\./);
    for (const part of [
      '404 model_not_found',
      '429',
      'flaky/gpt-4.1-mini#default: status 503',
      '401 revoked_key',
    ]) {
      expect(demo.output()).toContain(part);
    }
    for (const team of ['payments', 'data', 'agents'])
      expect(demo.output()).toMatch(new RegExp(`^ +${team} +\\d`, 'm'));
  });

  it('uses the keys of the environment instead of the local upstreams, and never prints them', async () => {
    await using upstream = await createFakeUpstream({ apiKeys: ['sk-of-my-own'] });
    const demo = runProgram('examples/demo/demo.ts', {
      OPENAI_API_KEY: 'sk-of-my-own',
      OPENAI_BASE_URL: `${upstream.url}/v1`,
    });
    expect(await demo.code, demo.output()).toBe(0);
    expect(demo.output()).toContain('openai: the real provider');
    expect(demo.output()).toContain('anthropic: a local upstream');
    expect(demo.output()).not.toContain('sk-of-my-own');
    expect(upstream.requests.length).toBeGreaterThan(3);
  });

  it('exits with 1 when a step does not do what it should', async () => {
    await using upstream = await createFakeUpstream({ apiKeys: ['sk-right'] });
    const demo = runProgram('examples/demo/demo.ts', {
      OPENAI_API_KEY: 'sk-wrong',
      OPENAI_BASE_URL: `${upstream.url}/v1`,
    });
    expect(await demo.code).toBe(1);
    expect(demo.output()).toMatch(/\d+ steps FAILED\./);
    expect(demo.output()).not.toContain('sk-wrong');
  });
});

describe.skipIf(!isBuilt)(
  'the examples as programs (skipped only where the package was not built: npm run build)',
  () => {
    it.each(['node', 'express', 'fastify', 'hono', 'routes', 'custom-key-store'])(
      'examples/%s runs by itself and ends at SIGTERM',
      async (name) => {
        const { key, record } = await createKey(['--team', 'web']);
        await using directory = await createDirectory({
          [`keys/${record.kid}.json`]: JSON.stringify(record),
        });
        const program = runProgram(`examples/${name}/server.ts`, {
          PORT: '0',
          OPENAI_API_KEY: 'k',
          ANTHROPIC_API_KEY: 'k',
          HEADGATE_KEYS: JSON.stringify([record]),
          KEY_DIRECTORY: `${directory.path}/keys`,
        });
        try {
          const url = await until(
            () => /OPENAI_BASE_URL=(\S+)/.exec(program.output())?.[1],
            `the address (${program.output()})`,
          );
          const reply = await fetch(`${url}/models`, { headers: { authorization: `Bearer ${key}` } });
          const { object, data } = (await reply.json()) as { object: string; data: { id: string }[] };
          // one of them has an alias, which is listed too
          expect([object, data[0]?.id, data.length]).toEqual(['list', 'gpt-4.1', name === 'node' ? 2 : 1]);
          program.child.kill('SIGTERM');
          expect(await program.code).toBe(0);
        } finally {
          program.child.kill('SIGKILL');
        }
      },
    );
  },
);
