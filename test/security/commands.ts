import type { GatewayConfig } from 'headgate';
import type { Backend } from './backends.ts';
import { kidOf } from './provisioning.ts';
import type { Sentinels } from './sentinels.ts';
import type { Shell } from './shell.ts';
import type { TrafficKeys } from './traffic.ts';

/** What the commands of a backend work with. */
export interface CommandsOptions {
  readonly shell: Shell;
  readonly url: string;
  readonly keys: TrafficKeys;
  readonly sentinels: Sentinels;
  readonly label: string;
  /** What is in force in the store. */
  readonly config: GatewayConfig;
}

/** Every command that looks at something, in both forms. */
export async function runCommands({ shell, url, keys, config }: CommandsOptions): Promise<void> {
  const changed = { ...config, publicUrl: 'http://user:word@gateway.test' };
  const file = await shell.write('changed.json', JSON.stringify(changed));
  const views = [
    ['keys', 'list'],
    ['keys', 'list', '--team', 'standard', '--active'],
    ['config', 'show'],
    ['config', 'versions'],
    ['config', 'diff'],
    ['config', 'diff', '--config', file],
    ['config', 'diff', '--from', '0', '--to', '1'],
    ['check'],
    ['check', '--skip-secrets'],
    ...['providers', 'profiles', 'models'].map((section) => [section, 'list']),
    ['providers', 'show', 'openai'],
    ['profiles', 'show', 'own'],
    ['models', 'show', 'gpt-4.1'],
    ['migrate'],
    ['providers', 'rewrap'],
    ['explain', '--team', 'standard', '--model', 'gpt-4.1'],
  ];
  for (const argv of views) {
    await shell.run('use', [...argv, '--store', url]);
    await shell.run('use', [...argv, '--json'], { environment: { HEADGATE_STORE: url } });
  }
  const { team, wrong, malformed, revoked, expired, rotated } = keys;
  for (const key of [...Object.values(team), wrong, malformed, revoked, expired, rotated]) {
    const argv = ['explain', '--model', 'gpt-4.1', '--store', url];
    await shell.run('use', argv, { environment: { HEADGATE_KEY: key } });
    await shell.run('use', [...argv, '--json', '--key', '-'], { stdin: `${key}\n` });
  }
}

/** Commands that cannot do what they were asked for, with secrets where none belongs. */
export async function misuseCommands(options: CommandsOptions): Promise<void> {
  const { shell, url, keys, sentinels, label } = options;
  const { standard } = keys.team;
  const stray = sentinels.make(`stray credential in a command (${label})`, 'sk-');
  const short = sentinels.make(`pepper: malformed (${label})`);
  const argvs = [
    ['keys', 'revoke', standard],
    ['keys', 'rotate', standard],
    ['keys', 'list', standard],
    ['keys', 'revoke', kidOf(standard), stray],
    ['providers', 'set-secret', 'openai', stray],
    ['providers', 'set-secret', 'openai', '--text', stray],
    ['providers', 'set-secret', 'openai', `--secret=${stray}`],
    ['providers', 'set-secret', 'openai', '--file', stray],
    ['explain', '--model', 'gpt-4.1', '--key', keys.wrong],
    [
      'explain',
      '--model',
      'gpt-4.1',
      '--endpoint',
      `/v1/chat/completions?key=${standard}`,
      '--key',
      standard,
    ],
  ];
  for (const argv of argvs) {
    await shell.run('misuse', [...argv, '--store', url], { stdin: 'sk-another-0123456789' });
    await shell.run('misuse', [...argv, '--json', '--store', url], { stdin: 'sk-another-0123456789' });
  }
  const environments = [
    { HEADGATE_PEPPER: short },
    { HEADGATE_PEPPER: `${short}!` },
    { HEADGATE_OTHER_PEPPERS: short },
    { HEADGATE_OTHER_PEPPERS: `p0=${short}!` },
    { HEADGATE_KEK: short },
    { HEADGATE_OTHER_KEKS: short },
    { HEADGATE_OTHER_KEKS: `k0=${short}` },
    { HEADGATE_KEYS: `[{"kid": ${short}` },
    { HEADGATE_KEYS: JSON.stringify([{ team: 'standard', secretHash: short }]) },
  ];
  const uses = [
    ['keys', 'create', '--team', 'standard', '--store', url],
    ['providers', 'set-secret', 'openai', '--id', 'unused', '--store', url],
    ['serve', '--port', '0', '--store', url, '--config', 'nowhere.json'],
  ];
  for (const environment of environments) {
    for (const argv of uses) await shell.run('misuse', argv, { environment, stdin: `${stray}\n${stray}` });
  }
}

