import { createKeyService } from '../../keys/key-service.ts';
import { toKeySummary } from '../../keys/key-summary.ts';
import { createRuntime } from '../../runtime.ts';
import { type Command, durationMs, requiredArgument, requiredText } from '../command.ts';
import { requiredStoreUrl, storeOption, withStores } from '../open-stores.ts';
import { pepperFromEnvironment, warnWithoutPepper } from '../pepper.ts';
import { createStyle } from '../style.ts';
import { toTime } from '../table.ts';

/** Gives a key a new secret. */
export const keysRotate: Command = {
  name: 'keys rotate',
  summary: 'give a key a new secret; the old one stays valid for a while',
  details: [
    'Prints the new key, which is shown this once. Id, limits and attribution stay. The old secret is accepted for the',
    'grace, then refused with key_rotated; a secret before the old one ends at once. Its last use is in keys list.',
  ].join('\n'),
  argument: { name: 'kid', help: 'id of the key, the part behind the second _' },
  options: {
    ...storeOption,
    grace: {
      type: 'string',
      value: 'time',
      help: 'how long the old secret is accepted: 0, 30m, 12h, 7d',
      default: '1d',
    },
  },
  async run(values, io) {
    const url = requiredStoreUrl(values, io);
    const kid = requiredArgument(values, 'kid');
    const grace = requiredText(values, 'grace');
    const graceMs = grace === '0' ? 0 : durationMs('grace', grace);
    const peppers = pepperFromEnvironment(io.environment);
    const runtime = createRuntime();
    const { key, record } = await withStores(url, io, (stores) =>
      createKeyService({ store: stores.keys, peppers, runtime }).rotate(kid, { graceMs }),
    );
    if (values.json === true) {
      io.stdout.write(`${JSON.stringify({ key, record: toKeySummary(record, runtime.now()) })}\n`);
    } else {
      const style = createStyle(io.stdout, io.environment);
      const end =
        graceMs === 0 ? 'not accepted any more' : `accepted until ${toTime(record.previous?.graceUntilMs)}`;
      io.stdout.write(
        `The new key, shown this once:\n\n  ${style.bold(key)}\n\nThe old secret (…${record.previous?.last4}) is ${end}.\n`,
      );
    }
    warnWithoutPepper(io);
    return 0;
  },
};
