import { createRuntime, type Runtime } from '../runtime.ts';
import type { ConfigStore, ConfigVersion } from '../stores/config-store.ts';
import { createSerial } from './serial.ts';

/** What following a configuration is made of. */
export interface FollowConfigOptions {
  readonly store: ConfigStore;
  /** Number of the version that is in force already; nothing at or below it is applied. */
  readonly from: number;
  /**
   * Puts a version into force. What it throws is reported, the version before it stays in force, and the same version
   * is not tried again until there is a newer one.
   */
  readonly apply: (version: ConfigVersion) => void | Promise<void>;
  /**
   * How often the store is asked for the number of its latest version, whether it tells of changes or not: the bound on
   * how late a change is seen when it does not. @default 2_000
   */
  readonly pollMs?: number;
  /** Told of a version that could not be applied, and of a store that fails (once until it works again). @default ignored */
  readonly onError?: (error: unknown) => void;
  /** @default createRuntime() */
  readonly runtime?: Runtime;
}

/** A configuration that is being followed. */
export interface ConfigFollower {
  /** Number of the version in force. */
  readonly number: number;
  /** When the store was last asked with success, by the monotonic clock of the runtime. */
  readonly checkedAtMs: number;
  /** Looks for a newer version now. Never rejects. */
  check(): Promise<void>;
  /** Ends following. Never rejects. */
  stop(): Promise<void>;
}

/**
 * Applies every newer version of a stored configuration, as soon as the store tells of it and at the latest with the
 * next poll. One at a time and only forwards: a store that was emptied or set back to an older version is reported, and
 * what is in force stays.
 *
 * @example
 * const follower = followConfig({ store, from: version.number, apply: ({ config }) => gateway.update(config) });
 * @throws TypeError when `pollMs` is out of range
 */
export function followConfig(options: FollowConfigOptions): ConfigFollower {
  const { store, apply, pollMs = 2_000, runtime = createRuntime() } = options;
  if (!Number.isSafeInteger(pollMs) || pollMs < 1 || pollMs > 2_147_483_647) {
    throw new TypeError('followConfig: "pollMs" must be a whole number from 1 to 2147483647.');
  }
  let number = options.from;
  let refused = 0;
  let checkedAtMs = runtime.monotonicMs();
  let isFailing = false;
  let isStopped = false;
  let cancelPoll: (() => void) | undefined;

  const report = (error: unknown): void => {
    try {
      options.onError?.(error);
    } catch {
      // who is told of a failure must not make another one
    }
  };
  const take = async (version: ConfigVersion): Promise<void> => {
    try {
      await apply(version);
      number = version.number;
    } catch (error) {
      refused = version.number;
      report(error);
    }
  };
  const look = createSerial(async () => {
    if (isStopped) return;
    try {
      const latest = await store.readNumber();
      const version = latest > Math.max(number, refused) ? await store.readLatest() : null;
      if (latest < number && !isFailing) {
        isFailing = true;
        report(new Error(`The store has version ${latest} of the configuration, and ${number} is in force.`));
        return;
      }
      checkedAtMs = runtime.monotonicMs();
      if (latest >= number) isFailing = false;
      if (version && version.number > Math.max(number, refused) && !isStopped) await take(version);
    } catch (error) {
      if (!isFailing) report(error);
      isFailing = true;
    }
  });
  const arm = (): void => {
    if (isStopped) return;
    cancelPoll = runtime.schedule(pollMs, () => void look().finally(arm));
  };
  const unwatch = store.watchConfig?.(() => void look());
  arm();

  return {
    get number() {
      return number;
    },
    get checkedAtMs() {
      return checkedAtMs;
    },
    check: look,
    async stop() {
      isStopped = true;
      cancelPoll?.();
      await unwatch?.();
    },
  };
}