/** Commands over stores that cannot be reached, and URLs that hold a password. */
export async function commandsWithoutStore(
  { shell, url }: Pick<CommandsOptions, 'shell' | 'url'>,
  { badUrls }: Pick<Backend, 'badUrls'>,
): Promise<void> {
  for (const each of [url, ...badUrls]) {
    const argvs = [
      ['keys', 'list'],
      ['config', 'show', '--json'],
      ['check', '--json'],
      ['serve', '--port', '0'],
    ];
    for (const argv of argvs) await shell.run('misuse', [...argv, '--store', each]);
    await shell.run('misuse', ['keys', 'list'], { environment: { HEADGATE_STORE: each } });
  }
}

/** Configuration files with secrets in them: as they should be, and in every wrong way. */
export async function commandsOverFiles(shell: Shell, sentinels: Sentinels): Promise<void> {
  const literal = sentinels.make('provider secret in a file of the user');
  const password = sentinels.make('password in a URL of the configuration');
  const provider = {
    type: 'openai',
    apiKey: literal,
    headers: { authorization: `Bearer ${literal}`, 'x-key': literal },
  };
  const good = {
    providers: { openai: provider },
    models: { m: { targets: ['openai'] } },
    profiles: { p: {} },
    teams: { t: { profile: 'p' } },
  };
  const withProvider = (more: object) => ({ ...good, providers: { openai: { ...provider, ...more } } });
  const wrong: readonly object[] = [
    withProvider({ apiKey: { value: literal } }),
    withProvider({ apiKey: [literal] }),
    withProvider({ apikey: literal }),
    withProvider({ apiKey: `${literal}\nx` }),
    withProvider({ apiKey: { env: literal } }),
    withProvider({ headers: { Authorization: literal } }),
    withProvider({ headers: [literal] }),
    withProvider({ baseUrl: `https://user:${password}@provider.test/v1` }),
    withProvider({ baseUrl: `user:${password}@provider` }),
    withProvider({ baseUrl: `ftp://user:${password}@provider.test` }),
    withProvider({ credentials: [{ id: 'one', apiKey: literal }] }),
    withProvider({ apiKey: undefined, credentials: [{ id: 'one', apiKey: literal, key: literal }] }),
    { ...good, providers: { openai: literal } },
    { ...good, models: { m: { targets: ['other'] } }, keys: [{ kid: 'x', secretHash: literal }] },
  ];
  const text = JSON.stringify(good, null, 2);
  const files: Readonly<Record<string, string>> = {
    'good.json': text,
    'unquoted.json': text.replace(`"apiKey": "${literal}"`, `"apiKey": ${literal}`),
    'unended.json': text.slice(0, text.indexOf(literal) + 20),
    'comma.json': text.replace(`"${literal}",`, `"${literal}"`),
    'twice.json': text.replace('"apiKey"', `"apiKey": "${literal}", "apiKey"`),
    'good.yaml': text,
    'alias.yaml': `providers:\n  openai:\n    apiKey: *${literal}\n`,
    'tag.yaml': `providers:\n  openai:\n    apiKey: !${literal} x\n`,
    'scalar.yaml': `providers:\n  openai:\n    apiKey: "${literal}" ${literal}\n`,
    'reserved.yaml': `providers:\n  openai:\n    apiKey: @${literal}\n`,
    'open.yaml': `providers:\n  openai:\n    apiKey: "${literal}\n`,
    'escape.yaml': `providers:\n  openai:\n    apiKey: "\\q${literal}"\n`,
    'flow.yaml': `providers: { openai: { apiKey: ${literal} ${literal}: x ] }\n`,
    'thrown.mjs': `const apiKey = '${literal}';\nexport default apiKey.providers.openai;\n`,
    'text.mjs': `export default '${literal}';\n`,
    ...Object.fromEntries(wrong.map((config, index) => [`wrong-${index}.json`, JSON.stringify(config)])),
  };
  for (const [name, content] of Object.entries(files)) {
    const file = await shell.write(name, content);
    const argvs = [
      ['check'],
      ['providers', 'list'],
      ['providers', 'show', 'openai'],
      ['explain', '--team', 't', '--model', 'm'],
      ['serve', '--port', '0'],
    ];
    for (const argv of argvs) {
      await shell.run('misuse', [...argv, '--config', file]);
      await shell.run('misuse', [...argv, '--json', '--config', file]);
    }
    for (const argv of [
      ['config', 'apply'],
      ['config', 'diff'],
    ]) {
      await shell.run('misuse', [...argv, '--config', file, '--store', 'memory:']);
      await shell.run('misuse', [...argv, '--json', '--config', file, '--store', 'memory:']);
    }
  }
}
