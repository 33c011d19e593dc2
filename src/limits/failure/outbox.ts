import type { Runtime } from '../../runtime.ts';
import type { Ledger } from '../ledger.ts';
import { withinDeadline } from './deadline.ts';

interface Letter {
  readonly id: string;
  readonly used: readonly number[];
  readonly told: Told;
  isTried: boolean;
}

/** Whom the outbox tells of a settlement, each once. */
interface Told {
  /** When the ledger has taken it, or it is known that this will take longer. */
  readonly onTried?: (() => void) | undefined;
  /** When the ledger has taken it, or it was given up. */
  readonly onOver?: () => void;
}

/** Settlements that nobody waits for, retried until the ledger takes them. Each is safe to repeat. */
export interface Outbox {
  /** Settles `id`, now or when the ledger is back. */
  send(id: string, used: readonly number[], told?: Told): void;
  /** How many the ledger has not taken yet. */
  readonly pending: number;
  /** How many were given up because too many were pending; their leases charge them. */
  readonly dropped: number;
  /** Resolves when nothing is pending or after `ms`. */
  flush(ms: number): Promise<void>;
  /** Stops retrying; what is pending stays pending. */
  stop(): void;
}

/**
 * @param options.retryMs after a failure, how often one settlement is tried until one succeeds
 * @param options.maxPending above this many the oldest is dropped
 * @param options.maxParallel calls under way at once
 * @param options.onAnswer called for each success, and for each failure with its cause
 */
export function createOutbox(options: {
  readonly ledger: Pick<Ledger, 'settle'>;
  readonly runtime: Runtime;
  readonly deadlineMs: number;
  readonly retryMs: number;
  readonly maxPending: number;
  readonly maxParallel: number;
  readonly onAnswer?: (ok: boolean, cause?: unknown) => void;
}): Outbox {
  const { ledger, runtime, deadlineMs, retryMs, maxPending, maxParallel, onAnswer } = options;
  const letters = new Set<Letter>();
  let underWay = 0;
  let dropped = 0;
  let isFailing = false;
  let isStopped = false;
  let cancelRetry: (() => void) | undefined;
  let onEmpty: (() => void) | undefined;

  function pump(): void {
    while (!isStopped && letters.size > 0 && underWay < (isFailing ? 1 : maxParallel)) {
      if (cancelRetry) return;
      const letter = letters.values().next().value as Letter;
      letters.delete(letter);
      if (!attempt(letter)) return;
    }
    if (letters.size === 0 && underWay === 0) onEmpty?.();
  }

  /** @returns whether another one may be tried at once */
  function attempt(letter: Letter): boolean {
    try {
      const settling = ledger.settle(letter.id, letter.used);
      if (!(settling instanceof Promise)) {
        succeed(letter);
        return true;
      }
      underWay++;
      withinDeadline(runtime, deadlineMs, settling).then(
        () => {
          underWay--;
          succeed(letter);
          pump();
        },
        (cause: unknown) => {
          underWay--;
          fail(letter, cause);
        },
      );
      return !isFailing;
    } catch (cause) {
      fail(letter, cause);
      return false;
    }
  }

  function succeed(letter: Letter): void {
    isFailing = false;
    tell(letter);
    letter.told.onOver?.();
    onAnswer?.(true);
  }

  function fail(letter: Letter, cause: unknown): void {
    isFailing = true;
    keep(letter);
    letters.forEach(tell);
    onAnswer?.(false, cause);
    if (isStopped || cancelRetry) return;
    cancelRetry = runtime.schedule(retryMs, () => {
      cancelRetry = undefined;
      pump();
    });
  }

  function keep(letter: Letter): void {
    letters.add(letter);
    if (letters.size <= maxPending) return;
    const oldest = letters.values().next().value as Letter;
    letters.delete(oldest);
    tell(oldest);
    oldest.told.onOver?.();
    dropped++;
  }

  return {
    send(id, used, told = {}) {
      const letter = { id, used, told, isTried: false };
      keep(letter);
      if (cancelRetry) tell(letter);
      pump();
    },
    get pending() {
      return letters.size + underWay;
    },
    get dropped() {
      return dropped;
    },
    flush(ms) {
      if (letters.size === 0 && underWay === 0) return Promise.resolve();
      cancelRetry?.();
      cancelRetry = undefined;
      return new Promise((resolve) => {
        const cancel = runtime.schedule(ms, resolve);
        onEmpty = () => {
          cancel();
          resolve();
        };
        pump();
      });
    },
    stop() {
      isStopped = true;
      cancelRetry?.();
      cancelRetry = undefined;
    },
  };
}

function tell(letter: Letter): void {
  if (letter.isTried) return;
  letter.isTried = true;
  letter.told.onTried?.();
}
