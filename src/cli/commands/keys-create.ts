import { type LoadedConfig, loadConfig } from '../../config/load-config.ts';
import { configSchema } from '../../config/schema.ts';
import { createRuntime } from '../../runtime.ts';
import {
  type Command,
  CommandError,
  durationMs,
  type OptionValues,
  optionalText,
  requiredText,
  UsageError,
} from '../command.ts';
import type { Io } from '../io.ts';
import { type IssuedKey, issueKey } from '../issue-key.ts';
import { hasPepper, pepperFromEnvironment } from '../pepper.ts';
import { createStyle } from '../style.ts';

/** Makes a key and the record to configure. */
export const keysCreate: Command = {
  name: 'keys create',
  summary: 'make a key for a team',
  details: [
    'Prints the key, which is stored nowhere and shown this once, and its record: put that into "keys" of the',
    'configuration, into HEADGATE_KEYS (a JSON array), or into your own key store.',
    '',
    'Records are hashed under HEADGATE_PEPPER (32 bytes, base64; its id is HEADGATE_PEPPER_ID, default p1), which the',
    'gateway needs too. Records made without it are not valid on a gateway that has one, nor the other way round.',
  ].join('\n'),
  options: {
    team: {
      type: 'string',
      short: 't',
      value: 'team',
      help: 'the team whose profile the key inherits (needed)',
    },
    owner: { type: 'string', value: 'user', help: 'the user who holds it' },
    project: { type: 'string', value: 'project', help: 'the project it is for' },
    application: { type: 'string', value: 'name', help: 'the agent or application it is for' },
    env: {
      type: 'string',
      value: 'name',
      help: '2 to 8 lower-case letters, part of the key',
      default: 'live',
    },
    'expires-in': { type: 'string', value: 'time', help: '45s, 30m, 12h, 90d (default: never)' },
    models: { type: 'string', value: 'a,b', help: "narrows the team's profile to these models or patterns" },
    config: { type: 'string', short: 'c', value: 'file', help: 'the configuration that must know the team' },
  },
  async run(values, io) {
    const team = requiredText(values, 'team');
    await checkTeam(team, values, io);
    const peppers = pepperFromEnvironment(io.environment);
    const issued = issueKey(toRequest(team, values), peppers, createRuntime());
    checkRecord(issued);
    if (values.json === true) io.stdout.write(`${JSON.stringify(issued)}\n`);
    else render(issued, io);
    if (!hasPepper(io.environment)) {
      io.stderr.write(
        'headgate: hashed without a pepper. Set HEADGATE_PEPPER here and at the gateway to use one.\n',
      );
    }
    return 0;
  },
};

function toRequest(team: string, values: OptionValues) {
  const environment = requiredText(values, 'env');
  if (!/^[a-z]{2,8}$/.test(environment)) throw new UsageError('--env must be 2 to 8 lower-case letters.');
  const owner = optionalText(values, 'owner');
  const project = optionalText(values, 'project');
  const application = optionalText(values, 'application');
  const lifetime = optionalText(values, 'expires-in');
  const models = optionalText(values, 'models')
    ?.split(',')
    .map((name) => name.trim());
  return {
    team,
    environment,
    ...(owner !== undefined && { owner }),
    ...(project !== undefined && { project }),
    ...(application !== undefined && { application }),
    ...(models && { models }),
    ...(lifetime !== undefined && { lifetimeMs: durationMs('expires-in', lifetime) }),
  };
}

/** What the gateway would refuse to load must not be handed out. */
function checkRecord({ record }: IssuedKey): void {
  const parsed = configSchema.shape.keys.safeParse([record]);
  if (parsed.success) return;
  const [issue] = parsed.error.issues;
  throw new UsageError(`--${String(issue?.path[1])}: ${issue?.message}.`);
}

/** A mistyped team is found now rather than when its holder gets a refusal. */
async function checkTeam(team: string, values: OptionValues, io: Io): Promise<void> {
  const path = optionalText(values, 'config');
  let loaded: LoadedConfig;
  try {
    loaded = await loadConfig(path, { cwd: io.cwd, environment: io.environment });
  } catch (error) {
    // without any configuration there is nothing to compare with
    if (path !== undefined || (error as Error).name === 'ConfigFileError') throw error;
    return;
  }
  if (loaded.file === undefined) return;
  const { teams } = loaded.config;
  if (typeof teams === 'object' && teams !== null && Object.hasOwn(teams, team)) return;
  const known = Object.keys(teams ?? {}).join(', ') || 'none';
  throw new CommandError(
    `There is no team ${JSON.stringify(team)} in ${loaded.source}. There are: ${known}.`,
  );
}

function render({ key, record }: IssuedKey, io: Io): void {
  const style = createStyle(io.stdout, io.environment);
  io.stdout.write(
    [
      'The key, shown this once:',
      '',
      `  ${style.bold(key)}`,
      '',
      'Its record, for "keys" of the configuration or for HEADGATE_KEYS:',
      '',
      ...JSON.stringify(record, null, 2)
        .split('\n')
        .map((line) => `  ${line}`),
      '',
    ].join('\n'),
  );
}
