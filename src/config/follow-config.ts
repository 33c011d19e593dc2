import { withDeadline } from '../deadline.ts';
import { quietly } from '../quietly.ts';
import { createRuntime, type Runtime } from '../runtime.ts';
import { maxTimerMs, readInteger } from '../secrets/option.ts';
import type { ConfigStore, ConfigVersion } from '../stores/config-store.ts';
import { createSerial } from './serial.ts';

/** How to follow a configuration. */
export interface FollowConfigOptions {
  readonly store: ConfigStore;
  /** Number of the version already in force; nothing at or below it is applied. */
  readonly from: number;
  /**
   * Puts a version into force. If it throws, the error is reported, the previous version stays in force, and this one
   * is not retried until there is a newer one or `check` is called.
   */
  readonly apply: (version: ConfigVersion) => void | Promise<void>;
  /**
   * How often the store is asked for the number of its latest version, even if it notifies of changes: the bound on how
   * late a change is seen if it does not. @default 2_000
   */
  readonly pollMs?: number;
  /** How long one read of the store may take; after that it counts as failed. @default 5_000 */
  readonly deadlineMs?: number;
  /** Told of versions that could not be applied and of a failing store (once until it works again). @default ignored */
  readonly onError?: (error: unknown) => void;
  /** @default createRuntime() */
  readonly runtime?: Runtime;
}

/** A configuration that is being followed. */
export interface ConfigFollower {
  /** Number of the version in force. */
  readonly number: number;
  /**
   * When the store last said whether there is a newer version, by the runtime's monotonic clock. It stays behind while
   * the store fails or is older than what is in force.
   */
  readonly checkedAtMs: number;
  /** Looks for a newer version now, and retries one that could not be applied. Never rejects. */
  check(): Promise<void>;
  /** Stops following: nothing more is applied or reported, not even by a read that is under way. Never rejects. */
  stop(): Promise<void>;
}

/**
 * Applies every newer version of a stored configuration, as soon as the store notifies of it, at the latest on the next
 * poll. One at a time and only forwards: a store that was emptied or set back to an older version is reported, and the
 * version in force stays until the store reaches its number again; the version with that number is then applied, since
 * it may be a different one.
 * @throws TypeError if `pollMs` or `deadlineMs` is out of range
 */
export function followConfig(options: FollowConfigOptions): ConfigFollower {
  const { store, apply, runtime = createRuntime() } = options;
  const pollMs = readInteger('followConfig: "pollMs"', options.pollMs, 2_000, 1, maxTimerMs);
  const deadlineMs = readInteger('followConfig: "deadlineMs"', options.deadlineMs, 5_000, 1, maxTimerMs);
  let number = options.from;
  let refused = 0;
  let checkedAtMs = runtime.monotonicMs();
  let isFailing = false;
  let isBehind = false;
  let stopping: Promise<void> | undefined;
  let cancelPoll: (() => void) | undefined;

  const report = quietly(options.onError);
  const take = async (version: ConfigVersion): Promise<void> => {
    try {
      await apply(version);
      number = version.number;
    } catch (error) {
      refused = version.number;
      report(error);
    }
  };
  const ask = <T>(work: () => Promise<T>): Promise<T> =>
    withDeadline(runtime, deadlineMs, 'The configuration store', invoke(work));

  /** The version to apply, if there is one. */
  const findNewer = async (): Promise<ConfigVersion | undefined> => {
    const latest = await ask(() => store.readNumber());
    if (!Number.isSafeInteger(latest)) throw new TypeError('ConfigStore.readNumber must give a number.');
    if (stopping) return undefined;
    if (latest < number) {
      if (!isBehind) {
        report(new Error(`The store has version ${latest} of the configuration, and ${number} is in force.`));
      }
      isBehind = true;
      isFailing = false;
      // later versions are not the one that was refused
      refused = 0;
      return undefined;
    }
    // lost history was rewritten: the number in force may now be another version
    const first = Math.max(isBehind ? number : number + 1, refused + 1);
    const version = latest >= first ? await ask(() => store.readLatest()) : null;
    checkedAtMs = runtime.monotonicMs();
    isFailing = false;
    if (!version || version.number < first) return undefined;
    isBehind = false;
    return version;
  };
  const look = createSerial(async () => {
    if (stopping) return;
    try {
      const version = await findNewer();
      if (version && !stopping) await take(version);
    } catch (error) {
      if (!isFailing && !stopping) report(error);
      isFailing = true;
    }
  });
  const arm = (): void => {
    if (stopping) return;
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
    async check() {
      refused = 0;
      await look();
    },
    stop() {
      stopping ??= (async () => {
        cancelPoll?.();
        await unwatch?.();
      })();
      return stopping;
    },
  };
}

/** Makes a store that throws synchronously fail like one that rejects. */
async function invoke<T>(work: () => Promise<T>): Promise<T> {
  return work();
}
