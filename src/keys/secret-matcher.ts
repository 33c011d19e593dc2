import { hash } from 'node:crypto';
import type { Runtime } from '../runtime.ts';
import type { KeyRecord } from '../stores/key-store.ts';
import { keyStateAt } from './key-state.ts';
import type { StoreClock } from './store-clock.ts';

/** Why a key is refused although its secret is right. */
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
  /** What a credential is recalled by: a digest with this process's own salt, which does not reveal it. */
  digestOf(credential: string): string;
  /**
   * What is remembered of a credential that was accepted for this record, as long as the record is cached; undefined
   * when it never was, or is refused by now. Costs an eighth of `match`.
   */
  recall(record: KeyRecord, digest: string): SecretMatch | undefined;
  /**
   * Whether a secret belongs to a record; `undefined` when it does not. Both of a record's secrets are always compared,
   * present or not, so that timing does not tell an unknown kid, a wrong secret and a revoked, expired or rotated key
   * apart.
   *
   * @param digest recalls the credential once it is accepted
   */
  match(record: KeyRecord | null, secret: string, digest: string): SecretMatch | undefined;
}

/**
 * Creates a matcher. A secret accepted for a record need not be hashed with the pepper again while the record is
 * cached.
 *
 * @param onVerified called for each secret that was hashed and found valid, not for remembered ones
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
