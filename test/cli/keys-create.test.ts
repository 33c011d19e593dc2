import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { pepperFromEnvironment } from '../../src/cli/pepper.ts';
import { parseKey } from '../../src/keys/key-format.ts';
import { createPepperRing, verifySecret } from '../../src/keys/key-hash.ts';
import { createNoPepperRing } from '../../src/keys/no-pepper.ts';
import { createDirectory, createKey, run, toConfigText } from './harness.ts';

describe('headgate keys create', () => {
  it('prints a key and the record that proves it', async () => {
    const { key, record } = await createKey(['--team', 'web']);
    const parsed = parseKey(key);
    expect(parsed).toMatchObject({ environment: 'live', kid: record.kid });
    expect(verifySecret(createNoPepperRing(), record, parsed?.secret ?? '')).toBe(true);
    expect(JSON.stringify(record)).not.toContain(parsed?.secret);
  });

  it('puts everything asked for into the record', async () => {
    const argv = [
      '--team',
      'web',
      '--owner',
      'ana@example.com',
      '--project',
      'checkout',
      '--application',
      'review-agent',
    ];
    const { key, record } = await createKey([
      ...argv,
      '--env',
      'test',
      '--expires-in',
      '90d',
      '--models',
      'gpt-*, claude-*',
    ]);
    expect(key).toMatch(/^hg_test_/);
    expect(record).toMatchObject({
      team: 'web',
      owner: 'ana@example.com',
      project: 'checkout',
      application: 'review-agent',
      environment: 'test',
      models: ['gpt-*', 'claude-*'],
    });
    expect((record.expiresAtMs as number) - (record.createdAtMs as number)).toBe(90 * 86_400_000);
  });

  it('shows the key exactly once to people, beside the record', async () => {
    const { code, stdout, stderr } = await run(['keys', 'create', '--team', 'web']);
    expect(code).toBe(0);
    const keys = stdout.match(/hg_live_[0-9A-Za-z]+_[0-9A-Za-z]+/g);
    expect(keys).toHaveLength(1);
    expect(stdout).toContain('"secretHash"');
    expect(stderr).not.toContain('hg_live_');
  });

  it('hashes under HEADGATE_PEPPER and names its id', async () => {
    const pepper = randomBytes(32).toString('base64');
    const environment = { HEADGATE_PEPPER: pepper, HEADGATE_PEPPER_ID: '2026' };
    const { key, record } = await createKey(['--team', 'web'], { environment });
    expect(record.pepperId).toBe('2026');
    const ring = createPepperRing({ current: '2026', peppers: { 2026: pepper } });
    expect(verifySecret(ring, record, parseKey(key)?.secret ?? '')).toBe(true);
  });

  it('refuses a pepper that is too short without showing it', async () => {
    const { code, stderr } = await run(['keys', 'create', '--team', 'web'], {
      environment: { HEADGATE_PEPPER: 'c2hvcnQ=' },
    });
    expect(code).toBe(1);
    expect(stderr).toContain('HEADGATE_PEPPER must be at least 32 bytes');
    expect(stderr).not.toContain('c2hvcnQ');
  });

  it('knows keys of other peppers, hashes under none of them, and shows none that is wrong', async () => {
    const [pepper, older, coming] = [1, 2, 3].map(() => randomBytes(32).toString('base64')) as [
      string,
      ...string[],
    ];
    const others = ` 2025=${older}, 2027=${coming},`;
    const ring = pepperFromEnvironment({ HEADGATE_PEPPER: pepper, HEADGATE_OTHER_PEPPERS: others });
    expect([ring.current, ...['p1', '2025', '2027', '2028'].map((id) => ring.has(id))]).toEqual([
      'p1',
      ...[true, true, true, false],
    ]);
    const { key, record } = await createKey(['--team', 'web'], { environment: { HEADGATE_PEPPER: older } });
    const { secret } = parseKey(key) as { secret: string };
    expect(verifySecret(ring, { ...record, pepperId: '2025' }, secret)).toBe(true);
    for (const wrong of ['2025=c2hvcnQ=', `=${older}`, older as string, '2025']) {
      const environment = { HEADGATE_PEPPER: pepper, HEADGATE_OTHER_PEPPERS: wrong };
      const { code, stderr } = await run(['keys', 'create', '--team', 'web'], { environment });
      expect(code).toBe(1);
      expect(stderr).toContain('HEADGATE_OTHER_PEPPERS (id=pepper,id=pepper), must be at least 32 bytes');
      expect(stderr).not.toMatch(/c2hvcnQ/);
      expect(stderr).not.toContain(older);
    }
  });

  it('refuses a team that the configuration does not know', async () => {
    await using directory = await createDirectory({
      'headgate.config.json': toConfigText('http://127.0.0.1:1'),
    });
    const refused = await run(['keys', 'create', '--team', 'wbe'], { cwd: directory.path });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('There is no team "wbe"');
    expect(refused.stderr).toContain('There are: web.');
    expect((await run(['keys', 'create', '--team', 'web'], { cwd: directory.path })).code).toBe(0);
  });

  it('refuses a project that the configuration does not know, or knows as one of another team', async () => {
    const text = toConfigText('http://127.0.0.1:1', {
      teams: { web: { profile: 'standard' }, api: { profile: 'standard' } },
      projects: { checkout: { team: 'web' }, search: { team: 'api' } },
    });
    await using directory = await createDirectory({ 'headgate.config.json': text });
    const create = (...more: string[]) =>
      run(['keys', 'create', '--team', 'web', ...more], { cwd: directory.path });
    for (const project of ['chekout', 'search']) {
      const refused = await create('--project', project);
      expect([refused.code, refused.stdout]).toEqual([1, '']);
      expect(refused.stderr).toContain(`There is no project of team "web" "${project}" in `);
      expect(refused.stderr).toContain('There are: checkout.');
    }
    expect((await create('--project', 'checkout')).code).toBe(0);
    expect((await create()).code).toBe(0);
  });

  it('fails when the configuration it is pointed at does not exist', async () => {
    const { code, stderr } = await run([
      'keys',
      'create',
      '--team',
      'web',
      '--config',
      '/nonexistent/x.json',
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain('/nonexistent/x.json: there is no such file');
  });

  it.each([
    [['--expires-in', 'soon'], '--expires-in is a number and a unit'],
    [['--env', 'PROD'], '--env must be 2 to 8 lower-case letters'],
    [['--models', 'a,*b'], '--models'],
    [['--project', 'not a name'], '--project'],
  ])('refuses %j', async (argv, message) => {
    const { code, stdout, stderr } = await run(['keys', 'create', '--team', 'web', ...argv]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
  });
});
