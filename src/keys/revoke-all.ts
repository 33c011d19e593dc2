import type { Runtime } from '../runtime.ts';
import type { KeyRecord, WritableKeyStore } from '../stores/key-store.ts';
import { isKeyError } from './key-error.ts';
import { keyStateAt } from './key-state.ts';
import { requireInteger } from './option.ts';

/** Whose keys; set exactly one. */
export interface KeysOf {
  readonly owner?: string;
  readonly team?: string;
  readonly project?: string;
}

/** Bounds of a bulk revocation. */
export interface BulkRevocationOptions {
  /** Continues after this kid: the `stoppedAfter` of an earlier run. @default from the first */
  readonly after?: string;
  /** Keys revoked at once. @default 8 */
  readonly concurrency?: number;
  /** Stops when this many could not be revoked, since the next ones will hardly fare better. @default 100 */
  readonly maxFailures?: number;
  /** Keys read at once, 1 to 1,000. @default 500 */
  readonly pageSize?: number;
  /** Called after each page with the keys revoked so far. */
  readonly onProgress?: (revoked: number) => void;
}

/** Result of a bulk revocation. Everybody is locked out if `isComplete`. */
export interface BulkRevocation {
  readonly revoked: number;
  /** Keys that are still live, and why. */
  readonly failed: readonly { readonly kid: string; readonly error: unknown }[];
  /**
   * Keys made while it ran and left alone, up to 1,000: whoever made them may have had a reason. Revoke again to end
   * these too.
   */
  readonly createdMeanwhile: readonly string[];
  /** Whether all were read, none failed and none was made meanwhile. */
  readonly isComplete: boolean;
  /** Present when it stopped early: all up to and including this kid were tried. `''` when none was. */
  readonly stoppedAfter?: string;
  /** Why it stopped early. */
  readonly error?: unknown;
}

const maxReported = 1_000;

/** Revokes page by page, then looks for keys that were made meanwhile. */
export async function revokeKeysOf(
  store: WritableKeyStore,
  runtime: Runtime,
  revoke: (kid: string) => Promise<unknown>,
  of: KeysOf,
  options: BulkRevocationOptions = {},
): Promise<BulkRevocation> {
  const subject = requireOneSubject(of);
  const integer = (name: string, value: number, max: number) =>
    requireInteger(name, value, 1, max, 'revokeAllOf');
  const concurrency = integer('concurrency', options.concurrency ?? 8, 1_000);
  const maxFailures = integer('maxFailures', options.maxFailures ?? 100, 1_000_000);
  const limit = integer('pageSize', options.pageSize ?? 500, 1_000);
  const failed: { readonly kid: string; readonly error: unknown }[] = [];
  let revoked = 0;
  let after = options.after;

  const readPage = (behind: string | undefined): Promise<readonly KeyRecord[]> =>
    store.listKeys({ ...subject, active: true, limit, ...(behind !== undefined && { after: behind }) });
  const end = async (kid: string): Promise<void> => {
    try {
      await revoke(kid);
      revoked++;
    } catch (error) {
      // gone is as good as revoked
      if (isKeyError(error) && error.code === 'key_not_found') return;
      failed.push({ kid, error });
    }
  };

  try {
    for (let page = await readPage(after); page.length > 0; page = await readPage(after)) {
      for (let index = 0; index < page.length; index += concurrency) {
        const group = page.slice(index, index + concurrency);
        await Promise.all(group.map(({ kid }) => end(kid)));
        after = group.at(-1)?.kid;
        if (failed.length >= maxFailures) {
          const error = new Error(`${failed.length} keys could not be revoked.`, { cause: failed[0]?.error });
          return stopped(error);
        }
      }
      options.onProgress?.(revoked);
    }
    const createdMeanwhile = await findLive();
    const isComplete = failed.length === 0 && createdMeanwhile.length === 0;
    return { revoked, failed, createdMeanwhile, isComplete };
  } catch (error) {
    return stopped(error);
  }

  function stopped(error: unknown): BulkRevocation {
    return { revoked, failed, createdMeanwhile: [], isComplete: false, stoppedAfter: after ?? '', error };
  }

  async function findLive(): Promise<string[]> {
    const known = new Set(failed.map(({ kid }) => kid));
    const live: string[] = [];
    let behind: string | undefined;
    for (let page = await readPage(behind); page.length > 0; page = await readPage(behind)) {
      behind = page.at(-1)?.kid;
      const nowMs = runtime.now();
      for (const record of page) {
        if (!known.has(record.kid) && keyStateAt(record, nowMs) !== 'revoked') live.push(record.kid);
        if (live.length === maxReported) return live;
      }
    }
    return live;
  }
}

function requireOneSubject({ owner, team, project }: KeysOf): KeysOf {
  const given = Object.entries({ owner, team, project }).filter(([, value]) => value !== undefined);
  const isUsable = given.length === 1 && typeof given[0]?.[1] === 'string' && given[0][1] !== '';
  if (!isUsable) throw new TypeError('revokeAllOf: give exactly one of "owner", "team" and "project".');
  return Object.fromEntries(given);
}
