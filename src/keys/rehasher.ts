import { quietly } from '../quietly.ts';
import { createRuntime, type Runtime } from '../runtime.ts';
import type { KeyRecord, KeyStore, WritableKeyStore } from '../stores/key-store.ts';
import { changeKey } from './change-key.ts';
import { isKeyError } from './key-error.ts';
import { hashSecret, type PepperRing, type SecretHash } from './key-hash.ts';
import { isRevoked } from './key-state.ts';
import { requireInteger } from './option.ts';

/** Options of `createRehasher`. */
export interface RehasherOptions {
  /** Where the keys are. A read-only store (no `putKey`) is left as it is. */
  readonly store: KeyStore;
  readonly peppers: PepperRing;
  /** @default createRuntime() */
  readonly runtime?: Runtime;
  /** How long after its creation it first writes, milliseconds. `Infinity`: never. @default 600_000, 10 minutes */
  readonly afterMs?: number;
  /** Keys waiting to be written; any more wait for their next use. @default 10_000 */
  readonly maxPending?: number;
  /** Called when the store fails. It is tried again a minute later. @default ignored */
  readonly onError?: (error: unknown) => void;
}

/** Rehashes keys under the current pepper. */
export interface Rehasher {
  /**
   * Takes a secret that was found valid, and whether it is the one before the last rotation. On the request path: at
   * most one HMAC, never throws, writes nothing yet.
   */
  note(record: KeyRecord, secret: string, isPrevious: boolean): void;
  /** Stops writing. Resolves when no write is in flight. */
  close(): Promise<void>;
}

interface Change {
  readonly from: SecretHash;
  readonly to: SecretHash;
}

const retryMs = 60_000;

/**
 * Creates a rehasher: keys in use that were hashed under an older pepper are stored again under the current one, one at
 * a time and off the request path, so that the older pepper can be dropped one day. The secret itself is not kept.
 * What another node, a rotation or a revocation has changed meanwhile is left alone.
 *
 * A gateway that does not have the new pepper yet refuses keys hashed under it: give it to all gateways before it
 * becomes the current one. `afterMs` is for roll-outs that do both at once.
 *
 * @throws TypeError naming the option that is out of range
 */
export function createRehasher(options: RehasherOptions): Rehasher {
  const { store, peppers, runtime = createRuntime(), afterMs = 600_000, onError } = options;
  if (afterMs !== Number.POSITIVE_INFINITY)
    requireInteger('afterMs', afterMs, 0, undefined, 'createRehasher');
  const maxPending = requireInteger(
    'maxPending',
    options.maxPending ?? 10_000,
    1,
    10_000_000,
    'createRehasher',
  );
  // both secrets of a key may be in use
  const pending = new Map<string, Change & { readonly kid: string }>();
  let dueAtMs = runtime.monotonicMs() + afterMs;
  let cancelTimer: (() => void) | undefined;
  let running: Promise<void> | undefined;
  let isClosed = !isWritable(store) || afterMs === Number.POSITIVE_INFINITY;

  const arm = (): void => {
    if (isClosed || running !== undefined || cancelTimer !== undefined || pending.size === 0) return;
    cancelTimer = runtime.schedule(Math.max(0, dueAtMs - runtime.monotonicMs()), () => {
      cancelTimer = undefined;
      running = write().finally(() => {
        running = undefined;
        arm();
      });
    });
  };
  const write = async (): Promise<void> => {
    for (const [place, { kid, from, to }] of pending) {
      if (isClosed) return;
      try {
        await changeKey(store as WritableKeyStore, runtime, kid, (record) => withHash(record, from, to));
      } catch (error) {
        if (!isKeyError(error)) {
          dueAtMs = runtime.monotonicMs() + retryMs;
          report(error);
          return;
        }
        // gone, or others keep changing it: its next use queues it again
      }
      pending.delete(place);
    }
  };
  const report = quietly(onError);

  return {
    note(record, secret, isPrevious) {
      const { pepperId, secretHash } = (isPrevious ? record.previous : record) ?? record;
      if (isClosed || pepperId === peppers.current || !peppers.has(pepperId)) return;
      const place = `${record.kid} ${secretHash}`;
      if (pending.has(place) || pending.size >= maxPending) return;
      const change = { kid: record.kid, from: { pepperId, secretHash }, to: hashSecret(peppers, secret) };
      pending.set(place, change);
      arm();
    },
    async close() {
      isClosed = true;
      cancelTimer?.();
      pending.clear();
      await running;
    },
  };
}

function isWritable(store: KeyStore): store is WritableKeyStore {
  return typeof (store as Partial<WritableKeyStore>).putKey === 'function';
}

/** The record with `from` replaced by `to`; the record itself when `from` is no longer in it. */
function withHash(record: KeyRecord, from: SecretHash, to: SecretHash): KeyRecord {
  const { previous } = record;
  if (isRevoked(record)) return record;
  if (isSame(record, from)) return { ...record, ...to };
  return previous && isSame(previous, from) ? { ...record, previous: { ...previous, ...to } } : record;
}

function isSame(one: SecretHash, other: SecretHash): boolean {
  return one.pepperId === other.pepperId && one.secretHash === other.secretHash;
}
