import { type Command, integer, optionalText } from '../command.ts';
import { requiredStoreUrl, storeOption, withStores } from '../open-stores.ts';
import { createStyle } from '../style.ts';
import { renderTable, toTime } from '../table.ts';

const digestLength = 12;

/** Lists the versions of the configuration in a store. */
export const configVersions: Command = {
  name: 'config versions',
  summary: 'list the versions of the configuration in a store',
  details: 'Newest first. What follows after --limit is had with --before.',
  options: {
    ...storeOption,
    before: { type: 'string', value: 'number', help: 'only versions below this one' },
    limit: { type: 'string', value: 'number', help: '1 to 1000', default: '20' },
  },
  async run(values, io) {
    const url = requiredStoreUrl(values, io);
    const limit = integer(values, 'limit', 1, 1_000);
    const before = optionalText(values, 'before') && integer(values, 'before', 1, 2 ** 31);
    const query = { limit, ...(typeof before === 'number' && { before }) };
    const versions = await withStores(url, io, ({ config }) => config.listVersions(query));
    if (values.json === true) {
      io.stdout.write(`${JSON.stringify({ versions })}\n`);
    } else if (versions.length === 0) {
      io.stdout.write('There are no such versions.\n');
    } else {
      const rows = versions.map(({ number, createdAtMs, author, digest, message }) => [
        String(number),
        toTime(createdAtMs),
        author,
        digest.slice(0, digestLength),
        message,
      ]);
      const head = ['NUMBER', 'CREATED', 'AUTHOR', 'DIGEST', 'MESSAGE'];
      io.stdout.write(renderTable(head, rows, createStyle(io.stdout, io.environment)));
    }
    return 0;
  },
};
