import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { run } from './harness.ts';

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

describe('headgate', () => {
  it('prints the version of the package', async () => {
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });

  it('lists its commands on --help', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    for (const name of ['serve', 'keys create', 'check', 'explain']) expect(stdout).toContain(`\n  ${name} `);
  });

  it('prints the help on stderr and exits with 2 when it is given nothing', async () => {
    const { code, stdout, stderr } = await run([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Commands');
  });

  it.each([['serve'], ['keys create'], ['check'], ['explain']])(
    'describes every option of %s on --help',
    async (name) => {
      const { code, stdout } = await run([...name.split(' '), '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain(`headgate ${name}`);
      expect(stdout).toMatch(/--config <file>/);
      expect(stdout).toMatch(/--json/);
    },
  );

  it.each([
    ...['list', 'rotate', 'revoke'].map((verb) => `keys ${verb}`),
    ...['profiles', 'models', 'providers'].flatMap((noun) => [`${noun} list`, `${noun} show`]),
    'providers set-secret',
    ...['show', 'versions', 'diff', 'apply', 'rollback'].map((verb) => `config ${verb}`),
    'migrate',
  ])('describes %s and its --store and --json on --help', async (name) => {
    const { code, stdout, stderr } = await run([...name.split(' '), '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`headgate ${name}`);
    expect(stdout).toMatch(/--store <url> .*HEADGATE_STORE/);
    expect(stdout).toMatch(/--json/);
  });

  it('names the argument of a command that takes one', async () => {
    expect((await run(['keys', 'rotate', '--help'])).stdout).toContain(
      'headgate keys rotate <kid> [options]',
    );
  });

  it('shows the commands of a group on its --help', async () => {
    const { code, stdout } = await run(['keys', '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('--team <team>');
  });

  it.each([
    [['srve'], 'no command "srve"'],
    [['keys'], 'no command "keys"'],
    [['keys', 'crate'], 'no command "keys crate"'],
    [['serve', '--prt', '1'], "Unknown option '--prt'"],
    [['serve', 'now'], "Unexpected argument 'now'. A configuration file is named by --config."],
    [['serve', '--port', 'http'], '--port must be a whole number'],
    [['serve', '--port', '70000'], '--port must be a whole number from 0 to 65535'],
    [['serve', '--port'], 'argument missing'],
    [['serve', '--drain-ms=-1'], '--drain-ms must be a whole number'],
    [['check', '--config', ''], '--config is empty'],
    [['keys', 'create'], '--team is needed'],
    [['keys', 'rotate', '--store', 'memory:'], '<kid> is needed'],
    [['keys', 'rotate', 'a', 'b', '--store', 'memory:'], 'Unexpected argument "b"'],
    [['keys', 'rotate', 'a', '--grace', 'soon', '--store', 'memory:'], '--grace is a number and a unit'],
    [['keys', 'revoke', '--store', 'memory:'], 'Give <kid>, --owner, --team or --project'],
    [['keys', 'revoke', 'a', '--owner', 'b', '--store', 'memory:'], 'one of them only'],
    [
      ['keys', 'list', '--limit', '1001', '--store', 'memory:'],
      '--limit must be a whole number from 1 to 1000',
    ],
    [['config', 'rollback', 'x', '--store', 'memory:'], '<number> must be a whole number'],
    [
      ['config', 'diff', '--to', '1', '--config', 'x', '--store', 'memory:'],
      'Give --to or --config, not both',
    ],
    [['check', '--config', 'x', '--store', 'memory:'], 'Give --config or --store, not both'],
    [['serve', '--config', 'x', '--store', 'memory:'], 'Give --config or --store, not both'],
    [['explain', '--team', 'web'], '--model is needed'],
    [['explain', '--model', 'gpt-4.1'], '--key or --team is needed'],
  ])('exits with 2 and says why for %j', async (argv, message) => {
    const { code, stdout, stderr } = await run(argv);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('reports a failure as JSON on stdout too when it was asked for JSON', async () => {
    const { code, stdout } = await run(['keys', 'create', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toEqual({ ok: false, error: { message: '--team is needed.' } });
  });

  it('uses colours on a terminal only, and none with NO_COLOR', async () => {
    expect((await run(['--help'], { isTTY: true })).stdout).toContain('\u001b[1m');
    expect((await run(['--help'], { isTTY: false })).stdout).not.toContain('\u001b');
    expect((await run(['--help'], { isTTY: true, environment: { NO_COLOR: '1' } })).stdout).not.toContain(
      '\u001b',
    );
  });
});
