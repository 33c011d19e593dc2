import { createKeyService } from '../../keys/key-service.ts';
import type { KeySummary } from '../../keys/key-summary.ts';
import { createNoPepperRing } from '../../keys/no-pepper.ts';
import { createRuntime } from '../../runtime.ts';
import type { KeyQuery } from '../../stores/key-store.ts';
import { type Command, durationMs, integer, type OptionValues, optionalText } from '../command.ts';
import type { Io } from '../io.ts';
import { requiredStoreUrl, storeOption, withStores } from '../open-stores.ts';
import { createStyle } from '../style.ts';
import { renderTable, toTime } from '../table.ts';

/** Lists the keys of a store. */
export const keysList: Command = {
  name: 'keys list',
  summary: 'list the keys of a store',
  details: [
    'Shows no hash and no secret. Times of use are up to a minute behind.',
    '',
    'At most --limit keys are shown, in the order of their ids; what follows is had with --after.',
  ].join('\n'),
  options: {
    ...storeOption,
    team: { type: 'string', short: 't', value: 'team', help: 'only keys of this team' },
    project: { type: 'string', value: 'project', help: 'only keys of this project' },
    owner: { type: 'string', value: 'user', help: 'only keys of this user' },
    active: { type: 'boolean', help: 'only keys that are not revoked' },
    'unused-for': {
      type: 'string',
      value: 'time',
      help: 'only keys not revoked and not used for so long (30d), or never and older than that',
    },
    after: { type: 'string', value: 'kid', help: 'only keys behind this one' },
    limit: { type: 'string', value: 'number', help: '1 to 1000', default: '100' },
  },
  async run(values, io) {
    const url = requiredStoreUrl(values, io);
    const limit = integer(values, 'limit', 1, 1_000);
    const query = { ...toQuery(values), limit };
    const unusedFor = optionalText(values, 'unused-for');
    const unusedForMs = unusedFor === undefined ? undefined : durationMs('unused-for', unusedFor);
    // nothing is hashed here, so an unusable pepper must not get in the way
    const peppers = createNoPepperRing();
    const keys = await withStores(url, io, async (stores) => {
      const service = createKeyService({ store: stores.keys, peppers, runtime: createRuntime() });
      return unusedForMs === undefined ? service.list(query) : service.stale({ ...query, unusedForMs });
    });
    const after = keys.length === limit ? keys.at(-1)?.kid : undefined;
    if (values.json === true) io.stdout.write(`${JSON.stringify({ keys, after: after ?? null })}\n`);
    else render(keys, after, io);
    return 0;
  },
};

function toQuery(values: OptionValues): KeyQuery {
  const names = ['team', 'project', 'owner', 'after'] as const;
  const given = names.flatMap((name) => {
    const value = optionalText(values, name);
    return value === undefined ? [] : [[name, value]];
  });
  return { ...Object.fromEntries(given), ...(values.active === true && { active: true }) };
}

function render(keys: readonly KeySummary[], after: string | undefined, io: Io): void {
  if (keys.length === 0) {
    io.stdout.write('There are no such keys.\n');
    return;
  }
  const head = [
    'KID',
    'LAST4',
    'STATE',
    'TEAM',
    'PROJECT',
    'OWNER',
    'NAME',
    'CREATED',
    'EXPIRES',
    'LAST USED',
  ];
  const rows = keys.map((key) => [
    key.kid,
    key.last4,
    // two secrets are live: somebody has yet to switch to the new one
    key.previous === undefined ? key.state : `${key.state}, old until ${toTime(key.previous.graceUntilMs)}`,
    key.team,
    key.project,
    key.owner,
    key.name,
    toTime(key.createdAtMs),
    toTime(key.expiresAtMs) ?? 'never',
    toTime(key.lastUsedAtMs) ?? 'never',
  ]);
  io.stdout.write(renderTable(head, rows, createStyle(io.stdout, io.environment)));
  if (after !== undefined) io.stdout.write(`There may be more: --after ${after}\n`);
}
