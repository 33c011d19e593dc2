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
  /** Other ways to find out who calls; what fails is counted for each address with the keys that fail. */
  readonly identities: readonly Identity[];
  /** The next request with the key reads it anew, and running ones are looked at. */
  forget(kid: string): void;
  /** Takes the keys of a new configuration for those of the old one. */
  replace(before: Snapshot, next: Snapshot): void;
  /** Ends what follows the store. */
  unfollow(): Promise<void>;
  /** Writes what was noted of uses. */
  close(): Promise<void>;
}

/** Makes them of the gateway's options; the keys of its configuration serve where it was given no store. */
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
  // an optional field that zod leaves out is absent, which its types cannot say
  return createMemoryKeyStore(config.keys as readonly KeyRecord[]);
}
