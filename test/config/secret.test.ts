import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { ConfigError, type GatewayConfig } from 'headgate';
import { afterAll, describe, expect, it } from 'vitest';
import { Secret } from '../../src/secrets/secret.ts';
import { startGateway } from '../harness.ts';
import { compile, issuesOf, small } from './compile.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-secret-'));
afterAll(() => rmSync(folder, { recursive: true }));
const canary = 'sk-canary-0123456789abcdef';

const withKey = (apiKey: unknown) =>
  ({ ...small, providers: { openai: { type: 'openai', apiKey } } }) as GatewayConfig;
const revealed = (apiKey: unknown, environment?: NodeJS.ProcessEnv) =>
  compile(withKey(apiKey), environment).providers.get('openai')?.credentials[0]?.source.current().reveal();

describe('a secret', () => {
  it('comes from the text itself, the environment, a file or a function, without the space around it', () => {
    writeFileSync(join(folder, 'key'), `${canary}\n`);
    expect(revealed(canary)).toBe(canary);
    expect(revealed(`\n  ${canary}\n`)).toBe(canary);
    expect(revealed({ env: 'KEY' }, { KEY: canary })).toBe(canary);
    expect(revealed({ file: join(folder, 'key') })).toBe(canary);
    expect(revealed(() => canary)).toBe(canary);
  });

  it('is asked of its function again by every update', async () => {
    const secrets = ['first', 'second'];
    const { gateway, config } = await startGateway((given) => ({
      ...given,
      providers: { openai: { type: 'openai', apiKey: () => secrets.shift() ?? 'none' } },
      models: { m: { targets: ['openai'] } },
    }));
    const current = () => gateway.snapshot.providers.get('openai')?.credentials[0]?.source.current().reveal();
    expect(current()).toBe('first');
    gateway.update(config);
    expect(current()).toBe('second');
  });

  it.each<[string, unknown, string, NodeJS.ProcessEnv?]>([
    ['a variable that is not set', { env: 'MISSING' }, 'the environment variable MISSING is not set.'],
    ['a variable that is empty', { env: 'EMPTY' }, 'the secret is empty.', { EMPTY: '  ' }],
    ['a file that is not there', { file: '/nowhere/key' }, 'the file /nowhere/key cannot be read.'],
    ['a file that is a folder', { file: folder }, `the file ${folder} cannot be read.`],
    [
      'a line break inside',
      { env: 'TWO' },
      'the secret has characters that no header can carry.',
      { TWO: 'a\r\nx: 1' },
    ],
    ['a character beyond ASCII', 'schlüssel', 'the secret has characters that no header can carry.'],
    [
      'a function that throws',
      () => {
        throw new Error(`vault is sealed; asked for ${canary}`);
      },
      'the function failed (Error).',
    ],
    ['a function that gives nothing', () => '', 'the secret is empty.'],
  ])('from %s is an issue with the path of its option', (_, apiKey, message, environment) => {
    expect(issuesOf(withKey(apiKey), environment)).toEqual([`providers.openai.apiKey: ${message}`]);
  });

  it('of one of several credentials is named by its place', () => {
    const config = {
      ...small,
      providers: {
        openai: {
          type: 'openai',
          credentials: [
            { id: 'a', apiKey: 'x' },
            { id: 'b', apiKey: { env: 'NONE' } },
          ],
        },
      },
    };
    expect(issuesOf(config)).toEqual([
      'providers.openai.credentials[1].apiKey: the environment variable NONE is not set.',
    ]);
  });

  it('does not show itself in any form of printing', () => {
    const secret = new Secret('openai', canary);
    const holder = { secret, nested: [{ secret }] };
    const printed = [
      String(secret),
      `${secret}`,
      JSON.stringify(holder),
      inspect(holder, { depth: 9, showHidden: true }),
      inspect(secret, { customInspect: false, showHidden: true }),
      JSON.stringify(Object.entries(secret)),
      JSON.stringify(structuredClone({ ...secret })),
    ].join('\n');
    expect(printed).toContain('[secret:openai]');
    expect(printed).not.toContain('canary');
  });

  it('does not stand in the message of a configuration that is refused', () => {
    const wrong = {
      ...withKey({ env: 'BAD' }),
      models: { m: { targets: ['nobody'] } },
      keys: [{ secretHash: canary }],
    };
    let refused: unknown;
    try {
      compile(wrong as never, { BAD: `${canary}\u0000` });
    } catch (error) {
      refused = error;
    }
    expect(refused).toBeInstanceOf(ConfigError);
    expect(inspect(refused, { depth: 9 })).not.toContain('canary');
  });

  it('does not show itself when a gateway or its snapshot is printed or written as JSON, wherever it came from', async () => {
    for (const apiKey of [canary, { env: 'KEY' }, () => canary]) {
      const { gateway } = await startGateway(
        (given) => ({
          ...given,
          providers: { openai: { type: 'openai', apiKey } },
          models: { m: { targets: ['openai'] } },
        }),
        { environment: { KEY: canary } },
      );
      const { snapshot } = gateway;
      const shown = [
        inspect(gateway, { depth: 20 }),
        inspect(snapshot, { depth: 20 }),
        JSON.stringify(snapshot),
      ];
      expect(shown.join('\n').includes('canary'), String(typeof apiKey)).toBe(false);
    }
  });
});
