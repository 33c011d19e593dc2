import { createHash } from 'node:crypto';
import type { Runtime } from '../../runtime.ts';
import { type RedisLink, tryTwice } from './link.ts';
import { RedisStoreError } from './redis-error.ts';

/** A Lua script, sent once to each server and called by its digest from then on. */
export interface RedisScript {
  readonly source: string;
  readonly sha1: string;
}

/** Runs scripts. */
export interface ScriptRunner {
  /** Runs a script that may run twice without harm. */
  run(
    script: RedisScript,
    keys: readonly string[],
    parameters: readonly string[],
    deadlineMs: number,
  ): Promise<unknown>;
  /**
   * Runs a script that writes. Its first parameters are the instant, by the server's clock, after which it MUST do
   * nothing and reply with `EXPIRED`; `1` if it may have run already because the connection was lost meanwhile, else
   * `0`; and an id of this write, by which it MUST then recognise that it ran.
   *
   * So a write in the buffers of a server that does not answer is not done after its caller was told that it failed.
   * What was done just before the answer was lost may still be found done.
   */
  runWrite(
    script: RedisScript,
    keys: readonly string[],
    parameters: readonly string[],
    deadlineMs: number,
  ): Promise<unknown>;
}

const clockMaxAgeMs = 60_000;
// both clocks count whole milliseconds, timers fire up to one early, and in a minute the clocks drift apart a little
const clockMarginMs = 10;

const time = defineScript(`#!lua flags=no-writes
return redis.call('TIME')`);

/** A script from its source. */
export function defineScript(source: string): RedisScript {
  return { source, sha1: createHash('sha1').update(source).digest('hex') };
}

/** The server's clock, milliseconds with fractions. */
export async function readServerTime(
  scripts: ScriptRunner,
  key: string,
  deadlineMs: number,
): Promise<number> {
  const [seconds, micros] = (await scripts.run(time, [key], [], deadlineMs)) as [string, string];
  return Number(seconds) * 1_000 + Number(micros) / 1_000;
}

/** Makes a runner. The first key of every script must be in the same slot, so that one server's clock holds for all. */
export function createScriptRunner(link: RedisLink, runtime: Runtime): ScriptRunner {
  let clock: { readonly serverMs: number; readonly readAtMs: number } | undefined;

  const call = async (
    script: RedisScript,
    keys: readonly string[],
    parameters: readonly string[],
    deadlineMs: number,
  ): Promise<unknown> => {
    const endMs = runtime.monotonicMs() + deadlineMs;
    const rest = [String(keys.length), ...keys, ...parameters];
    const key = keys[0] ?? '';
    try {
      return await link.command(deadlineMs, key, 'EVALSHA', script.sha1, ...rest);
    } catch (error) {
      if (!(error instanceof RedisStoreError) || error.code !== 'NOSCRIPT') throw error;
      return link.command(endMs - runtime.monotonicMs(), key, 'EVAL', script.source, ...rest);
    }
  };

  /**
   * The server's clock now, or earlier by the time its answer took to arrive: so a write that it still does is done
   * before the deadline here.
   */
  const serverNow = async (key: string, deadlineMs: number): Promise<number> => {
    if (!clock || runtime.monotonicMs() - clock.readAtMs > clockMaxAgeMs) {
      const [seconds, micros] = (await call(time, [key], [], deadlineMs)) as [string, string];
      clock = {
        serverMs: Number(seconds) * 1_000 + Number(micros) / 1_000,
        readAtMs: runtime.monotonicMs(),
      };
    }
    return clock.serverMs + runtime.monotonicMs() - clock.readAtMs;
  };

  const now = () => runtime.monotonicMs();

  return {
    run: (script, keys, parameters, deadlineMs) =>
      tryTwice(now, deadlineMs, (remainingMs) => call(script, keys, parameters, remainingMs)),
    runWrite(script, keys, parameters, deadlineMs) {
      const id = Buffer.from(runtime.randomBytes(12)).toString('hex');
      return tryTwice(now, deadlineMs, async (remainingMs, isRetry) => {
        const endMs = now() + remainingMs;
        const attempt = async (): Promise<unknown> => {
          const serverNowMs = await serverNow(keys[0] ?? '', endMs - now());
          const notAfterMs = serverNowMs + endMs - now() - clockMarginMs;
          const fence = [String(Math.floor(notAfterMs)), isRetry ? '1' : '0', id];
          return call(script, keys, [...fence, ...parameters], endMs - now());
        };
        try {
          return await attempt();
        } catch (error) {
          if (!(error instanceof RedisStoreError) || error.code !== 'EXPIRED' || now() >= endMs) throw error;
          // in time by our clock: the server's was set, or it is another server since a failover
          clock = undefined;
          return attempt();
        }
      });
    },
  };
}
