import { hash } from 'node:crypto';
import type { Runtime } from '../runtime.ts';
import type { KeyRecord } from '../stores/key-store.ts';
import { keyStateAt } from './key-state.ts';
import type { StoreClock } from './store-clock.ts';

/** Why a key is refused whose holder proved to have its secret. */
export type ProvenRefusal = 'revoked_key' | 'expired_key' | 'key_rotated';

/** A secret that belongs to a record. */
export interface SecretMatch {
  /** Whether it is the secret before the last rotation. */
  readonly isPrevious: boolean;
  readonly refusal?: ProvenRefusal;
}

interface Known {
  current?: string;
  previous?: string;
}

const current: SecretMatch = { isPrevious: false };
const previous: SecretMatch = { isPrevious: true };

/**
 * Tells whether a secret belongs to a record; `undefined` when it does not. Both of a record's secrets are always
 * compared, there or not, so that time does not tell an unknown kid, a wrong secret, a revoked, an expired and a rotated
 * key apart.
 *
 * A secret that was accepted for a record need not be hashed with the pepper again while that record is cached: an
 * eighth of the cost. What is kept is a salted digest of this process's own, never the secret.
 *
 * @param onVerified told of each secret that was hashed and found good, not of those that are remembered
 */
export function createSecretMatcher(
  verify: (record: KeyRecord | null, secret: string) => boolean,
  runtime: Pick<Runtime, 'randomBytes'>,
  clock: Pick<StoreClock, 'nowMs'>,
  onVerified: (record: KeyRecord, secret: string, isPrevious: boolean) => void = () => undefined,
): (record: KeyRecord | null, secret: string) => SecretMatch | undefined {
  const salt = Buffer.from(runtime.randomBytes(32)).toString('latin1');
  const accepted = new WeakMap<KeyRecord, Known>();

  const recall = (record: KeyRecord, digest: string): SecretMatch | undefined => {
    const known = accepted.get(record);
    if (known === undefined) return undefined;
    if (known.current === digest) return current;
    return known.previous === digest ? previous : undefined;
  };
  const remember = (record: KeyRecord, digest: string, isPrevious: boolean): void => {
    const known = accepted.get(record) ?? {};
    known[isPrevious ? 'previous' : 'current'] = digest;
    accepted.set(record, known);
  };

  return (record, secret) => {
    const digest = hash('sha256', salt + secret, 'latin1' as 'hex');
    if (record !== null) {
      const match = recall(record, digest);
      // refused after all: then with the same work as whoever was never accepted
      if (match && refusalOf(record, match.isPrevious, clock.nowMs()) === undefined) return match;
    }
    // `=== true`: the promise of an asynchronous `verify` must not pass for a yes
    const isCurrent = verify(record, secret) === true;
    const isPrevious = verify(beforeRotation(record), secret) === true;
    if (record === null || !(isCurrent || isPrevious)) return undefined;
    const refusal = refusalOf(record, !isCurrent, clock.nowMs());
    if (refusal !== undefined) return { isPrevious: !isCurrent, refusal };
    remember(record, digest, !isCurrent);
    onVerified(record, secret, !isCurrent);
    return isCurrent ? current : previous;
  };
}

function beforeRotation(record: KeyRecord | null): KeyRecord | null {
  if (record?.previous === undefined || record.previous === null) return null;
  const { secretHash, pepperId, last4 } = record.previous;
  return { ...record, secretHash, pepperId, last4 };
}

function refusalOf(record: KeyRecord, isPrevious: boolean, nowMs: number): ProvenRefusal | undefined {
  const state = keyStateAt(record, nowMs);
  if (state === 'revoked') return 'revoked_key';
  if (state === 'expired') return 'expired_key';
  return isPrevious && nowMs >= (record.previous?.graceUntilMs ?? 0) ? 'key_rotated' : undefined;
}
