import { createVirtualRuntime } from 'headgate/testing';
import { describe, expect, it } from 'vitest';
import { ConfigFileError } from '../../src/config/config-file-error.ts';
import { configFileNames, loadConfig } from '../../src/config/load-config.ts';
import { createDirectory, toConfigText } from './harness.ts';

const json = toConfigText('http://127.0.0.1:1');
const byExtension: Record<string, string> = {
  ts: `const name: string = 'openai';\nexport default { providers: { [name]: { type: 'openai', apiKey: 'k' } }, models: {} };`,
  mts: `export default { providers: { openai: { type: 'openai', apiKey: 'k' } }, models: {} } satisfies object;`,
  js: `export default { providers: { openai: { type: 'openai', apiKey: 'k' } }, models: {} };`,
  mjs: `export default Promise.resolve({ providers: { openai: { type: 'openai', apiKey: 'k' } }, models: {} });`,
  cjs: `module.exports = { providers: { openai: { type: 'openai', apiKey: 'k' } }, models: {} };`,
  json: '{"providers":{"openai":{"type":"openai","apiKey":"k"}},"models":{}}',
  yaml: 'providers:\n  openai: { type: openai, apiKey: k }\nmodels: {}\n',
  yml: 'providers:\n  openai:\n    type: openai\n    apiKey: k\nmodels: {}\n',
};

