import { mkdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ConfigError } from '../../src/config/config-error.ts';
import { ConfigFileError } from '../../src/config/config-file-error.ts';
import { sha256, toCanonicalJson } from '../../src/stores/canonical-json.ts';
import { createFileConfigStore, type FileConfigStore } from '../../src/stores/file/file-config-store.ts';
import { everyConfig, sampleVersion, smallConfig } from '../../src/testing/contracts/config-store-samples.ts';
import { createDirectory } from './file-harness.ts';

type Options = Partial<Parameters<typeof createFileConfigStore>[0]>;

describe('a configuration in a file that people edit', () => {
  let directory: string;
  let remove: () => Promise<void>;
  let file: string;
  let invalid: Error[];
  let opened: FileConfigStore[];

  beforeEach(async () => {
    ({ directory, remove } = await createDirectory());
    file = join(directory, 'headgate.config.json');
    invalid = [];
    opened = [];
  });
  afterEach(async () => {
    await Promise.all(opened.map((store) => store.close()));
    await remove();
  });

  const open = (options: Options = {}): FileConfigStore => {
    const onInvalid = (error: Error) => void invalid.push(error);
    const store = createFileConfigStore({ file, pollMs: 10, settleMs: 5, onInvalid, ...options });
    opened.push(store);
    return store;
  };
  const withTeam = (team: string) => ({ ...smallConfig, teams: { [team]: { profile: 'standard' } } });
  const edit = (value: unknown) => writeFile(file, JSON.stringify(value, null, 2));
  const soon = (check: () => void) => vi.waitFor(check, { timeout: 60_000, interval: 5 });

  it('becomes version 1 by the author "file", made when the file was, with the digest of its canonical JSON', async () => {
    await edit(everyConfig);
    await utimes(file, 1_800_000_000, 1_800_000_000.25);
    const config = JSON.parse(JSON.stringify(everyConfig));
    expect(await open().readLatest()).toEqual({
      number: 1,
      author: 'file',
      createdAtMs: 1_800_000_000_250,
      digest: sha256(toCanonicalJson(config)),
      config,
    });
  });

  it('becomes one version for each edit, numbered and told to watchers, however many processes see it', async () => {
    const stores = [open(), open(), open()] as const;
    const heard: (string | undefined)[] = [];
    const unwatch = stores[0].watchConfig?.((id) => void heard.push(id));
    await soon(() => expect(heard).toEqual([undefined]));
    for (const number of [1, 2, 3]) {
      await edit(withTeam(`team${number}`));
      const read = await Promise.all(stores.map((store) => store.readLatest()));
      expect(read.map((version) => version?.number)).toEqual([number, number, number]);
      await soon(() => expect(heard.at(-1)).toBe(String(number)));
    }
    expect(heard).toEqual([undefined, '1', '2', '3']);
    expect((await stores[1].readVersion(2))?.config.teams).toEqual({ team2: { profile: 'standard' } });
    await unwatch?.();
  });

  it('is no new version when only spaces, the order of names or the time changed', async () => {
    const store = open();
    await edit(withTeam('web'));
    expect(await store.readNumber()).toBe(1);
    const { models, providers, teams } = withTeam('web');
    await writeFile(file, `\n\n${JSON.stringify({ teams, models, providers })}\n`);
    expect(await store.readNumber()).toBe(1);
    await utimes(file, 5, 5);
    expect(await store.readNumber()).toBe(1);
    expect(invalid).toEqual([]);
  });

  it('stays at the last good version while its content cannot be used, and says where and why, once', async () => {
    const store = open();
    await edit(withTeam('good'));
    const good = await store.readLatest();
    await writeFile(file, '{\n  "providers": {},\n  "models": {,}\n}');
    for (let index = 0; index < 3; index++) expect(await store.readLatest()).toEqual(good);
    expect(await store.listVersions()).toHaveLength(1);
    const [error, ...more] = invalid;
    expect(more).toEqual([]);
    expect(error).toBeInstanceOf(ConfigFileError);
    expect(error).toMatchObject({ file, line: 3, reason: expect.stringContaining('not valid JSON') });
    await writeFile(file, '');
    expect(await store.readLatest()).toEqual(good);
    expect(invalid).toHaveLength(2);
    await edit(withTeam('mended'));
    expect((await store.readLatest())?.number).toBe(2);
    expect(invalid).toHaveLength(2);
  });

  it.each([
    ['a list', '[1, 2]', /must be an object/],
    ['a name that stands twice', '{"models": {}, "models": {}}', /stands twice/],
    ['a text', '"config"', /must be an object/],
  ])('is refused when it is %s', async (_, text, reason) => {
    const store = open();
    await edit(withTeam('good'));
    await store.readLatest();
    await writeFile(file, text);
    expect((await store.readLatest())?.number).toBe(1);
    expect(invalid[0]?.message).toMatch(reason);
  });

  it('stays at the last good version after a restart too, and throws when there never was one', async () => {
    await writeFile(file, '{ half');
    const first = open();
    for (const call of [first.readLatest(), first.readNumber(), first.listVersions(), first.readVersion(1)]) {
      await expect(call).rejects.toBeInstanceOf(ConfigFileError);
    }
    await expect(first.appendVersion(sampleVersion('v1'), 0)).rejects.toBeInstanceOf(ConfigFileError);
    expect(await readFile(file, 'utf8')).toBe('{ half');
    await edit(withTeam('good'));
    expect(await first.readNumber()).toBe(1);
    await writeFile(file, '{ half');
    expect((await open().readLatest())?.config).toEqual(withTeam('good'));
    expect(invalid).toHaveLength(1);
  });

  it('stays at the last good version when the file is removed', async () => {
    const store = open();
    await edit(withTeam('good'));
    await store.readLatest();
    await rm(file);
    expect((await store.readLatest())?.config).toEqual(withTeam('good'));
    expect((await open().readLatest())?.config).toEqual(withTeam('good'));
    expect(invalid[0]?.message).toContain('there is no such file');
  });

  it('is checked before it becomes a version, and what is wrong is told with its place in the file', async () => {
    const validate = (config: object) => {
      if ('teams' in config) return;
      throw new ConfigError([
        { path: 'models.gpt-4.1.targets[0]', message: 'there is no provider "openai"' },
        { path: 'teams', message: 'missing' },
      ]);
    };
    const store = open({ validate });
    await edit(withTeam('web'));
    expect(await store.readNumber()).toBe(1);
    await edit(smallConfig);
    expect(await store.readNumber()).toBe(1);
    const lines = (await readFile(file, 'utf8')).split('\n');
    const line = lines.findIndex((text) => text.trim() === '"openai"') + 1;
    expect(invalid[0]).toMatchObject({
      line,
      message: expect.stringContaining(`${file}:${line}:`),
      reason: 'models.gpt-4.1.targets[0]: there is no provider "openai" (and 1 more)',
    });
  });

  it('is read when nobody is writing it any more, so that half an edit is never a version', async () => {
    const store = open({ settleMs: 60 });
    await edit(withTeam('first'));
    await store.readLatest();
    const heard: (string | undefined)[] = [];
    const unwatch = store.watchConfig?.((id) => void heard.push(id));
    await soon(() => expect(heard).toEqual([undefined]));
    // every beginning of it is a configuration of its own, as with most YAML
    for (let size = 1; size <= 8; size++) {
      await edit({ ...smallConfig, teams: Object.fromEntries(teamsOf(size)) });
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await soon(() => expect(heard).toContain('2'));
    expect(Object.keys((await store.readVersion(2))?.config.teams ?? {})).toHaveLength(8);
    expect(await store.readNumber()).toBe(2);
    await unwatch?.();
  });

  it('takes an edit up before a version that is appended behind the one before it, which loses', async () => {
    const store = open();
    await edit(withTeam('first'));
    expect(await store.readNumber()).toBe(1);
    await edit(withTeam('edited'));
    expect(await store.appendVersion(sampleVersion('appended'), 1)).toBeNull();
    expect((await store.readLatest())?.config).toEqual(withTeam('edited'));
    expect((await store.appendVersion(sampleVersion('appended'), 2))?.number).toBe(3);
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(sampleVersion('appended').config);
    expect(await open().readNumber()).toBe(3);
  });

  it('finishes a version that was interrupted after the file was written, with its author', async () => {
    const store = open();
    await store.appendVersion(sampleVersion('v1'), 0);
    const index = join(directory, 'headgate.config.history', 'index.json');
    const before = await readFile(index);
    await store.appendVersion(sampleVersion('v2'), 1);
    // as if the process had been killed before the index was replaced
    await writeFile(index, before);
    expect(await open().readLatest()).toEqual({ ...sampleVersion('v2'), number: 2 });
    expect(await store.readNumber()).toBe(2);
  });

  it('keeps as many versions as it may and drops the oldest', async () => {
    const store = open({ maxVersions: 3 });
    for (let number = 0; number < 7; number++)
      await store.appendVersion(sampleVersion(`v${number + 1}`), number);
    expect((await store.listVersions()).map(({ number }) => number)).toEqual([7, 6, 5]);
    expect(await store.readVersion(4)).toBeNull();
    expect((await store.readVersion(5))?.message).toBe('why v5');
    await expect(stat(join(directory, 'headgate.config.history', '000004.json'))).rejects.toThrow('ENOENT');
  });

  it('throws, and changes nothing, when its history is damaged', async () => {
    const store = open();
    await store.appendVersion(sampleVersion('v1'), 0);
    const index = join(directory, 'headgate.config.history', 'index.json');
    await writeFile(index, '{"format":"something-else"}');
    await expect(store.readLatest()).rejects.toThrow(`${index} is no file of headgate-config-history`);
    await expect(store.appendVersion(sampleVersion('v2'), 1)).rejects.toThrow(index);
    await expect(open().readNumber()).rejects.toThrow(index);
    expect(await readFile(index, 'utf8')).toBe('{"format":"something-else"}');
  });

  it('may be YAML, with comments and line numbers, and is written as YAML', async () => {
    file = join(directory, 'headgate.config.yaml');
    const yaml = [
      '# what we offer',
      'providers:',
      '  openai: { type: openai, apiKey: { env: OPENAI_API_KEY } }',
      'models:',
      '  gpt-4.1: { targets: [openai] }',
      '',
    ].join('\n');
    await writeFile(file, yaml);
    const store = open();
    expect((await store.readLatest())?.config).toEqual(smallConfig);
    await writeFile(file, yaml.replace('models:', 'providers:'));
    expect(await store.readNumber()).toBe(1);
    expect(invalid[0]).toMatchObject({ line: 4, reason: expect.stringContaining('twice') });
    await writeFile(file, yaml);
    await store.appendVersion({ ...sampleVersion('v2'), config: everyConfig }, 1);
    expect(await readFile(file, 'utf8')).toMatch(/^teams:\n {2}zeta:/);
    expect((await open().readLatest())?.number).toBe(2);
    await writeFile(file, `# a comment\n${await readFile(file, 'utf8')}`);
    expect(await open().readNumber()).toBe(2);
  });

  it('may be a link that is turned to another file, as a ConfigMap is, where nothing can be written', async () => {
    const mount = join(directory, 'mount');
    for (const name of ['one', 'two']) {
      await mkdir(join(mount, name), { recursive: true });
      await writeFile(join(mount, name, 'c.json'), JSON.stringify(withTeam(name)));
    }
    const turn = async (name: string) => {
      await symlink(name, join(mount, 'next'));
      await rename(join(mount, 'next'), join(mount, 'data'));
    };
    await turn('one');
    await symlink('data/c.json', join(mount, 'c.json'));
    const store = open({ file: join(mount, 'c.json'), history: false });
    const heard: (string | undefined)[] = [];
    const unwatch = store.watchConfig?.((id) => void heard.push(id));
    await soon(() => expect(heard).toEqual([undefined]));
    expect((await store.readLatest())?.config).toEqual(withTeam('one'));
    await turn('two');
    await soon(() => expect(heard).toEqual([undefined, '2']));
    expect((await store.readLatest())?.config).toEqual(withTeam('two'));
    expect((await store.readVersion(1))?.config).toEqual(withTeam('one'));
    await expect(store.appendVersion(sampleVersion('v3'), 2)).rejects.toThrow('edit the file');
    await unwatch?.();
  });

  it('is written through a link, which stays one', async () => {
    await writeFile(join(directory, 'real.json'), JSON.stringify(smallConfig));
    await symlink('real.json', file);
    const store = open();
    await store.appendVersion(sampleVersion('v2'), await store.readNumber());
    expect(JSON.parse(await readFile(join(directory, 'real.json'), 'utf8'))).toEqual(
      sampleVersion('v2').config,
    );
    expect((await store.readLatest())?.number).toBe(2);
    expect(await open().readNumber()).toBe(2);
  });

  it.each<[string, Options, RegExp]>([
    ['an ending that is none of a configuration', { file: 'headgate.config.ts' }, /"file" must end in/],
    ['no file', { file: '' }, /"file" must be a path/],
    ['a path with NUL', { file: 'a\0.json' }, /"file" must be a path/],
    ['no version to keep', { maxVersions: 0 }, /"maxVersions"/],
    ['a time that is none', { settleMs: -1 }, /"settleMs"/],
    ['a poll without a pause', { pollMs: 0 }, /"pollMs"/],
    ['an empty history', { history: '' }, /"history" must be a path/],
  ])('is not made of %s', (_, options, message) => {
    expect(() => open(options)).toThrow(TypeError);
    expect(() => open(options)).toThrow(message);
  });
});

function teamsOf(size: number): [string, { profile: string }][] {
  return Array.from({ length: size }, (_, index) => [`team${index}`, { profile: 'standard' }]);
}
