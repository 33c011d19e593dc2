import type { Runtime } from '../../runtime.ts';
import { type RedisLayout, schemaVersion } from './layout.ts';
import { type RedisLink, tryTwice } from './link.ts';
import { RedisStoreError } from './redis-error.ts';
import type { RedisScript, ScriptRunner } from './script.ts';

/** What the stores have in common: one installation in one Redis. */
export interface RedisDatabase {
  readonly layout: RedisLayout;
  /** A command that reads, for the request path: rejects within `readDeadlineMs`. */
  read(name: string, key: string, ...parameters: readonly string[]): Promise<unknown>;
  /** The same for reads that may be large, off the request path: within `writeDeadlineMs`. */
  readMuch(name: string, key: string, ...parameters: readonly string[]): Promise<unknown>;
  /** Runs a writing script of `scripts.ts`. Resolves to whether it wrote. */
  write(script: RedisScript, keys: readonly string[], parameters: readonly string[]): Promise<boolean>;
}

/** What it is made of. */
export interface DatabaseOptions {
  readonly link: RedisLink;
  readonly scripts: ScriptRunner;
  readonly layout: RedisLayout;
  readonly runtime: Runtime;
  readonly readDeadlineMs: number;
  readonly writeDeadlineMs: number;
  readonly maxChanges: number;
}

/** One installation in one Redis. */
export function createRedisDatabase(options: DatabaseOptions): RedisDatabase {
  const { link, scripts, layout, runtime, readDeadlineMs, writeDeadlineMs, maxChanges } = options;
  const now = () => runtime.monotonicMs();
  const reader =
    (deadlineMs: number): RedisDatabase['read'] =>
    (name, key, ...parameters) =>
      tryTwice(now, deadlineMs, (remainingMs) => link.command(remainingMs, key, name, key, ...parameters));
  const common = [String(schemaVersion), String(maxChanges), layout.channel];
  return {
    layout,
    read: reader(readDeadlineMs),
    readMuch: reader(writeDeadlineMs),
    async write(script, keys, parameters) {
      const allKeys = [layout.meta, layout.log, ...keys];
      return (
        Number(await scripts.runWrite(script, allKeys, [...common, ...parameters], writeDeadlineMs)) === 1
      );
    },
  };
}

/** JSON from Redis. @throws RedisStoreError when it is not: somebody else wrote it */
export function parseStored<T>(text: string, what: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new RedisStoreError('corrupt', what, error as Error);
  }
}
