import { type AppliedConfig, createConfigService } from '../../config/config-service.ts';
import { loadConfig } from '../../config/load-config.ts';
import type { Stores } from '../../stores/stores.ts';
import { authorOf, authorOption } from '../author.ts';
import {
  type Command,
  type CommandOption,
  integer,
  integerArgument,
  type OptionValues,
  optionalText,
} from '../command.ts';
import { explainIssues } from '../config-source.ts';
import type { Io } from '../io.ts';
import { requiredStoreUrl, storeOption, withStores } from '../open-stores.ts';
import { createStyle } from '../style.ts';

const changeOptions: Readonly<Record<string, CommandOption>> = {
  message: { type: 'string', short: 'm', value: 'text', help: 'why' },
  ...authorOption,
  expected: {
    type: 'string',
    value: 'number',
    help: 'do it only if this version is the latest; 0 for none (default: whatever is)',
  },
  force: { type: 'boolean', help: 'also take away teams and projects that have live keys' },
};

/** Makes a configuration file the latest version in a store. */
export const configApply: Command = {
  name: 'config apply',
  summary: 'make a configuration file the latest version in a store',
  details: [
    'Checks it first: its form, what it refers to, and that it locks nobody out. Secrets in variables and files are taken as',
    'present, since only the gateways need to have them; stored ones must be there. A secret that stands in the file as it',
    'is, or a function, is refused. Gateways that follow the store take the new version over. Nothing is stored when the',
    'latest version is the same.',
  ].join('\n'),
  options: {
    ...storeOption,
    config: { type: 'string', short: 'c', value: 'file', help: 'the configuration file' },
    ...changeOptions,
  },
  async run(values, io) {
    const url = requiredStoreUrl(values, io);
    const options = toApplyOptions(values, io);
    const path = optionalText(values, 'config');
    const loaded = await loadConfig(path, { cwd: io.cwd, environment: io.environment });
    const apply = async ({ config: store, keys, secrets }: Stores): Promise<AppliedConfig> => {
      try {
        return await createConfigService({ store, keys, secrets }).apply(loaded.config, options);
      } catch (error) {
        throw await explainIssues(error, loaded, io);
      }
    };
    const applied = await withStores(url, io, apply, { makes: true });
    report(applied, values, io);
    return 0;
  },
};

/** Makes an older version the latest again. */
export const configRollback: Command = {
  name: 'config rollback',
  summary: 'make an older version the latest again',
  details: 'Appends its content as a new version, after the same checks as config apply.',
  argument: { name: 'number', help: 'the version to go back to' },
  options: { ...storeOption, ...changeOptions },
  async run(values, io) {
    const url = requiredStoreUrl(values, io);
    const number = integerArgument(values, 'number', 1, 2 ** 31);
    const options = toApplyOptions(values, io);
    const applied = await withStores(url, io, ({ config: store, keys, secrets }) =>
      createConfigService({ store, keys, secrets }).rollback(number, options),
    );
    report(applied, values, io);
    return 0;
  },
};

function toApplyOptions(values: OptionValues, io: Io) {
  const message = optionalText(values, 'message');
  const isExpected = optionalText(values, 'expected') !== undefined;
  return {
    author: authorOf(values, io),
    force: values.force === true,
    ...(message !== undefined && { message }),
    ...(isExpected && { expectedNumber: integer(values, 'expected', 0, 2 ** 31) }),
  };
}

function report({ version, changed }: AppliedConfig, values: OptionValues, io: Io): void {
  const style = createStyle(io.stdout, io.environment);
  if (values.json === true) io.stdout.write(`${JSON.stringify({ changed, version })}\n`);
  else if (changed) io.stdout.write(`${style.green('ok')} version ${version.number} is the latest now\n`);
  else io.stdout.write(`nothing to do: version ${version.number} is the same\n`);
}
