import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { GatewayConfig } from '../../config/schema.ts';
import { createGateway } from '../../gateway.ts';
import type { GatewayRequest } from '../../message.ts';
import { createRuntime } from '../../runtime.ts';
import { checkConfig, formatIssue } from '../check-config.ts';
import {
  type Command,
  CommandError,
  type OptionValues,
  optionalText,
  requiredText,
  UsageError,
} from '../command.ts';
import { renderExplanation } from '../explanation.ts';
import type { Io } from '../io.ts';
import { issueKey } from '../issue-key.ts';
import { pepperFromEnvironment } from '../pepper.ts';
import { createStyle } from '../style.ts';

/** Tells what would become of a request. */
export const explain: Command = {
  name: 'explain',
  summary: 'tell which profile, limits and targets a request would meet',
  details: [
    'Sends and counts nothing. Limits are shown as an idle gateway has them: what a running one has counted is not',
    'known here. With --team instead of --key, a key of that team without restrictions of its own is taken.',
    '',
    'Keys in a command line are seen by other users of the machine: give HEADGATE_KEY in the environment, or --key -',
    'to read it from standard input.',
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
    team: { type: 'string', short: 't', value: 'team', help: 'a team, in place of a key' },
    model: { type: 'string', short: 'm', value: 'model', help: 'the model as the client names it' },
    body: { type: 'string', value: 'file.json', help: 'the whole request body, in place of --model' },
    endpoint: {
      type: 'string',
      value: 'path',
      help: 'the path; {model} in it is filled in',
      default: '/v1/chat/completions',
    },
    config: { type: 'string', short: 'c', value: 'file', help: 'the configuration file' },
  },
  async run(values, io) {
    const body = await readBody(values, io);
    const team = optionalText(values, 'team');
    const given = team === undefined ? await readKey(values, io) : undefined;
    if (team !== undefined && typeof values.key === 'string')
      throw new UsageError('Give --key or --team, not both.');
    const checked = await checkConfig({
      path: optionalText(values, 'config'),
      cwd: io.cwd,
      environment: io.environment,
    });
    if (!checked.ok) {
      throw new CommandError(checked.issues.map((issue) => formatIssue(issue, io.cwd)).join('\n'));
    }
    const peppers = pepperFromEnvironment(io.environment);
    const runtime = createRuntime();
    const issued =
      team === undefined ? undefined : issueKey({ team, environment: 'explain' }, peppers, runtime);
    const { config } = checked.loaded;
    if (team !== undefined && !checked.snapshot.policyOf(team)) {
      throw new CommandError(`There is no team ${JSON.stringify(team)} in ${checked.loaded.source}.`);
    }
    const keys = [
      ...(config.keys ?? []),
      ...(issued ? [issued.record as NonNullable<GatewayConfig['keys']>[number]] : []),
    ];
    const gateway = createGateway({ ...config, keys }, { environment: io.environment, peppers, runtime });
    try {
      const explanation = await gateway.explain(toRequest(values, body, issued?.key ?? (given as string)));
      if (values.json === true) io.stdout.write(`${JSON.stringify(explanation)}\n`);
      else io.stdout.write(renderExplanation(explanation, createStyle(io.stdout, io.environment)));
      return explanation.allowed ? 0 : 1;
    } finally {
      await gateway.close();
    }
  },
};

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
