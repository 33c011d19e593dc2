import { toShown } from '../../config/diff-config.ts';
import { type Command, CommandError, integerArgument } from '../command.ts';
import { describeStore, requiredStoreUrl, storeOption, withStores } from '../open-stores.ts';
import { createStyle } from '../style.ts';
import { toTime } from '../table.ts';

/** Shows one version of the configuration in a store. */
export const configShow: Command = {
  name: 'config show',
  summary: 'show a version of the configuration in a store',
  details: 'Prints it as JSON, with who made it, when and why. Secrets are shown as [secret].',
  argument: { name: 'number', help: 'which version; the latest without it' },
  options: storeOption,
  async run(values, io) {
    const url = requiredStoreUrl(values, io);
    const number = values.number === undefined ? undefined : integerArgument(values, 'number', 1, 2 ** 31);
    const version = await withStores(url, io, ({ config }) =>
      number === undefined ? config.readLatest() : config.readVersion(number),
    );
    if (!version) {
      const which = number === undefined ? 'configuration' : `version ${number}`;
      throw new CommandError(`There is no ${which} in ${describeStore(url)}.`);
    }
    const { config, ...info } = version;
    const shown = toShown(config, []);
    if (values.json === true) {
      io.stdout.write(`${JSON.stringify({ ...info, config: shown })}\n`);
      return 0;
    }
    const { dim } = createStyle(io.stdout, io.environment);
    const why = info.message === undefined ? '' : `: ${info.message}`;
    // kept apart from the JSON, so that standard output can be piped into a file
    io.stderr.write(dim(`version ${info.number} by ${info.author}, ${toTime(info.createdAtMs)}${why}\n`));
    io.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
    return 0;
  },
};
