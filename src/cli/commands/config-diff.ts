import { type ConfigDifference, diffConfig } from '../../config/diff-config.ts';
import { loadConfig } from '../../config/load-config.ts';
import type { ConfigStore, ConfigVersion } from '../../stores/config-store.ts';
import { type Command, CommandError, integer, optionalText, UsageError } from '../command.ts';
import type { Io } from '../io.ts';
import { describeStore, requiredStoreUrl, storeOption, withStores } from '../open-stores.ts';
import { createStyle } from '../style.ts';
import { toCell } from '../table.ts';

/** Shows what differs between versions of the configuration, or between a store and a file. */
export const configDiff: Command = {
  name: 'config diff',
  summary: 'show what config apply would change, or what changed between versions',
  details: [
    'From the latest version in the store to the configuration file: what config apply would change. With --from and --to',
    'between versions. Secrets are shown as [secret].',
  ].join('\n'),
  options: {
    ...storeOption,
    from: { type: 'string', value: 'number', help: 'the version to start from (default: the latest)' },
    to: { type: 'string', value: 'number', help: 'the version to compare with, instead of a file' },
    config: { type: 'string', short: 'c', value: 'file', help: 'the configuration file to compare with' },
  },
  async run(values, io) {
    const url = requiredStoreUrl(values, io);
    const numberOf = (name: string) =>
      optionalText(values, name) === undefined ? undefined : integer(values, name, 0, 2 ** 31);
    const [from, to] = [numberOf('from'), numberOf('to')];
    const path = optionalText(values, 'config');
    if (to !== undefined && path !== undefined) throw new UsageError('Give --to or --config, not both.');
    const file =
      to === undefined ? await loadConfig(path, { cwd: io.cwd, environment: io.environment }) : undefined;
    const [before, after] = await withStores(url, io, async ({ config }) => [
      from === undefined ? await config.readLatest() : await read(config, from, url),
      to === undefined ? null : await read(config, to, url),
    ]);
    const differences = diffConfig(before?.config ?? {}, after?.config ?? file?.config ?? {});
    const names = { from: toName(before), to: file?.source ?? toName(after ?? null) };
    if (values.json === true) io.stdout.write(`${JSON.stringify({ ...names, differences })}\n`);
    else render(differences, names, io);
    return 0;
  },
};

/** Version 0 is the state before the first. */
async function read(store: ConfigStore, number: number, url: string): Promise<ConfigVersion | null> {
  if (number === 0) return null;
  const version = await store.readVersion(number);
  if (version) return version;
  throw new CommandError(`There is no version ${number} in ${describeStore(url)}.`);
}

function toName(version: ConfigVersion | null): string {
  return version ? `version ${version.number}` : 'nothing';
}

function render(differences: readonly ConfigDifference[], names: { from: string; to: string }, io: Io): void {
  const style = createStyle(io.stdout, io.environment);
  if (differences.length === 0) {
    io.stdout.write(`${names.from} and ${names.to} are the same.\n`);
    return;
  }
  io.stdout.write(style.dim(`${names.from} -> ${names.to}\n`));
  for (const { path, kind, before, after } of differences) {
    const at = toCell(path);
    if (kind === 'added') io.stdout.write(style.green(`+ ${at}: ${toText(after)}\n`));
    else if (kind === 'removed') io.stdout.write(style.red(`- ${at}: ${toText(before)}\n`));
    else io.stdout.write(`~ ${at}: ${toText(before)} -> ${toText(after)}\n`);
  }
}

function toText(value: unknown): string {
  return toCell(JSON.stringify(value));
}
