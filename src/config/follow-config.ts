import { withDeadline } from '../deadline.ts';
import { quietly } from '../quietly.ts';
import { createRuntime, type Runtime } from '../runtime.ts';
import { maxTimerMs, readInteger } from '../secrets/option.ts';
import type { ConfigStore, ConfigVersion } from '../stores/config-store.ts';
import { createSerial } from './serial.ts';

/** What following a configuration is made of. */
export interface FollowConfigOptions {
  readonly store: ConfigStore;
  /** Number of the version that is in force already; nothing at or below it is applied. */
  readonly from: number;
  /**
   * Puts a version into force. What it throws is reported, the version before it stays in force, and the same version
   * is not tried again until there is a newer one or `check` is called.
   */
  readonly apply: (version: ConfigVersion) => void | Promise<void>;
  /**
   * How often the store is asked for the number of its latest version, whether it tells of changes or not: the bound on
   * how late a change is seen when it does not. @default 2_000
   */
  readonly pollMs?: number;
  /** What one read of the store may take; later it counts as failed. @default 5_000 */
  readonly deadlineMs?: number;
  /** Told of a version that could not be applied, and of a store that fails (once until it works again). @default ignored */
  readonly onError?: (error: unknown) => void;
  /** @default createRuntime() */
  readonly runtime?: Runtime;
}

/** A configuration that is being followed. */
export interface ConfigFollower {
  /** Number of the version in force. */
  readonly number: number;
  /**
   * When the store last said that nothing is newer, or what is, by the monotonic clock of the runtime. It stays behind
   * while the store fails, and while it is older than what is in force.
   */
  readonly checkedAtMs: number;
  /** Looks for a newer version now, and tries one again that could not be applied. Never rejects. */
  check(): Promise<void>;
  /** Ends following: nothing is applied and nothing reported any more, also of a read that is under way. Never rejects. */
  stop(): Promise<void>;
}

/**
 * Applies every newer version of a stored configuration, as soon as the store tells of it and at the latest with the
 * next poll. One at a time and only forwards: a store that was emptied or set back to an older version is reported, and
 * what is in force stays until the store has come to its number again; the version of that number is then applied,
 * since it may be another one.
 * @throws TypeError when `pollMs` or `deadlineMs` is out of range
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
      // what follows is not the version that was refused
      refused = 0;
      return undefined;
    }
    // history that was lost was written again: what has the number in force may be something else
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

/** So that a store that throws at once fails as one that rejects. */
async function invoke<T>(work: () => Promise<T>): Promise<T> {
  return work();
}
