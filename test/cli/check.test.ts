import { describe, expect, it, vi } from 'vitest';
import * as yaml from 'yaml';
import { createDirectory, run, toConfigText } from './harness.ts';

vi.mock('yaml', { spy: true });

const valid = toConfigText('http://127.0.0.1:1');

describe('headgate check', () => {
  it('accepts a valid configuration and counts its parts', async () => {
    await using directory = await createDirectory({ 'headgate.config.json': valid });
    const { code, stdout, stderr } = await run(['check'], { cwd: directory.path });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('headgate.config.json: 1 provider, 1 model, 1 profile, 1 team, 0 keys');
  });

  it('lists every issue with file, line, column and path', async () => {
    const text = [
      'providers:',
      '  openai: { type: openai, apiKey: k }',
      'models:',
      '  gpt-4.1:',
      '    targets: [openai, azure]',
      'teams:',
      '  web: { profile: standard }',
      '',
    ].join('\n');
    await using directory = await createDirectory({ 'headgate.config.yaml': text });
    const { code, stdout, stderr } = await run(['check'], { cwd: directory.path });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(
      'headgate.config.yaml:5:23: models.gpt-4.1.targets[1]: no provider "azure" is configured\n',
    );
    expect(stderr).toContain(
      'headgate.config.yaml:7:10: teams.web.profile: no profile "standard" is configured\n',
    );
    expect(stderr).toContain('2 issues');
  });

  it('parses the file once for the places of all issues, however many there are', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `team-${index}`);
    const teams = Object.fromEntries(names.map((name) => [name, { profile: 'other' }]));
    const text = JSON.stringify({ ...JSON.parse(valid), teams }, null, 1);
    await using directory = await createDirectory({ 'a.json': text });
    vi.mocked(yaml.parseDocument).mockClear();
    const { stderr } = await run(['check', '--config', 'a.json'], { cwd: directory.path });
    const lines = text.split('\n');
    for (const name of names) {
      const line = lines.findIndex((one) => one.includes(`"${name}"`)) + 2;
      expect(stderr).toContain(`a.json:${line}:4: teams.${name}.profile: no profile "other"`);
    }
    expect(yaml.parseDocument).toHaveBeenCalledTimes(1);
  });

  it('gives the same as JSON', async () => {
    await using directory = await createDirectory({ 'a.json': valid.replace('"standard"}', '"other"}') });
    const { code, stdout } = await run(['check', '--json', '--config', 'a.json'], { cwd: directory.path });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      ok: false,
      source: `${directory.path}/a.json`,
      issues: [
        {
          path: 'teams.web.profile',
          message: 'no profile "other" is configured',
          file: `${directory.path}/a.json`,
          line: 1,
          column: expect.any(Number),
        },
      ],
    });
    const good = await run(['check', '--json'], {
      cwd: directory.path,
      environment: { OPENAI_API_KEY: 'k' },
    });
    expect(JSON.parse(good.stdout)).toMatchObject({
      ok: true,
      issues: [],
      providers: 1,
      source: 'environment (OPENAI_API_KEY)',
    });
  });

  it('warns of routes that no request reaches, with their place, and accepts them', async () => {
    const routes = [{ name: 'all' }, { name: 'streams', match: { stream: true } }];
    const text = JSON.stringify({ ...JSON.parse(valid), routes }, null, 2);
    await using directory = await createDirectory({ 'headgate.config.json': text });
    const { code, stderr } = await run(['check'], { cwd: directory.path });
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^warning: headgate\.config\.json:\d+:\d+: routes\[1\]: no request reaches the route "streams": "all" stands before it and matches every request; move it up, or remove one\n$/,
    );
    const { stdout } = await run(['check', '--json'], { cwd: directory.path });
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, warnings: [{ path: 'routes[1]' }] });
  });

  it('reports a file that cannot be parsed like any other issue', async () => {
    await using directory = await createDirectory({ 'headgate.config.json': '{ "models": ' });
    const { code, stderr } = await run(['check'], { cwd: directory.path });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^headgate\.config\.json:1:13: not valid JSON/);
  });

  it.each([
    ['a.yaml', '', ':1: not a configuration: it must be an object'],
    ['a.yaml', '# nothing yet\n', ':1: not a configuration: it must be an object'],
    ['a.json', 'null', ':1: not a configuration: it must be an object'],
    ['a.json', '[]', ':1: not a configuration: it must be an object'],
    ['a.yaml', 'models: {}\n', ': providers: Invalid input: expected object'],
    ['a.yaml', 'models: {}\nproviders: openai\n', ':2:1: providers: Invalid input: expected object'],
    ['a.yaml', 'models: {}\nproviders: []\n', ':2:1: providers: Invalid input: expected object'],
    ['a.yaml', 'models: {}\nproviders:\n  openai:\n', ':3:3: providers.openai: Invalid input'],
    [
      'a.yaml',
      'models: {}\nproviders:\n  openai: { type: openai, credentials: [null] }\n',
      ':3:41: providers.openai.credentials[0]: Invalid input',
    ],
  ])('says where %s has another form than a configuration: %j', async (name, text, message) => {
    await using directory = await createDirectory({ [name]: text });
    const argv = ['check', '--config', name];
    const { code, stderr } = await run(argv, { cwd: directory.path });
    expect([code, stderr]).toEqual([1, expect.stringContaining(`${name}${message}`)]);
    expect(stderr).toMatch(/\n1 issue\n$/);
    const { stdout } = await run([...argv, '--json'], { cwd: directory.path });
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, issues: [{ path: expect.any(String) }] });
  });

  it('leaves what is wrong with an entry to itself: the lists show the others', async () => {
    const text = JSON.stringify({
      providers: { openai: null, azure: { type: 'azure', credentials: [null] } },
      models: { 'gpt-4.1': null, 'gpt-5': { targets: [null, 'openai'] } },
      profiles: { standard: null, small: { limits: [null] } },
      teams: { web: null, api: { profile: 'small' } },
    });
    await using directory = await createDirectory({ 'headgate.config.json': text });
    for (const [section, last] of [
      ['providers', /^azure +azure/m],
      ['models', /^gpt-5 .*openai/m],
      ['profiles', /^small .*api$/m],
    ] as const) {
      const { code, stdout, stderr } = await run([section, 'list'], { cwd: directory.path });
      expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: expect.stringMatching(last), stderr: '' });
    }
  });

  it('says what to do when there is no configuration at all', async () => {
    await using directory = await createDirectory();
    const { code, stderr } = await run(['check'], { cwd: directory.path });
    expect(code).toBe(1);
    expect(stderr).toContain('Set one, or write a configuration file.');
  });

  it('misses secrets that are not set, unless it is told to skip them', async () => {
    const text = valid.replace('"sk-upstream"', '{"env":"OPENAI_API_KEY"}');
    await using directory = await createDirectory({ 'headgate.config.json': text });
    const strict = await run(['check'], { cwd: directory.path });
    expect(strict.code).toBe(1);
    expect(strict.stderr).toContain(
      'providers.openai.apiKey: the environment variable OPENAI_API_KEY is not set.',
    );
    expect((await run(['check', '--skip-secrets'], { cwd: directory.path })).code).toBe(0);
  });
});
