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

/** Tells whether secrets belong to records. */
export interface SecretMatcher {
  /** What a credential is known again by: a salted digest of this process's own, from which it cannot be read. */
  digestOf(credential: string): string;
  /**
   * What is remembered of a credential that was accepted for this record, as long as the record is cached; undefined when
   * it never was, and when it is refused by now. An eighth of what `match` costs.
   */
  recall(record: KeyRecord, digest: string): SecretMatch | undefined;
  /**
   * Whether a secret belongs to a record; `undefined` when it does not. Both of a record's secrets are always compared,
   * there or not, so that time does not tell an unknown kid, a wrong secret, a revoked, an expired and a rotated key apart.
   *
   * @param digest what the credential is recalled by, when it is accepted
   */
  match(record: KeyRecord | null, secret: string, digest: string): SecretMatch | undefined;
}

/**
 * Makes one. A secret that was accepted for a record need not be hashed with the pepper again while that record is cached.
 *
 * @param onVerified told of each secret that was hashed and found good, not of those that are remembered
 */
export function createSecretMatcher(
  verify: (record: KeyRecord | null, secret: string) => boolean,
  runtime: Pick<Runtime, 'randomBytes'>,
  clock: Pick<StoreClock, 'nowMs'>,
  onVerified: (record: KeyRecord, secret: string, isPrevious: boolean) => void = () => undefined,
): SecretMatcher {
  const salt = Buffer.from(runtime.randomBytes(32)).toString('latin1');
  const accepted = new WeakMap<KeyRecord, Known>();

  const remember = (record: KeyRecord, digest: string, isPrevious: boolean): void => {
    const known = accepted.get(record) ?? {};
    known[isPrevious ? 'previous' : 'current'] = digest;
    accepted.set(record, known);
  };

  return {
    digestOf: (credential) => hash('sha256', salt + credential, 'latin1' as 'hex'),
    recall(record, digest) {
      const known = accepted.get(record);
      const isCurrent = known?.current === digest;
      if (!isCurrent && known?.previous !== digest) return undefined;
      return refusalOf(record, !isCurrent, clock.nowMs()) ? undefined : isCurrent ? current : previous;
    },
    match(record, secret, digest) {
      // `=== true`: the promise of an asynchronous `verify` must not pass for a yes
      const isCurrent = verify(record, secret) === true;
      const isPrevious = verify(beforeRotation(record), secret) === true;
      if (record === null || !(isCurrent || isPrevious)) return undefined;
      const refusal = refusalOf(record, !isCurrent, clock.nowMs());
      if (refusal !== undefined) return { isPrevious: !isCurrent, refusal };
      remember(record, digest, !isCurrent);
      onVerified(record, secret, !isCurrent);
      return isCurrent ? current : previous;
    },
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
