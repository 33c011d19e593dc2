import type { Command } from '../command.ts';
import { describeStore, requiredStoreUrl, storeOption, withStores } from '../open-stores.ts';

/** Brings the schema of a store up to date. */
export const migrate: Command = {
  name: 'migrate',
  summary: 'bring the schema of a store to what this release needs',
  details: [
    'Does nothing when it is there already. Safe to run from several machines at once, and while gateways of the previous',
    'release run on the same store.',
  ].join('\n'),
  options: storeOption,
  async run(values, io) {
    const url = requiredStoreUrl(values, io);
    const steps = await withStores(url, io, (stores) => stores.migrate(), { migrate: false, makes: true });
    if (values.json === true) io.stdout.write(`${JSON.stringify({ steps })}\n`);
    else if (steps.length === 0) io.stdout.write(`${describeStore(url)} is up to date\n`);
    else io.stdout.write(steps.map((step) => `done: ${step}\n`).join(''));
    return 0;
  },
};
