import { type LoadedConfig, loadConfig } from '../../config/load-config.ts';
import { configSchema, type LimitConfig } from '../../config/schema.ts';
import { toConfigIssues } from '../../config/schema-issues.ts';
import { type IssuedKey, issueKey } from '../../keys/issue-key.ts';
import type { KeyRequest } from '../../keys/key-request.ts';
import { createKeyService } from '../../keys/key-service.ts';
import { toKeySummary } from '../../keys/key-summary.ts';
import { createRuntime } from '../../runtime.ts';
import type { Stores } from '../../stores/stores.ts';
import { authorOf, authorOption } from '../author.ts';
import {
  type Command,
  durationMs,
  type OptionValues,
  optionalText,
  requiredText,
  UsageError,
} from '../command.ts';
import type { Io } from '../io.ts';
import { optionalStoreUrl, storeOption, withStores } from '../open-stores.ts';
import { pepperFromEnvironment, warnWithoutPepper } from '../pepper.ts';
import { requireTeam } from '../require-team.ts';
import { createStyle } from '../style.ts';

/** Makes a key and the record to configure. */
export const keysCreate: Command = {
  name: 'keys create',
  summary: 'make a key for a team',
  details: [
    'With a store, its record is stored there, and gateways accept the key at once. Without one, its record is printed:',
    'put that into "keys" of the configuration, into HEADGATE_KEYS (a JSON array), or into your own key store.',
    'The key itself is stored nowhere and shown this once.',
    '',
    'Records are hashed under HEADGATE_PEPPER (32 bytes, base64; its id is HEADGATE_PEPPER_ID, default p1), which the',
    'gateway needs too. Records made without it are not valid on a gateway that has one, and vice versa.',
    'A gateway accepts keys of HEADGATE_OTHER_PEPPERS (id=pepper,id=pepper) as well.',
  ].join('\n'),
  options: {
    ...storeOption,
    team: {
      type: 'string',
      short: 't',
      value: 'team',
      help: 'the team whose profile the key inherits (required)',
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
    limits: {
      type: 'string',
      value: 'json',
      help: 'limits of this key alone: [{"unit":"usd","amount":5,"window":"1d"}]',
    },
    name: { type: 'string', value: 'text', help: 'a display name' },
    labels: { type: 'string', value: 'a=b,c=d', help: 'labels that its requests carry' },
    ...authorOption,
    config: {
      type: 'string',
      short: 'c',
      value: 'file',
      help: 'the configuration that must know team and project',
    },
  },
  async run(values, io) {
    const team = requiredText(values, 'team');
    const url = optionalStoreUrl(values, io);
    const request = toRequest(team, values);
    const peppers = pepperFromEnvironment(io.environment);
    const runtime = createRuntime();
    if (url === undefined) {
      await checkTeam(team, values, io);
      const author = optionalText(values, 'author');
      const issued = issueKey(
        { ...request, ...(author !== undefined && { createdBy: author }) },
        peppers,
        runtime,
      );
      checkRecord(issued);
      if (values.json === true) io.stdout.write(`${JSON.stringify(issued)}\n`);
      else renderRecord(issued, io);
    } else {
      if (values.config !== undefined) await checkTeam(team, values, io);
      const create = async (stores: Stores): Promise<IssuedKey> => {
        const latest = await stores.config.readLatest();
        if (latest) {
          const source = `version ${latest.number} of the configuration`;
          requireTeam(team, latest.config, source, request.project);
        }
        const service = createKeyService({ store: stores.keys, peppers, runtime });
        return await service.create(request, authorOf(values, io));
      };
      const { key, record } = await withStores(url, io, create, { makes: true });
      const shown = { key, record: toKeySummary(record, record.createdAtMs) };
      if (values.json === true) io.stdout.write(`${JSON.stringify(shown)}\n`);
      else renderStored(key, record.kid, io);
    }
    warnWithoutPepper(io);
    return 0;
  },
};

function toRequest(team: string, values: OptionValues): KeyRequest {
  const environment = requiredText(values, 'env');
  if (!/^[a-z]{2,8}$/.test(environment)) throw new UsageError('--env must be 2 to 8 lower-case letters.');
  const owner = optionalText(values, 'owner');
  const project = optionalText(values, 'project');
  const application = optionalText(values, 'application');
  const lifetime = optionalText(values, 'expires-in');
  const models = optionalText(values, 'models')
    ?.split(',')
    .map((name) => name.trim());
  const limits = toLimits(optionalText(values, 'limits'));
  const name = optionalText(values, 'name');
  const labels = toLabels(optionalText(values, 'labels'));
  return {
    team,
    environment,
    ...(name !== undefined && { name }),
    ...(labels && { labels }),
    ...(limits && { limits }),
    ...(owner !== undefined && { owner }),
    ...(project !== undefined && { project }),
    ...(application !== undefined && { application }),
    ...(models && { models }),
    ...(lifetime !== undefined && { lifetimeMs: durationMs('expires-in', lifetime) }),
  };
}

function toLimits(text: string | undefined): LimitConfig[] | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`--limits is not JSON: ${(cause as Error).message}.`, { cause });
  }
  const schema = configSchema().shape.limits;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [{ path, message } = { path: '(root)', message: 'cannot be read' }] = toConfigIssues(
    parsed.error,
    schema,
    value,
  );
  throw new UsageError(`--limits: ${path === '(root)' ? '' : `${path}: `}${message}`);
}

function toLabels(text: string | undefined): Record<string, string> | undefined {
  if (text === undefined) return undefined;
  const pairs = text.split(',').map((pair) => /^\s*([^=]+?)\s*=\s*(.*?)\s*$/.exec(pair));
  if (pairs.some((pair) => pair === null)) throw new UsageError('--labels has the form a=b,c=d.');
  return Object.fromEntries(pairs.map((pair) => [pair?.[1], pair?.[2]]));
}

/** A key that the gateway refuses to load must not be handed out. */
function checkRecord({ record }: IssuedKey): void {
  const parsed = configSchema().shape.keys.safeParse([record]);
  if (parsed.success) return;
  const [issue] = parsed.error.issues;
  throw new UsageError(`--${String(issue?.path[1])}: ${issue?.message}.`);
}

/** Finds a mistyped team or project now, not when the key's holder is refused. */
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
  requireTeam(team, loaded.config, loaded.source, optionalText(values, 'project'));
}

function renderStored(key: string, kid: string, io: Io): void {
  const style = createStyle(io.stdout, io.environment);
  io.stdout.write(`The key, shown this once:\n\n  ${style.bold(key)}\n\nIts id is ${kid}.\n`);
}

function renderRecord({ key, record }: IssuedKey, io: Io): void {
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
