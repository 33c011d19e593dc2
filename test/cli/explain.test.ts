import { describe, expect, it } from 'vitest';
import { createDirectory, createKey, run, toConfigText } from './harness.ts';

async function createSite() {
  const { key, record } = await createKey(['--team', 'web', '--owner', 'ana']);
  const directory = await createDirectory({
    'headgate.config.json': toConfigText('http://127.0.0.1:1', { keys: [record] }),
  });
  return { key, kid: record.kid, directory };
}

describe('headgate explain', () => {
  it('tells profile, limits and targets of a request, without sending it', async () => {
    const { key, kid, directory } = await createSite();
    await using _ = directory;
    const { code, stdout } = await run(['explain', '--key', key, '--model', 'smart'], {
      cwd: directory.path,
    });
    expect(code).toBe(0);
    expect(stdout).toContain('would be sent to a provider');
    expect(stdout).toContain(`${kid} of ana`);
    expect(stdout).toContain('web (profile standard)');
    expect(stdout).toContain('1. openai/gpt-4.1#default');
    expect(stdout).toMatch(/^model +gpt-4\.1 \(asked for as smart: alias\)$/m);
    expect(stdout).toMatch(/^paid +standard \(default\)$/m);
    expect(stdout).toMatch(/^estimate +\d+ tokens in, \d+ out at most/m);
    expect(stdout).toMatch(/limits +.*0 used, 0 held, 1 asked for, of 100 \(block\): passes/);
    expect(stdout).not.toContain(key);
  });

  it('tells money in dollars, every digit that counts and no other', async () => {
    const { key, record } = await createKey(['--team', 'web', '--owner', 'ana']);
    const text = toConfigText('http://127.0.0.1:1', { keys: [record] });
    const config = JSON.parse(text);
    config.models['gpt-4.1'].price = { input: 2, output: 8 };
    config.models['gpt-4.1'].maxOutputTokens = 1_000;
    config.profiles.standard.models = ['gpt-4.1'];
    config.profiles.standard.limits = [{ unit: 'usd', amount: '20', window: '1d' }];
    await using directory = await createDirectory({ 'headgate.config.json': JSON.stringify(config) });
    const { code, stdout } = await run(['explain', '--key', key, '--model', 'gpt-4.1'], {
      cwd: directory.path,
    });
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /: \$0\.00 used, \$0\.00 held, \$0\.008\d+ asked for, of \$20\.00 \(block\): passes$/m,
    );
    expect(stdout).toMatch(/^estimate +\d+ tokens in, 1000 out at most, \$0\.008\d*[1-9]$/m);
  });

  it('exits with 1 and gives the refusal that the caller would get', async () => {
    const { key, directory } = await createSite();
    await using _ = directory;
    const { code, stdout } = await run(['explain', '--key', key, '--model', 'claude-opus-4'], {
      cwd: directory.path,
    });
    expect(code).toBe(1);
    expect(stdout).toContain('would be refused: 404 model_not_found');
  });

  it('gives the explanation as JSON', async () => {
    const { key, directory } = await createSite();
    await using _ = directory;
    const { code, stdout } = await run(['explain', '--json', '--key', key, '--model', 'gpt-4.1'], {
      cwd: directory.path,
    });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      allowed: true,
      profile: 'standard',
      model: 'gpt-4.1',
      dialect: 'openai-chat',
    });
  });

  it('takes a team in place of a key', async () => {
    const { directory } = await createSite();
    await using _ = directory;
    const known = await run(['explain', '--team', 'web', '--model', 'gpt-4.1'], { cwd: directory.path });
    expect(known.code).toBe(0);
    expect(known.stdout).toMatch(/^key +any of the team$/m);
    const unknown = await run(['explain', '--team', 'wbe', '--model', 'gpt-4.1'], { cwd: directory.path });
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toMatch(/There is no team "wbe" in .*\. There are: web\./);
  });

  it('reads the key from standard input or HEADGATE_KEY', async () => {
    const { key, directory } = await createSite();
    await using _ = directory;
    const options = { cwd: directory.path };
    expect(
      (await run(['explain', '--key', '-', '--model', 'smart'], { ...options, stdin: `${key}\n` })).code,
    ).toBe(0);
    expect(
      (await run(['explain', '--model', 'smart'], { ...options, environment: { HEADGATE_KEY: key } })).code,
    ).toBe(0);
    const wrong = await run(['explain', '--key', 'nonsense', '--model', 'smart'], options);
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toContain('401 invalid_key');
  });

  it('takes a whole body, and other endpoints', async () => {
    const { key, directory } = await createSite();
    await using _ = directory;
    await directory.write('body.json', '{"model":"gpt-4.1","input":"Hello"}');
    const argv = ['explain', '--json', '--key', key, '--body', 'body.json', '--endpoint', '/v1/responses'];
    expect(JSON.parse((await run(argv, { cwd: directory.path })).stdout)).toMatchObject({
      allowed: true,
      dialect: 'openai-responses',
    });
    const messages = ['explain', '--key', key, '--model', 'gpt-4.1', '--endpoint', '/v1/messages'];
    const refused = await run(messages, { cwd: directory.path });
    expect(refused.code).toBe(1);
    expect(refused.stdout).toContain('400 unsupported_request');
  });
});
