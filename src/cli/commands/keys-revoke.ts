import { createKeyService, type KeyService } from '../../keys/key-service.ts';
import { createNoPepperRing } from '../../keys/no-pepper.ts';
import type { BulkRevocation, KeysOf } from '../../keys/revoke-all.ts';
import { createRuntime } from '../../runtime.ts';
import { type Command, CommandError, type OptionValues, optionalText, UsageError } from '../command.ts';
import type { Io } from '../io.ts';
import { requiredStoreUrl, storeOption, withStores } from '../open-stores.ts';
import { toTime } from '../table.ts';

/** Ends keys for good. */
export const keysRevoke: Command = {
  name: 'keys revoke',
  summary: 'revoke a key, or all keys of a user, team or project',
  details: [
    'Revocation is final. Gateways that follow the store refuse the key at once, others when their cache is over (5 s).',
    '',
    'With --owner, --team or --project it says how many keys that would end, and ends them with --yes. Exit code 1 when',
    'some are still live afterwards; the command may be repeated.',
  ].join('\n'),
  argument: { name: 'kid', help: 'id of the key, the part behind the second _; or one of the options below' },
  options: {
    ...storeOption,
    owner: { type: 'string', value: 'user', help: 'all keys of this user' },
    team: { type: 'string', short: 't', value: 'team', help: 'all keys of this team' },
    project: { type: 'string', value: 'project', help: 'all keys of this project' },
    yes: { type: 'boolean', short: 'y', help: 'do it' },
    after: { type: 'string', value: 'kid', help: 'go on behind this key, where an earlier run stopped' },
  },
  async run(values, io) {
    const url = requiredStoreUrl(values, io);
    const of = toSubject(values);
    // nothing is hashed here, so an unusable pepper must not get in the way
    const peppers = createNoPepperRing();
    return await withStores(url, io, async (stores) => {
      const service = createKeyService({ store: stores.keys, peppers, runtime: createRuntime() });
      if (of === undefined) return await revokeOne(service, values, io);
      if (values.yes !== true) return await announce(service, of, values, io);
      const after = optionalText(values, 'after');
      const result = await service.revokeAllOf(of, after === undefined ? {} : { after });
      report(result, describe(of), values, io);
      return result.isComplete ? 0 : 1;
    });
  },
};

function toSubject(values: OptionValues): KeysOf | undefined {
  const given = (['owner', 'team', 'project'] as const).flatMap((name) => {
    const value = optionalText(values, name);
    return value === undefined ? [] : [[name, value] as const];
  });
  if (given.length + (values.kid === undefined ? 0 : 1) !== 1) {
    throw new UsageError('Give <kid>, --owner, --team or --project, and one of them only.');
  }
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

function describe(of: KeysOf): string {
  return Object.entries(of)
    .map(([name, value]) => `${name} ${JSON.stringify(value)}`)
    .join();
}

async function revokeOne(service: KeyService, values: OptionValues, io: Io): Promise<number> {
  const key = await service.revoke(String(values.kid));
  if (values.json === true) io.stdout.write(`${JSON.stringify({ revoked: key })}\n`);
  else io.stdout.write(`revoked ${key.kid} of team ${key.team}, at ${toTime(key.revokedAtMs)}\n`);
  return 0;
}

async function announce(service: KeyService, of: KeysOf, values: OptionValues, io: Io): Promise<number> {
  let count = 0;
  let after: string | undefined;
  do {
    const page = await service.list({
      ...of,
      active: true,
      limit: 1_000,
      ...(after !== undefined && { after }),
    });
    count += page.length;
    after = page.at(-1)?.kid;
  } while (after !== undefined);
  const what = `${count} ${count === 1 ? 'key' : 'keys'} of ${describe(of)}`;
  const message = `${what} would be revoked, for good. Add --yes to do it.`;
  if (values.json !== true) throw new CommandError(message);
  io.stdout.write(`${JSON.stringify({ wouldRevoke: count })}\n`);
  io.stderr.write(`headgate: ${message}\n`);
  return 1;
}

function report(result: BulkRevocation, subject: string, values: OptionValues, io: Io): void {
  const { revoked, failed, createdMeanwhile, stoppedAfter, error } = result;
  if (values.json === true) {
    const shown = failed.map(({ kid, error }) => ({ kid, error: toMessage(error) }));
    const rest = { ...result, failed: shown, ...(error !== undefined && { error: toMessage(error) }) };
    io.stdout.write(`${JSON.stringify(rest)}\n`);
  } else {
    io.stdout.write(`revoked ${revoked} ${revoked === 1 ? 'key' : 'keys'} of ${subject}\n`);
  }
  for (const { kid, error } of failed)
    io.stderr.write(`headgate: ${kid} is still live: ${toMessage(error)}\n`);
  for (const kid of createdMeanwhile) io.stderr.write(`headgate: ${kid} was made meanwhile and is live.\n`);
  if (stoppedAfter === undefined) return;
  const next = stoppedAfter === '' ? 'Repeat the command.' : `Go on with --after ${stoppedAfter}.`;
  io.stderr.write(`headgate: stopped early: ${toMessage(error)} ${next}\n`);
}

function toMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
