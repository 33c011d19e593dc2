import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { withStandIns } from '../../config/check-storable.ts';
import type { GatewayConfig } from '../../config/schema.ts';
import type { Explanation } from '../../explain.ts';
import { createGateway } from '../../gateway.ts';
import { issueKey } from '../../keys/issue-key.ts';
import type { GatewayRequest } from '../../message.ts';
import { createRuntime } from '../../runtime.ts';
import { createVault } from '../../secrets/vault.ts';
import type { ConfigVersionInfo } from '../../stores/config-store.ts';
import type { KeyStore } from '../../stores/key-store.ts';
import { createMemoryKeyStore } from '../../stores/memory/memory-key-store.ts';
import type { Stores } from '../../stores/stores.ts';
import { checkConfig, formatIssue } from '../check-config.ts';
import {
  type Command,
  CommandError,
  type OptionValues,
  optionalText,
  requiredText,
  UsageError,
} from '../command.ts';
import { configStoreUrl, loadStoredConfig } from '../config-source.ts';
import { renderExplanation } from '../explanation.ts';
import type { Io } from '../io.ts';
import { optionalKeyEncryptionRing } from '../key-encryption.ts';
import { withStores } from '../open-stores.ts';
import { pepperFromEnvironment } from '../pepper.ts';
import { requireTeam } from '../require-team.ts';
import { sourceOptions } from '../show.ts';
import { createStyle } from '../style.ts';

/** Tells what would happen to a request. */
export const explain: Command = {
  name: 'explain',
  summary: 'show which profile, limits and targets apply to a request',
  details: [
    'Sends and counts nothing. Limits are shown as on an idle gateway: what a running one has counted is not known here,',
    'and limits of providers and targets are not checked. --team stands for a key of that team without restrictions of its',
    'own.',
    '',
    'Other users of the machine can see keys in a command line: set HEADGATE_KEY in the environment, or use --key - to read',
    'the key from standard input.',
    '',
    'With a store, its configuration and its keys are used, and secrets are assumed to be present; HEADGATE_KEK lets it',
    'look up which credentials projects and users have registered.',
    '',
    'Exit code 1 when the request would be refused.',
  ].join('\n'),
  options: {
    key: {
      type: 'string',
      short: 'k',
      value: 'key',
      help: 'the key, - for standard input (default: HEADGATE_KEY)',
    },
    team: { type: 'string', short: 't', value: 'team', help: 'a team, instead of a key' },
    model: { type: 'string', short: 'm', value: 'model', help: 'the model as the client names it' },
    body: { type: 'string', value: 'file.json', help: 'the whole request body, instead of --model' },
    endpoint: {
      type: 'string',
      value: 'path',
      help: 'the path; {model} in it is filled in',
      default: '/v1/chat/completions',
    },
    ...sourceOptions,
  },
  async run(values, io) {
    const body = await readBody(values, io);
    const team = optionalText(values, 'team');
    const given = team === undefined ? await readKey(values, io) : undefined;
    if (team !== undefined && typeof values.key === 'string')
      throw new UsageError('Give --key or --team, not both.');
    const url = configStoreUrl(values, io);
    const explainFrom = async (stores?: Stores): Promise<Explanation> => {
      const site = await readSite(values, io, stores && url !== undefined ? { stores, url } : undefined);
      return await explainAt(site, team, (key) => toRequest(values, body, key ?? (given as string)), io);
    };
    const explanation = await (url === undefined ? explainFrom() : withStores(url, io, explainFrom));
    if (values.json === true) io.stdout.write(`${JSON.stringify(explanation)}\n`);
    else io.stdout.write(renderExplanation(explanation, createStyle(io.stdout, io.environment)));
    return explanation.allowed ? 0 : 1;
  },
};

/** What a request is explained with. */
interface Site {
  readonly config: GatewayConfig;
  readonly source: string;
  /** Its version in the store; undefined if from a file. */
  readonly version: ConfigVersionInfo | undefined;
  /** Where keys and credentials of callers are; if undefined, only in the configuration. */
  readonly stores: Stores | undefined;
}

