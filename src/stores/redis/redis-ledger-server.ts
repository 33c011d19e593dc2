import type { Runtime } from '../../runtime.ts';
import { RedisStoreError } from './redis-error.ts';
import { RedisLedgerClock } from './redis-ledger-clock.ts';
import { type RedisScript, readServerTime, type ScriptRunner } from './script.ts';

/** What every script of the ledger is told. */
export interface LedgerServerOptions {
  readonly scripts: ScriptRunner;
  readonly runtime: Runtime;
  readonly keys: readonly string[];
  readonly whenEmpty: 'begin' | 'refuse';
  readonly maxRewindMs: number;
  readonly rememberMs: number;
  readonly rememberDeniedMs: number;
  readonly maxRemembered: number;
  /** Told when Redis went back by a little, as it does when another server takes over. */
  onRewind(rewoundMs: number): void;
  /** Told of every answer that the ledger was lost, and of the epoch that marks the loss. */
  onLost(epoch: string): void;
}

/** What a script replies: its kind first, then what belongs to it; a flat list, as Redis sends it. */
export type LedgerReply = readonly (string | number)[];

// as for the stores' writes: whole milliseconds, timers that end early, drift
const fenceMarginMs = 10;

/** Runs the ledger's scripts on a server, and learns its clock and epoch from their replies. */
export class LedgerServer {
  readonly clock: RedisLedgerClock;
  /** Marks the loss the ledger was last found in; undefined when it was whole. */
  lostEpoch: string | undefined;
  readonly #options: LedgerServerOptions;
  #epoch = '';
  /** The latest write known, by the ledger's clock. */
  #writtenAtMs = 0;
  #nextEpoch: string;

  constructor(options: LedgerServerOptions) {
    this.#options = options;
    this.clock = new RedisLedgerClock(options.runtime);
    this.#nextEpoch = this.newEpoch();
  }

  newEpoch(): string {
    return Buffer.from(this.#options.runtime.randomBytes(12)).toString('hex');
  }

  /** Runs a script that may run twice, and later than its deadline. Resolves to the kind of the reply and the rest. */
  run(script: RedisScript, parameters: readonly string[], deadlineMs: number): Promise<LedgerReply> {
    return this.#send(script, parameters, deadlineMs, '');
  }

  /** Runs a script that MUST NOT run any more when this has rejected with `late`. One round trip. */
  async runFenced(
    script: RedisScript,
    parameters: readonly string[],
    deadlineMs: number,
  ): Promise<LedgerReply> {
    const { runtime } = this.#options;
    const endMs = runtime.monotonicMs() + deadlineMs;
    const attempt = async (): Promise<LedgerReply> => {
      let serverMs = this.clock.serverMs();
      if (serverMs === undefined) serverMs = await this.#readClock(endMs - runtime.monotonicMs());
      const remainingMs = endMs - runtime.monotonicMs();
      const notAfterMs = Math.floor(serverMs + remainingMs - fenceMarginMs);
      return this.#send(script, parameters, remainingMs, String(notAfterMs));
    };
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof RedisStoreError) || error.code !== 'EXPIRED') throw error;
      // in time by our clock: the server's was set, or a failover led to another server
      this.clock.unlearn();
      if (runtime.monotonicMs() >= endMs) throw error;
      return attempt();
    }
  }

  /** A script without the prelude. */
  runBare(script: RedisScript, parameters: readonly string[], deadlineMs: number): Promise<unknown> {
    return this.#options.scripts.run(script, this.#options.keys, parameters, deadlineMs);
  }

  async #readClock(deadlineMs: number): Promise<number> {
    const { runtime, keys, scripts } = this.#options;
    const sentAtMs = runtime.monotonicMs();
    const serverMs = await readServerTime(scripts, keys[0] as string, deadlineMs);
    this.clock.learn(sentAtMs, Math.floor(serverMs), 0);
    return this.clock.serverMs() ?? serverMs;
  }

  async #send(
    script: RedisScript,
    parameters: readonly string[],
    deadlineMs: number,
    notAfter: string,
  ): Promise<LedgerReply> {
    const { keys, scripts, runtime, ...options } = this.#options;
    const common = [
      ...[notAfter, this.#epoch, this.#nextEpoch, options.whenEmpty === 'begin' ? '1' : '0'],
      ...[String(this.#writtenAtMs), String(options.maxRewindMs)],
      ...[String(options.rememberMs), String(options.rememberDeniedMs), String(options.maxRemembered)],
    ];
    const sentAtMs = runtime.monotonicMs();
    const reply = (await scripts.run(script, keys, [...common, ...parameters], deadlineMs)) as LedgerReply;
    const [kind, serverMs, ledgerMs, epoch, rewoundMs, writtenAtMs, ...rest] = reply;
    const isOther = epoch !== this.#epoch;
    if (isOther) this.#nextEpoch = this.newEpoch();
    if (kind === 'lost') {
      this.lostEpoch = String(epoch);
      options.onLost(this.lostEpoch);
      throw new RedisStoreError('ledger_lost', String(rest[0]));
    }
    this.lostEpoch = undefined;
    const isBehind = isOther || Number(rewoundMs) > 0;
    this.#writtenAtMs = Math.max(isBehind ? 0 : this.#writtenAtMs, Number(writtenAtMs));
    this.clock.learn(sentAtMs, Number(serverMs), Number(ledgerMs));
    this.#epoch = String(epoch);
    if (Number(rewoundMs) > 0) options.onRewind(Number(rewoundMs));
    return [kind as string, ...rest];
  }
}
