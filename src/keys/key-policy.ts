import { KeyError } from './key-error.ts';
import { requireInteger } from './option.ts';

/** Bounds on the keys that a service makes. */
export interface KeyPolicyOptions {
  /** Longest time a key may be valid, counted from when it is made or changed. @default no bound */
  readonly maxTtlMs?: number;
  /** Longest time that an old secret may be accepted alongside the new one. @default 604_800_000, 7 days */
  readonly maxGraceMs?: number;
  /** Whether a key without an expiry is refused. A `maxTtlMs` implies it. @default false */
  readonly requireExpiry?: boolean;
}

/** The policy, ready for use. */
export interface KeyPolicy {
  readonly maxGraceMs: number;
  /** @throws KeyError `key_policy` */
  requireExpiry(expiresAtMs: number | undefined, nowMs: number): void;
  /** @throws KeyError `key_policy` */
  requireGrace(graceMs: number): void;
}

/** @throws TypeError naming the option that is out of range */
export function createKeyPolicy(options: KeyPolicyOptions): KeyPolicy {
  const integer = (name: string, value: number, min: number) =>
    requireInteger(`policy.${name}`, value, min, undefined, 'createKeyService');
  const maxTtlMs = options.maxTtlMs === undefined ? undefined : integer('maxTtlMs', options.maxTtlMs, 1);
  const maxGraceMs = integer('maxGraceMs', options.maxGraceMs ?? 604_800_000, 0);
  const needsExpiry = options.requireExpiry === true || maxTtlMs !== undefined;
  return {
    maxGraceMs,
    requireExpiry(expiresAtMs, nowMs) {
      if (expiresAtMs === undefined) {
        if (needsExpiry) throw new KeyError('key_policy', 'Keys without an expiry are not allowed here.');
        return;
      }
      if (expiresAtMs <= nowMs) throw new KeyError('key_policy', 'The expiry is not in the future.');
      if (maxTtlMs !== undefined && expiresAtMs - nowMs > maxTtlMs) {
        throw new KeyError('key_policy', `Keys are valid for at most ${maxTtlMs} ms here.`);
      }
    },
    requireGrace(graceMs) {
      if (graceMs > maxGraceMs) {
        throw new KeyError('key_policy', `An old secret is accepted for at most ${maxGraceMs} ms here.`);
      }
    },
  };
}