async function readSite(
  values: OptionValues,
  io: Io,
  from: { readonly stores: Stores; readonly url: string } | undefined,
): Promise<Site> {
  const checked = await checkConfig({
    path: optionalText(values, 'config'),
    cwd: io.cwd,
    environment: io.environment,
    ...(from && { load: () => loadStoredConfig(from.stores, from.url), prepare: withStandIns }),
  });
  if (!checked.ok) {
    throw new CommandError(checked.issues.map((issue) => formatIssue(issue, io.cwd)).join('\n'));
  }
  const { config, source, version } = checked.loaded;
  return {
    config: from ? withStandIns(config) : config,
    source,
    version,
    stores: from?.stores,
  };
}

async function explainAt(
  { config, source, version, stores }: Site,
  team: string | undefined,
  requestWith: (key: string | undefined) => GatewayRequest,
  io: Io,
): Promise<Explanation> {
  if (team !== undefined) requireTeam(team, config, source);
  const peppers = pepperFromEnvironment(io.environment);
  const runtime = createRuntime();
  const issued =
    team === undefined ? undefined : issueKey({ team, environment: 'explain' }, peppers, runtime);
  const records = [...(config.keys ?? []), ...(issued ? [issued.record] : [])];
  const ours = createMemoryKeyStore(records);
  const store: KeyStore = {
    findKey: async (kid) => (await ours.findKey(kid)) ?? (await stores?.keys.findKey(kid)) ?? null,
  };
  const ring = stores && optionalKeyEncryptionRing(io.environment);
  const vault = ring && createVault({ store: stores.secrets, ring, runtime });
  const gateway = createGateway(config, {
    environment: io.environment,
    peppers,
    runtime,
    keys: store,
    ...(version && { version }),
    ...(vault && { vault }),
  });
  try {
    await vault?.load();
    const explanation = await gateway.explain(requestWith(issued?.key));
    const { principal, policy } = explanation;
    if (stores && !vault && policy?.billing.value === 'byok') {
      io.stderr.write(
        'headgate: HEADGATE_KEK is not set: credentials of projects and users are not looked at.\n',
      );
    }
    // nobody holds the key made for this
    return issued && principal
      ? { ...explanation, principal: { ...principal, key: 'any of the team' } }
      : explanation;
  } finally {
    await gateway.close();
    await vault?.close();
  }
}

async function readKey(values: OptionValues, io: Io): Promise<string> {
  const given = optionalText(values, 'key') ?? io.environment.HEADGATE_KEY?.trim();
  if (given === undefined || given === '') throw new UsageError('--key or --team is needed.');
  return given === '-' ? (await io.readStdin()).trim() : given;
}

async function readBody(values: OptionValues, io: Io): Promise<string> {
  const file = optionalText(values, 'body');
  if (file === undefined) {
    const model = requiredText(values, 'model');
    return JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] });
  }
  if (values.model !== undefined) throw new UsageError('Give --model or --body, not both.');
  try {
    return await readFile(resolve(io.cwd, file), 'utf8');
  } catch (cause) {
    throw new CommandError(`${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

function toRequest(values: OptionValues, body: string, key: string): GatewayRequest {
  const model = optionalText(values, 'model') ?? '';
  const endpoint = requiredText(values, 'endpoint').replace('{model}', encodeURIComponent(model));
  const [path = '', query = ''] = endpoint.split('?', 2);
  if (!path.startsWith('/')) throw new UsageError('--endpoint is a path that starts with /.');
  const bytes = new TextEncoder().encode(body);
  return {
    method: 'POST',
    path,
    query,
    headers: {
      'x-headgate-key': key,
      'content-type': 'application/json',
      'content-length': String(bytes.length),
      ...(path.includes('/messages') && { 'anthropic-version': '2023-06-01' }),
    },
    signal: new AbortController().signal,
    readBody: () => Promise.resolve(bytes),
  };
}
