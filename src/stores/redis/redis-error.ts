/** Why Redis could not do what it was asked: the first word of its reply, or one of ours in lower case. */
export type RedisErrorCode = keyof typeof ours | keyof typeof theirs | 'unknown';

/** What happens between here and the server. */
const ours = {
  overloaded: 'Too many commands wait for Redis; this one was not sent.',
  closed: 'These Redis stores were closed.',
  late: 'Redis did not answer in time.',
  lost: 'The connection to Redis was lost.',
  unreachable: 'Redis cannot be reached.',
  emptied:
    'Redis has lost what was stored in it: it was flushed, evicted it or restarted without persistence.',
  ledger_lost:
    'Redis has lost what the ledger had counted: nothing is granted until it was rebuilt or the loss acknowledged.',
  corrupt: 'Redis holds something under the keys of this installation that was not written by Headgate.',
} as const;

/** What the server says, by the first word of its reply. */
const theirs = {
  LOADING: 'Redis is loading its data set and will answer when it is done.',
  READONLY: 'This Redis is a read-only replica: connect to the primary.',
  MASTERDOWN: 'This Redis is a replica that has lost its primary.',
  OOM: 'Redis has no memory left for writes: raise maxmemory. Reads go on.',
  MISCONF: 'Redis refuses writes because it cannot save them to its disk.',
  NOREPLICAS: 'Redis refuses writes because too few of its replicas are connected.',
  NOSCRIPT: 'Redis forgot a script at once after it was loaded.',
  CLUSTERDOWN: 'The Redis cluster is down: part of its slots has no server.',
  MOVED: 'This Redis is one node of a cluster: pass a cluster client.',
  ASK: 'This Redis is one node of a cluster: pass a cluster client.',
  CROSSSLOT: 'The keys of this installation lie in different slots of the Redis cluster.',
  TRYAGAIN: 'The Redis cluster is moving the keys of this installation to another node.',
  NOAUTH: 'Redis wants a password, and the connection has none.',
  WRONGPASS: 'Redis does not accept the user name or password of the connection.',
  NOPERM: 'The Redis user may not do this: give it what the docstring of createRedisStores lists.',
  BUSY: 'Redis is busy with a script that does not end.',
  WRONGTYPE: 'Another program has written to the Redis keys of this installation.',
  COMPILE: 'This Redis is too old: Redis 7 or later, or Valkey, is needed.',
  EXPIRED: 'Redis got the write after its deadline and did not do it.',
  SCHEMA: 'The data in Redis were made by a later release of Headgate, which this one cannot work with.',
  EVICTED:
    'Redis has lost part of the configuration, probably by eviction: restore it or empty the installation.',
} as const;

/** An outage of the Redis behind a store. `message` names the cause and what to do, and holds no secret. */
export class RedisStoreError extends Error {
  override readonly name = 'RedisStoreError';
  readonly code: RedisErrorCode;

  constructor(code: RedisErrorCode, detail = '', cause?: Error) {
    const text = code === 'unknown' ? 'Redis answered with an error.' : { ...ours, ...theirs }[code];
    super(detail ? `${text} (${detail})` : text, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/**
 * Whatever a client library threw, in our words. The original is not kept as the cause: client libraries attach the
 * command with its parameters, passwords and records among them.
 */
export function toRedisStoreError(thrown: unknown, fallback: RedisErrorCode): RedisStoreError {
  if (thrown instanceof RedisStoreError) return thrown;
  const message = messageOf(thrown).slice(0, 500);
  return new RedisStoreError(codeOf(message) ?? fallback, message, new Error(message));
}

/** The code of a reply; `undefined` for what the server did not send. */
function codeOf(message: string): RedisErrorCode | undefined {
  for (const [pattern, code] of withoutCode) if (pattern.test(message)) return code;
  // a client's own messages and the system's begin differently
  const word = /^-?(?:ERR -?)?([A-Z]{2,})\b/.exec(message)?.[1];
  if (word === undefined) return undefined;
  return word in theirs ? (word as keyof typeof theirs) : 'unknown';
}

// replies under the general code ERR
const withoutCode = [
  [/^ERR .*user executing the script can't/, 'NOPERM'],
  [/^ERR Error compiling script/, 'COMPILE'],
] as const;

/** An aggregate of errors, as from a failed look-up of several addresses, has no message of its own. */
function messageOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.message === '')
    return thrown.errors.map(messageOf).join('; ');
  return thrown instanceof Error ? thrown.message : String(thrown);
}
