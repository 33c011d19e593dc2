import { createHmac, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { GatewayError } from '../errors.ts';
import type { HeaderMap } from '../message.ts';
import type { Runtime } from '../runtime.ts';
import { type Limit, toLimit } from './limit.ts';
import { runHeader, runOf } from './run-of.ts';

/** The budget of an agent run. At least one of the amounts is given. */
export interface RunOptions {
  /** US dollars, above 0 and up to 9,000,000. */
  readonly maxUsd?: number;
  /** Whole numbers from 1. */
  readonly maxRequests?: number;
  readonly maxTokens?: number;
  /** Requests that run at once. */
  readonly maxParallel?: number;
  /** How long the run may last; after that nothing of it is admitted. 1 second to 30 days. @default 86_400_000 */
  readonly ttlMs?: number;
}

/** The run that a request is part of, and its limits besides the caller's. */
export interface RunScope {
  /** What limits count by, and records show. */
  readonly id: string;
  /** Absent if the caller has only named the run. */
  readonly limits?: readonly Limit[];
  /** When its time is over, milliseconds since the epoch; absent if the caller has only named the run. */
  readonly untilMs?: number;
  /** Whether its time is over, or this gateway has ended it. @default false */
  readonly isEnded?: () => boolean;
}

/** Opens runs, and recognises them. */
export interface Runs {
  /** @throws TypeError for an amount out of its range, naming it */
  open(options: RunOptions): { readonly scope: RunScope; readonly token: string };
  /**
   * The run that the headers of a request name: one that was opened under the same secret, or a name of the caller's own.
   *
   * @throws GatewayError `malformed_request` (400) for an invalid name, and for a token that was not made here
   */
  read(headers: HeaderMap): RunScope | undefined;
  /**
   * The run of a token that was made under the same secret.
   *
   * @throws GatewayError `malformed_request` (400) for anything else
   */
  readToken(token: string): RunScope;
  /** Ends a run for this gateway; `RunScope.isEnded` says so from then on. */
  end(id: string): void;
}

const tokenMark = 'hgrun_';
const dayMs = 86_400_000;
/** A run's window begins a minute before it is opened, since the clock of a ledger may be behind. */
const slackMs = 60_000;
const units = ['usd', 'requests', 'tokens', 'parallel'] as const;

/**
 * Runs whose token carries their budget, under a seal: no process has to remember them, and every process with the same
 * secret applies them.
 *
 * @param options.secret at least 16 bytes. @default made for this process
 */
export function createRuns(options: {
  readonly runtime: Runtime;
  readonly secret?: string | Uint8Array | undefined;
}): Runs {
  const { runtime } = options;
  const secret = toSecret(options.secret ?? runtime.randomBytes(32));
  const known = new LRUCache<string, RunScope>({ max: 1_000 });
  // the oldest are dropped first; their budget is held in the ledger
  const ended = new LRUCache<string, true>({ max: 10_000 });
  const toScope = (id: string, numbers: readonly (number | undefined)[]): RunScope => {
    const budget = toBudget(id, numbers);
    // by this clock too: slots have no window whose end the ledger could see
    return { ...budget, isEnded: () => ended.has(id) || runtime.now() >= budget.untilMs };
  };
  const seal = (text: string) =>
    createHmac('sha256', secret).update(`headgate run ${text}`).digest('base64url').slice(0, 22);

  function verify(token: string): RunScope {
    const found = known.get(token);
    if (found) return found;
    const end = token.lastIndexOf('.');
    const given = Buffer.from(token.slice(end + 1));
    const right = Buffer.from(seal(token.slice(0, Math.max(0, end))));
    if (given.length !== right.length || !timingSafeEqual(given, right)) {
      throw new GatewayError(
        'malformed_request',
        `The header ${runHeader} names a run that was not opened here.`,
        {
          param: runHeader,
        },
      );
    }
    const [id = '', claims = ''] = token.slice(tokenMark.length, end).split('.');
    const scope = toScope(id, claims.split('-').map(fromText));
    known.set(token, scope);
    return scope;
  }

  return {
    open(given) {
      const amounts = checkAmounts(given);
      const fromMs = Math.floor((runtime.now() - slackMs) / 1_000) * 1_000;
      const untilMs = Math.ceil((runtime.now() + checkTtl(given.ttlMs ?? dayMs)) / 1_000) * 1_000;
      const id = Buffer.from(runtime.randomBytes(12)).toString('base64url').replaceAll('-', '~');
      const numbers = [fromMs / 1_000, untilMs / 1_000, ...amounts];
      const claims = numbers.map((number) => number?.toString(36) ?? '').join('-');
      const text = `${tokenMark}${id}.${claims}`;
      return { scope: toScope(id, numbers), token: `${text}.${seal(text)}` };
    },
    read(headers) {
      const name = headers[runHeader] === undefined ? undefined : runOf(headers);
      if (name === undefined) return undefined;
      return name.startsWith(tokenMark) ? verify(name) : { id: name };
    },
    readToken: verify,
    end: (id) => void ended.set(id, true),
  };
}

/** @param numbers begin and end in seconds, then the amounts in the order of `units`; money in nano-USD */
function toBudget(id: string, numbers: readonly (number | undefined)[]): RunScope & { untilMs: number } {
  const [from = 0, until = 0, ...amounts] = numbers;
  const window = { from: from * 1_000, until: until * 1_000 };
  const limits = units.flatMap((unit, index) => {
    const amount = amounts[index];
    if (amount === undefined) return [];
    const written = unit === 'usd' ? toDecimal(amount) : amount;
    const config = { unit, amount: written, mode: 'block', ...(unit !== 'parallel' && { window }) } as const;
    return [toLimit(config, 'run', 'run')];
  });
  return { id, limits, untilMs: window.until };
}

function checkAmounts(options: RunOptions): (number | undefined)[] {
  const { maxUsd, maxRequests, maxTokens, maxParallel } = options;
  if (maxUsd !== undefined && !(maxUsd >= 1e-9 && maxUsd <= 9e6)) {
    throw new TypeError('gateway.run: "maxUsd" must be a number above 0, at most 9000000.');
  }
  const counts = Object.entries({ maxRequests, maxTokens, maxParallel });
  for (const [name, count] of counts) {
    if (count === undefined || (Number.isSafeInteger(count) && count >= 1)) continue;
    throw new TypeError(`gateway.run: "${name}" must be a whole number from 1.`);
  }
  if (maxUsd === undefined && counts.every(([, count]) => count === undefined)) {
    throw new TypeError('gateway.run: give at least one of maxUsd, maxRequests, maxTokens and maxParallel.');
  }
  return [maxUsd === undefined ? undefined : Math.round(maxUsd * 1e9), maxRequests, maxTokens, maxParallel];
}

function checkTtl(ttlMs: number): number {
  if (ttlMs >= 1_000 && ttlMs <= 30 * dayMs) return ttlMs;
  throw new TypeError('gateway.run: "ttlMs" must be a number from 1000 to 2592000000.');
}

function toSecret(secret: string | Uint8Array): Buffer {
  const bytes = Buffer.from(secret as string);
  if (bytes.length >= 16) return bytes;
  throw new TypeError('createGateway: "runSecret" must have at least 16 bytes.');
}

function fromText(text: string): number | undefined {
  return text === '' ? undefined : Number.parseInt(text, 36);
}

/** Nano-dollars as dollars, exactly. */
function toDecimal(nanoUsd: number): string {
  const digits = String(nanoUsd).padStart(10, '0');
  return `${digits.slice(0, -9)}.${digits.slice(-9)}`;
}
