import type { Snapshot } from '../config/snapshot.ts';
import type { GatewayOptions } from '../gateway-options.ts';
import { countFailures } from '../identity/count-failures.ts';
import type { Identity } from '../identity/identity.ts';
import type { Runtime } from '../runtime.ts';
import type { KeyRecord, KeyStore } from '../stores/key-store.ts';
import { createMemoryKeyStore } from '../stores/memory/memory-key-store.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { createRunningEnder } from './end-running.ts';
import { createFailedKeyCounter } from './failed-keys.ts';
import { followKeys } from './follow-keys.ts';
import { createNoPepperRing } from './no-pepper.ts';
import { createRehasher } from './rehasher.ts';
import { createKeyResolver, type KeyResolver } from './resolver.ts';
import { createUseRecorder } from './use-recorder.ts';

/** The keys of one gateway: how they are read, and what follows from their use and their changes. */
export interface GatewayKeys {
  readonly resolver: KeyResolver;
  /** Other ways to identify callers; their failures and failed keys share one count per address. */
  readonly identities: readonly Identity[];
  /** The next request with the key reads it again, and running ones are checked. */
  forget(kid: string): void;
  /** Replaces the old configuration's keys with those of the next. */
  replace(before: Snapshot, next: Snapshot): void;
  /** Stops following the store. */
  unfollow(): Promise<void>;
  /** Writes the noted uses. */
  close(): Promise<void>;
}

/** Creates them from the gateway's options; without a store, the keys of its configuration are used. */
export function createGatewayKeys(
  options: Pick<GatewayOptions, 'identities' | 'keyResolver' | 'keys' | 'peppers' | 'rehashAfterMs'>,
  parts: {
    readonly snapshot: Snapshot;
    readonly runningByKey: Upstream['runningByKey'];
    readonly runtime: Runtime;
    readonly onError: (error: unknown) => void;
  },
): GatewayKeys {
  const { runtime, onError } = parts;
  const { rehashAfterMs: afterMs, peppers = createNoPepperRing() } = options;
  let configKeys = toKeyStore(parts.snapshot);
  const store: KeyStore = options.keys ?? { findKey: (kid) => configKeys.findKey(kid) };
  const countFailure = createFailedKeyCounter(runtime, {});
  const uses = createUseRecorder({ store, runtime, onError });
  const rehasher = createRehasher({
    store,
    peppers,
    runtime,
    onError,
    ...(afterMs !== undefined && { afterMs }),
  });
  const resolver =
    options.keyResolver ??
    createKeyResolver({
      store,
      runtime,
      peppers,
      failedKeys: countFailure,
      onUse: uses.note,
      onVerified: rehasher.note,
    });
  const ender = createRunningEnder(parts.runningByKey, resolver, runtime);
  const forget = (kid: string): void => {
    resolver.forget(kid);
    ender.changed(kid);
  };
  const forgetAll = (): void => {
    resolver.forgetAll();
    ender.changed();
  };
  const unfollow = followKeys(store, { forget, forgetAll });
  const identities = (options.identities ?? []).map((identity) => countFailures(identity, countFailure));

  return {
    resolver,
    identities,
    forget,
    replace(before, next) {
      configKeys = toKeyStore(next);
      for (const { kid } of [...before.config.keys, ...next.config.keys]) forget(kid);
    },
    async unfollow() {
      await unfollow();
      ender.close();
      for (const identity of identities) identity.close?.();
    },
    async close() {
      await Promise.all([uses.close(), rehasher.close()]);
    },
  };
}

function toKeyStore({ config }: Snapshot): KeyStore {
  // zod omits absent optional fields, which its types cannot express
  return createMemoryKeyStore(config.keys as readonly KeyRecord[]);
}
