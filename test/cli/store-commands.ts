import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseKey } from '../../src/keys/key-format.ts';
import { createDirectory, run, toConfigText } from './harness.ts';

const kek = Buffer.alloc(32, 9).toString('base64');

/** The small configuration with its secret where it can be stored. */
function toStorable(more: object = {}): string {
  const config = JSON.parse(toConfigText('http://127.0.0.1:1', more));
  config.providers.openai.apiKey = { env: 'OPENAI_API_KEY' };
  return JSON.stringify(config);
}

/**
 * Everything that the command line does with stores, on one backend.
 *
 * @param place Names an empty store; called before each case. A relative path is in the directory of the case.
 */
export function testCommandsOn(backend: string, place: () => Promise<string>): void {
  describe(`the command line on ${backend}`, () => {
    let store: string;
    let directory: Awaited<ReturnType<typeof createDirectory>>;
    beforeEach(async () => {
      store = await place();
      directory = await createDirectory({ 'headgate.config.json': toStorable() });
      await cli('migrate');
    });
    afterEach(() => directory[Symbol.asyncDispose]());

    const environment = () => ({ HEADGATE_STORE: store, USER: 'ana', HEADGATE_KEK: kek });
    const cli = (...argv: string[]) => run(argv, { cwd: directory.path, environment: environment() });
    /** Runs a command that must succeed, and parses what it prints. */
    const json = async (...argv: string[]) => {
      const { code, stdout, stderr } = await cli(...argv, '--json');
      expect({ code, stderr: stderr.replace(/.*hashed without a pepper.*\n/, '') }).toEqual({
        code: 0,
        stderr: '',
      });
      return JSON.parse(stdout);
    };
    const addKey = (...argv: string[]) => json('keys', 'create', '--team', 'web', ...argv);

    it('makes a key, lists it without its hash, rotates it and revokes it', async () => {
      const made = await addKey('--owner', 'ana@example.com', '--name', 'laptop', '--labels', 'a=1, b=2');
      const { kid } = made.record;
      expect(parseKey(made.key)?.kid).toBe(kid);
      expect(made.record).toMatchObject({
        team: 'web',
        owner: 'ana@example.com',
        name: 'laptop',
        labels: { a: '1', b: '2' },
        createdBy: 'ana',
        state: 'active',
      });
      const listed = await json('keys', 'list', '--owner', 'ana@example.com');
      expect(listed).toEqual({ keys: [made.record], after: null });
      expect(JSON.stringify(listed)).not.toMatch(/secretHash|[0-9a-f]{64}/);

      const rotated = await json('keys', 'rotate', kid, '--grace', '1h');
      expect(parseKey(rotated.key)?.kid).toBe(kid);
      expect(rotated.key).not.toBe(made.key);
      expect(rotated.record.previous.last4).toBe(made.record.last4);
      expect((await cli('keys', 'list')).stdout).toContain('active, old until ');

      const revoked = await cli('keys', 'revoke', kid);
      expect(revoked.stdout).toMatch(/^revoked \w+ of team web, at \d{4}-\d\d-\d\dT/);
      const late = await cli('keys', 'rotate', kid);
      expect(late).toMatchObject({ code: 1, stdout: '' });
      expect(late.stderr).toContain('is revoked, which is final');
      expect((await json('keys', 'list', '--active')).keys).toEqual([]);
    });

    it('prints keys as an aligned table with times as ISO 8601', async () => {
      await addKey('--name', 'one');
      await addKey('--name', 'a longer name', '--expires-in', '1d');
      const { stdout } = await cli('keys', 'list');
      const lines = stdout.trimEnd().split('\n');
      expect(lines[0]).toMatch(
        /^KID +LAST4 +STATE +TEAM +PROJECT +OWNER +NAME +CREATED +EXPIRES +LAST USED$/,
      );
      const column = lines[0]?.indexOf('CREATED') ?? 0;
      for (const line of lines.slice(1)) {
        expect(line.slice(column)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z {2}/);
        expect(line).toMatch(/ never$/);
      }
    });

    it('pages through keys', async () => {
      for (let index = 0; index < 3; index++) await addKey();
      const first = await json('keys', 'list', '--limit', '2');
      const second = await json('keys', 'list', '--limit', '2', '--after', first.after);
      const kids = [...first.keys, ...second.keys].map(({ kid }: { kid: string }) => kid);
      expect([first.keys.length, second.keys.length, second.after]).toEqual([2, 1, null]);
      expect(kids).toEqual([...new Set(kids)].sort());
      expect((await json('keys', 'list', '--unused-for', '1d')).keys).toEqual([]);
    });

    it('revokes all keys of an owner only when it is told --yes', async () => {
      for (const owner of ['ana', 'ana', 'bob']) await addKey('--owner', owner);
      const asked = await cli('keys', 'revoke', '--owner', 'ana');
      expect(asked).toMatchObject({ code: 1, stdout: '' });
      expect(asked.stderr).toContain('2 keys of owner "ana" would be revoked, for good. Add --yes to do it.');
      expect((await json('keys', 'list', '--active')).keys.length).toBe(3);
      expect(await cli('keys', 'revoke', '--owner', 'ana', '--yes')).toEqual({
        code: 0,
        stdout: 'revoked 2 keys of owner "ana"\n',
        stderr: '',
      });
      const left = (await json('keys', 'list', '--active')).keys;
      expect(left.map(({ owner }: { owner: string }) => owner)).toEqual(['bob']);
    });

    it('applies, shows, compares and rolls back configurations', async () => {
      expect((await cli('config', 'show')).stderr).toContain('There is no configuration in');
      expect(await json('config', 'apply', '--message', 'first')).toMatchObject({
        changed: true,
        version: { number: 1, author: 'ana', message: 'first' },
      });
      expect((await cli('config', 'apply')).stdout).toBe('nothing to do: version 1 is the same\n');

      const models = { 'gpt-4.1': { targets: ['openai'] }, 'gpt-5': { targets: ['openai'] } };
      await directory.write('headgate.config.json', toStorable({ models }));
      expect((await cli('config', 'diff')).stdout).toBe(
        [
          `version 1 -> ${directory.path}/headgate.config.json`,
          '- models.gpt-4.1.aliases: ["smart"]',
          '+ models.gpt-5: {"targets":["openai"]}',
          '',
        ].join('\n'),
      );
      const stale = await cli('config', 'apply', '--expected', '0');
      expect([stale.code, stale.stderr]).toEqual([
        1,
        expect.stringContaining('The latest version is 1, not 0.'),
      ]);
      await json('config', 'apply', '--expected', '1', '--author', 'bob');
      expect((await json('config', 'show', '1')).config.models['gpt-4.1'].aliases).toEqual(['smart']);
      expect(Object.keys((await json('models', 'list')).models)).toEqual(['gpt-4.1', 'gpt-5']);

      expect((await cli('config', 'rollback', '1')).stdout).toBe('ok version 3 is the latest now\n');
      const { versions } = await json('config', 'versions');
      expect(
        versions.map(({ number, author }: { number: number; author: string }) => [number, author]),
      ).toEqual([
        [3, 'ana'],
        [2, 'bob'],
        [1, 'ana'],
      ]);
      expect((await json('config', 'diff', '--from', '1', '--to', '3')).differences).toEqual([]);
      expect((await cli('config', 'rollback', '9')).stderr).toContain('There is no version 9');
    });

    it('says everything as one JSON document with --json: profiles, models, providers, versions and keys', async () => {
      const models = { 'gpt-4.1': { targets: ['openai'] }, 'gpt-5': { targets: ['openai'] } };
      expect(await json('config', 'diff')).toMatchObject({ from: 'nothing' });
      const applied = await json('config', 'apply', '--message', 'first');
      expect(applied).toMatchObject({ changed: true, version: { number: 1, message: 'first' } });
      await directory.write('headgate.config.json', toStorable({ models }));
      const { differences } = await json('config', 'diff');
      expect(differences.map(({ path, kind }: Record<string, string>) => [kind, path])).toEqual([
        ['removed', 'models.gpt-4.1.aliases'],
        ['added', 'models.gpt-5'],
      ]);
      await json('config', 'apply');

      expect(await json('profiles', 'list')).toMatchObject({
        profiles: { standard: { models: ['gpt-*'], limits: [{ unit: 'requests', amount: 100 }] } },
      });
      expect(await json('profiles', 'show', 'standard')).toMatchObject({
        name: 'standard',
        entry: { models: ['gpt-*'] },
      });
      expect((await json('models', 'list')).models).toEqual(models);
      expect(await json('models', 'show', 'gpt-5')).toMatchObject({ name: 'gpt-5', entry: models['gpt-5'] });
      const { providers } = await json('providers', 'list');
      expect(providers.openai).toMatchObject({ type: 'openai', apiKey: { env: 'OPENAI_API_KEY' } });
      expect((await json('providers', 'show', 'openai')).entry).toEqual(providers.openai);
      for (const section of ['profiles', 'models', 'providers']) {
        const { stdout } = await cli(section, 'list');
        expect(stdout).toMatch(section === 'models' ? /^NAME .*\ngpt-4\.1 .*\ngpt-5 / : /^NAME .*\n\w+ /);
        const missing = await cli(section, 'show', 'nothing', '--json');
        expect([missing.code, JSON.parse(missing.stdout).ok]).toEqual([1, false]);
        expect(missing.stderr).toMatch(/There is no \w+ "nothing" in .*\. There are: /);
      }
      expect(await json('config', 'rollback', '1')).toMatchObject({ changed: true, version: { number: 3 } });
      expect(await json('models', 'show', 'gpt-4.1')).toMatchObject({ entry: { aliases: ['smart'] } });

      const keys = [await addKey('--owner', 'ana'), await addKey('--owner', 'ana'), await addKey()];
      const [kid] = keys.map(({ record }) => record.kid);
      const rotated = await json('keys', 'rotate', kid, '--grace', '0');
      expect(rotated.record).toMatchObject({ kid, version: 2 });
      const would = await cli('keys', 'revoke', '--owner', 'ana', '--json');
      expect([would.code, JSON.parse(would.stdout)]).toEqual([1, { wouldRevoke: 2 }]);
      expect(await json('keys', 'revoke', kid)).toMatchObject({ revoked: { kid, state: 'revoked' } });
      expect(await json('keys', 'revoke', '--owner', 'ana', '--yes')).toMatchObject({
        revoked: 1,
        isComplete: true,
      });
      const { keys: left } = await json('keys', 'list', '--active');
      expect(left.map((key: { kid: string }) => key.kid)).toEqual([keys[2]?.record.kid]);
    });

    it('refuses a configuration that is not valid or holds a secret, with its place, and stores nothing', async () => {
      const canary = 'sk-canary-0123456789';
      const text = JSON.stringify(JSON.parse(toConfigText('http://127.0.0.1:1')), null, 2);
      await directory.write('literal.json', text.replace('sk-upstream', canary));
      const literal = await cli('config', 'apply', '--config', 'literal.json');
      expect(literal).toMatchObject({ code: 1, stdout: '' });
      expect(literal.stderr).toMatch(
        /literal\.json:\d+:\d+: providers\.openai\.apiKey: a secret cannot be stored as it is; use \{ "env": "NAME" \}/,
      );
      expect(literal.stderr).not.toContain(canary);
      await directory.write('broken.json', toStorable({ teams: { web: { profile: 'other' } } }));
      const broken = await cli('config', 'apply', '--config', 'broken.json');
      expect(broken.stderr).toMatch(
        /broken\.json:1:\d+: teams\.web\.profile: no profile "other" is configured/,
      );
      await directory.write(
        'code.mjs',
        `export default { ...${toStorable()}, relay: { maxDepth: () => 1 } };`,
      );
      expect((await cli('config', 'apply', '--config', 'code.mjs')).stderr).toContain(
        'relay.maxDepth: a function cannot be stored',
      );
      expect((await cli('config', 'versions')).stdout).toBe('There are no such versions.\n');
    });

    it('does not take away a team that has live keys, unless it is forced', async () => {
      await cli('config', 'apply');
      await addKey();
      await directory.write('headgate.config.json', toStorable({ teams: { api: { profile: 'standard' } } }));
      const refused = await cli('config', 'apply');
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('team "web": 1 live key')]);
      expect((await cli('config', 'apply', '--force')).code).toBe(0);
      const unknown = await cli('keys', 'create', '--team', 'web');
      expect(unknown.stderr).toContain('There is no team "web" in version 2 of the configuration.');
      await directory.write('headgate.config.json', toStorable({ projects: { checkout: { team: 'web' } } }));
      await cli('config', 'apply', '--force');
      const mistyped = await cli('keys', 'create', '--team', 'web', '--project', 'chekout');
      expect([mistyped.code, mistyped.stderr]).toEqual([1, expect.stringContaining('There are: checkout.')]);
    });

    it('stores a credential from standard input or a file, sealed, and never shows it', async () => {
      await cli('config', 'apply');
      const canary = 'sk-canary-0123456789';
      const set = (argv: readonly string[], stdin = `${canary}\n`) =>
        run(['providers', 'set-secret', ...argv], {
          cwd: directory.path,
          environment: environment(),
          stdin,
        });
      const first = await set(['openai', '--label', 'main']);
      expect(first).toMatchObject({ code: 0, stderr: '' });
      expect(first.stdout).toContain('stored openai for openai, sealed under k1');
      expect(first.stdout).toContain('{"store":"openai"}');
      await directory.write('key.txt', canary);
      const second = await set(['openai', '--file', 'key.txt', '--json'], '');
      expect(JSON.parse(second.stdout).secret).toMatchObject({ id: 'openai', version: 2, label: 'main' });
      const own = await set(['openai', '--user', 'ana@example.com', '--json']);
      expect(JSON.parse(own.stdout).secret).toMatchObject({ scope: 'user', subject: 'ana@example.com' });
      await directory.write('key.txt', '');
      for (const { stdout, stderr } of [first, second, own]) expect(stdout + stderr).not.toContain(canary);
      expect(await everyByteOf(directory.path)).not.toContain(canary);

      expect((await set(['azure'])).stderr).toContain('there is no provider "azure" in version 1');
      expect(await set(['openai'], '')).toMatchObject({ code: 2, stdout: '' });
      const withArgument = await set(['openai', canary]);
      expect(withArgument.code).toBe(2);
      const bare = await run(['providers', 'set-secret', 'openai'], {
        cwd: directory.path,
        environment: { HEADGATE_STORE: store },
        stdin: canary,
      });
      expect([bare.code, bare.stderr]).toEqual([1, expect.stringContaining('HEADGATE_KEK is not set')]);
    });

    it('seals all credentials anew under another key, after which the old one is not needed', async () => {
      await cli('config', 'apply');
      const [older, newer] = [kek, Buffer.alloc(32, 8).toString('base64')];
      const under = (environment: NodeJS.ProcessEnv, ...argv: string[]) =>
        run(argv, {
          cwd: directory.path,
          environment: { HEADGATE_STORE: store, ...environment },
          stdin: 'sk-canary-0123456789',
        });
      const rotated = { HEADGATE_KEK: newer, HEADGATE_KEK_ID: 'k2', HEADGATE_OTHER_KEKS: `k1=${older}` };
      for (const id of ['one', 'two'])
        await under({ HEADGATE_KEK: older }, 'providers', 'set-secret', 'openai', '--id', id);
      const withoutOld = await under({ ...rotated, HEADGATE_OTHER_KEKS: '' }, 'providers', 'rewrap');
      expect(withoutOld).toEqual({
        code: 1,
        stdout: 'sealed 0 anew under k2; 0 were already\n',
        stderr: ['one', 'two']
          .map((id) => `headgate: ${id} stays as it is: key_encryption_key_unknown\n`)
          .join(''),
      });
      expect(await under(rotated, 'providers', 'rewrap')).toEqual({
        code: 0,
        stdout: 'sealed 2 anew under k2; 0 were already\n',
        stderr: '',
      });
      const again = await under({ ...rotated, HEADGATE_OTHER_KEKS: '' }, 'providers', 'rewrap', '--json');
      expect([again.code, JSON.parse(again.stdout)]).toEqual([
        0,
        expect.objectContaining({
          keyId: 'k2',
          scanned: 2,
          rewrapped: 0,
          skipped: 2,
          failed: 0,
          complete: true,
        }),
      ]);
      const wrong = await under(
        { ...rotated, HEADGATE_OTHER_KEKS: `k1=${older.slice(4)}` },
        'providers',
        'rewrap',
      );
      expect([wrong.code, wrong.stdout]).toEqual([1, '']);
      expect(wrong.stderr).toContain('HEADGATE_OTHER_KEKS (k1)');
      expect(wrong.stderr).not.toContain(older.slice(4));
    });

    it('explains a request of a key in the store under the configuration in the store', async () => {
      await cli('config', 'apply');
      const { key, record } = await addKey('--models', 'gpt-4*');
      const explain = (model: string) =>
        run(['explain', '--model', model, '--json'], {
          cwd: directory.path,
          environment: { ...environment(), HEADGATE_KEY: key },
        });
      const allowed = await explain('smart');
      expect(JSON.parse(allowed.stdout)).toMatchObject({ allowed: true, principal: { key: record.kid } });
      expect(allowed.code).toBe(0);
      await cli('keys', 'revoke', record.kid);
      const refused = await explain('smart');
      expect(JSON.parse(refused.stdout).refusal).toMatchObject({ code: 'revoked_key', status: 401 });
    });

    it('explains which of the credentials that projects and users registered a request would be sent with', async () => {
      await directory.write(
        'headgate.config.json',
        toStorable({ profiles: { standard: { billing: 'byok' } } }),
      );
      await cli('config', 'apply');
      const [{ key }, other] = [await addKey('--owner', 'ana'), await addKey('--owner', 'bob')];
      const set = await run(['providers', 'set-secret', 'openai', '--user', 'ana'], {
        cwd: directory.path,
        environment: environment(),
        stdin: 'sk-own-0123456789',
      });
      expect(set.code).toBe(0);
      const explain = (ofKey: string, more: NodeJS.ProcessEnv = {}) =>
        run(['explain', '--model', 'gpt-4.1'], {
          cwd: directory.path,
          environment: { ...environment(), HEADGATE_KEY: ofKey, ...more },
        });
      const allowed = await explain(key);
      expect(allowed).toMatchObject({ code: 0, stderr: '' });
      expect(allowed.stdout).toMatch(/^targets +1\. openai\/gpt-4\.1#byok:\S+/m);
      expect(await explain(other.key)).toMatchObject({ code: 1, stderr: '' });
      const blind = await explain(key, { HEADGATE_KEK: '' });
      expect([blind.code, blind.stderr]).toEqual([1, expect.stringContaining('HEADGATE_KEK is not set')]);
    });

    it('checks what is in the store, and migrates it', async () => {
      expect(await json('migrate')).toEqual({ steps: [] });
      await cli('config', 'apply');
      expect(await json('check', '--skip-secrets')).toMatchObject({ ok: true, models: 1, teams: 1 });
      expect((await cli('check')).stderr).toContain('OPENAI_API_KEY is not set');
    });

    it('makes records that the documented forms of --limits and --models narrow', async () => {
      const limits = '[{"unit":"usd","amount":"5.50","window":"1d"}]';
      const { record } = await addKey('--limits', limits, '--models', 'gpt-4*');
      expect(record).toMatchObject({
        models: ['gpt-4*'],
        limits: [{ unit: 'usd', amount: '5.50', window: '1d', mode: 'block' }],
      });
      for (const [argv, message] of [
        [['--limits', '[{"unit":"usd"}]'], '--limits: [0].amount: '],
        [['--limits', '{"unit":"usd"}'], '--limits: Invalid input: expected array'],
        [
          ['--limits', '[{"unit":"usd","amount":1,"window":"1d","mod":"warn"}]'],
          'no field "mod"; did you mean "mode"?',
        ],
        [['--limits', 'five'], '--limits is not JSON'],
        [['--labels', 'x'], '--labels has the form'],
      ] as const) {
        const refused = await cli('keys', 'create', '--team', 'web', ...argv);
        expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(message)]);
      }
    });
  });
}

async function everyByteOf(path: string): Promise<string> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const texts = await Promise.all(
    files.map(({ parentPath, name }) => readFile(join(parentPath, name), 'latin1')),
  );
  return texts.join('\n');
}