describe('loadConfig', () => {
  it.each(configFileNames)('finds and reads %s', async (name) => {
    await using directory = await createDirectory({
      [name]: byExtension[name.split('.').at(-1) as string] as string,
    });
    const { config, source, file } = await loadConfig(undefined, { cwd: directory.path, environment: {} });
    expect(config).toEqual({ providers: { openai: { type: 'openai', apiKey: 'k' } }, models: {} });
    expect(source).toBe(`${directory.path}/${name}`);
    expect(file).toBe(source);
  });

  it('prefers a file to the environment, and TypeScript to JSON', async () => {
    await using directory = await createDirectory({
      'headgate.config.json': json,
      'headgate.config.ts': byExtension.ts as string,
    });
    const { source } = await loadConfig(undefined, {
      cwd: directory.path,
      environment: { OPENAI_API_KEY: 'k' },
    });
    expect(source).toBe(`${directory.path}/headgate.config.ts`);
  });

  it.each(['ts', 'mjs', 'cjs', 'json'])('reads a changed .%s file anew', async (extension) => {
    const name = `headgate.config.${extension}`;
    const text = byExtension[extension] as string;
    await using directory = await createDirectory({ [name]: text });
    const load = async () => (await loadConfig(undefined, { cwd: directory.path })).config;
    expect(await load()).toHaveProperty('models', {});
    const changed =
      extension === 'json'
        ? text.replace('"models":{}', '"models":{"a":1}')
        : text.replace('models: {}', 'models: { a: 1 }');
    await directory.write(name, changed);
    expect(await load()).toHaveProperty('models', { a: 1 });
  });

  it.each([
    ['a.json', '{\n  "providers": {},\n  "models": {},\n}', ':4:1: not valid JSON'],
    ['a.json', '{\n  "providers": x }', ":2:16: not valid JSON: Unexpected token 'x'"],
    ['a.json', '{ "models": {', ':1:14: not valid JSON'],
    ['a.json', '{ "models": {\n "a": 1,\n "\\u0061": 2 } }', ':3:2: the name "\\u0061" stands twice'],
    ['a.yaml', 'models:\n  a: 1\n  b: 2\n  a: 3\n', ':4:3: the same name stands twice'],
    ['a.yaml', 'models:\n  a: [1, 2\nteams: {}\n', 'a.yaml:3:1: not valid YAML'],
    ['a.yaml', 'models:\n  a: *missing\n', ':2:6: no anchor &missing'],
    [
      'a.yaml',
      'models: [*]\n',
      ':1:10: not a name of an alias or anchor; quote texts that begin with * or &',
    ],
    ['a.yaml', 'users:\n  ana: &a { models: [x] }\n  <<: *a\n', ':3:3: merge keys are not known'],
    ['a.yaml', 'models: {}\n---\nmodels: {}\n', ':2:1: not one YAML document'],
    ['a.toml', '', 'not a configuration'],
    ['a.mjs', 'export const config = {};', 'has no default export'],
    ['a.mjs', 'const x = undefined;\nexport default x.y;', 'a.mjs:2:18: Cannot read properties of undefined'],
  ])('says where %s is wrong: %j', async (name, text, message) => {
    await using directory = await createDirectory({ [name]: text });
    await expect(loadConfig(name, { cwd: directory.path })).rejects.toThrow(message);
    await expect(loadConfig(name, { cwd: directory.path })).rejects.toBeInstanceOf(TypeError);
  });

  it.each([
    ['throw null;', 'a.mjs: null'],
    ['export default Promise.reject(null);', 'a.mjs: null'],
    ['const config = {};\nexport default Promise.reject(new Error("not today"));', 'a.mjs:2:31: not today'],
  ])('says which file it was that gave no configuration: %j', async (text, message) => {
    await using directory = await createDirectory({ 'a.mjs': text });
    const loading = loadConfig('a.mjs', { cwd: directory.path });
    await expect(loading).rejects.toThrow(message);
    await expect(loading).rejects.toBeInstanceOf(ConfigFileError);
  });

  it.each(['await new Promise(() => {});\nexport default {};', 'export default new Promise(() => {});'])(
    'waits 30 s for what a file waits for, and no longer: %j',
    async (text) => {
      await using directory = await createDirectory({ 'a.mjs': text });
      const runtime = createVirtualRuntime();
      const loading = loadConfig('a.mjs', { cwd: directory.path, runtime });
      runtime.advance(30_000);
      await expect(loading).rejects.toThrow(/a\.mjs: what it waits for did not answer in 30000 ms/);
      await expect(loading).rejects.toBeInstanceOf(ConfigFileError);
    },
  );

  it('locates an issue in JSON and YAML, dots in names included', async () => {
    await using directory = await createDirectory({
      'a.yaml': 'models:\n  gpt-4:\n    targets: [a]\n  gpt-4.1:\n    targets:\n      - a\n      - b\n',
      'b.json': '{\n  "models": {\n    "gpt-4.1": { "targets": ["a"] }\n  }\n}',
    });
    const yaml = await loadConfig('a.yaml', { cwd: directory.path });
    expect(await yaml.locate(['models.gpt-4.1.targets[1]', 'models.gpt-4.1.price', 'models.gpt-4'])).toEqual([
      { line: 7, column: 9 },
      { line: 4, column: 3 },
      { line: 2, column: 3 },
    ]);
    const parsed = await loadConfig('b.json', { cwd: directory.path });
    expect(await parsed.locate(['models.gpt-4.1.targets[0]', 'teams.web', ''])).toEqual([
      { line: 3, column: 30 },
      undefined,
      undefined,
    ]);
  });

  it('says what it looked for when there is nothing', async () => {
    await using directory = await createDirectory();
    await expect(loadConfig(undefined, { cwd: directory.path, environment: {} })).rejects.toThrow(
      /no headgate\.config\.\{ts,js,json,yaml\} in .* and none of OPENAI_API_KEY/,
    );
  });

  it('does not let a YAML document grow through aliases', async () => {
    const lines = ['a: &a [1,1,1,1,1,1,1,1,1,1]'];
    for (let code = 98; code < 106; code++) {
      const before = String.fromCharCode(code - 1);
      const name = String.fromCharCode(code);
      lines.push(`${name}: &${name} [${Array(10).fill(`*${before}`).join(',')}]`);
    }
    await using directory = await createDirectory({ 'a.yaml': lines.join('\n') });
    await expect(loadConfig('a.yaml', { cwd: directory.path })).rejects.toThrow(/alias/i);
  });
});
