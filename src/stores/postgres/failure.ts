import { DeadlineError } from './deadline.ts';

/**
 * What went wrong with a statement, as far as it decides what to do:
 * - `conflict`: another transaction was in the way, nothing was done, the connection is good
 * - `lost`: the connection is gone, and with it the answer: it may have been done or not
 * - `unreachable`: there was no connection to begin with
 * - `deadline`: the time was over; it may still be done
 * - `statement`: the server refused the statement, the connection is good
 */
export type PostgresFailure = 'conflict' | 'lost' | 'unreachable' | 'deadline' | 'statement';

const conflicts = new Set(['40001', '40P01', '55P03']);

/**
 * Codes of a server that accepts no connections now but will: starting up, out of connections. Or no writes, like a
 * server that a failover made a standby and that kept its connections: its address may lead to the next primary.
 */
const passing = new Set(['57P03', '53300', '25006']);

/** What an error thrown while connecting or by a statement means. */
export function classifyPostgresError(error: unknown, isConnected: boolean): PostgresFailure {
  if (error instanceof DeadlineError) return 'deadline';
  const code = sqlStateOf(error);
  if (code === undefined) return isConnected ? 'lost' : 'unreachable';
  if (conflicts.has(code)) return 'conflict';
  // 08: connection exception, 57P: ended by an administrator or a crash, 25P03: idle in a transaction for too long
  if (code.startsWith('08') || code.startsWith('57P') || code === '25P03') return 'lost';
  if (passing.has(code)) return 'lost';
  return isConnected ? 'statement' : 'unreachable';
}

/** Why no connection was even tried, in words that may be shown. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError';
}

/** Whether a unique constraint of this name was violated. */
export function isUniqueViolation(error: unknown, constraint: string): boolean {
  return sqlStateOf(error) === '23505' && (error as { constraint?: unknown }).constraint === constraint;
}

/**
 * The error that callers get: what was asked and why it failed, in fixed words; the driver's own error, which may quote
 * data, is its cause.
 */
export function toStoreError(what: string, failure: PostgresFailure, cause: unknown): Error {
  const reasons: Record<PostgresFailure, string> = {
    conflict: 'other transactions were in the way again and again',
    lost: 'the connection was lost',
    unreachable: 'there is no connection',
    deadline: 'no answer in time',
    statement: 'the server refused the statement',
  };
  const code = sqlStateOf(cause) ?? (cause as { code?: unknown } | null)?.code;
  const reason = code === '25006' ? 'the server takes no writes' : reasons[failure];
  const isOurs = cause instanceof DeadlineError || cause instanceof UnavailableError;
  const detail = isOurs ? cause.message : typeof code === 'string' ? `${code}.` : '';
  const advice =
    code === '42P01' || code === '3F000' || code === '42883'
      ? ' The schema is missing or old: run `headgate migrate`, or call `migrate()`.'
      : code === '42501'
        ? ' The role lacks a privilege: see the documentation of `createPostgresStores`.'
        : code === '25006'
          ? ' Connect to the primary.'
          : '';
  return new Error(`PostgreSQL: ${what} failed, ${reason}. ${detail}${advice}`.trimEnd(), {
    cause,
  });
}

function sqlStateOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  // driver and system codes (ECONNRESET) have other lengths or letters
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && /\d/.test(code) ? code : undefined;
}
