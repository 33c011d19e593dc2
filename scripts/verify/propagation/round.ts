import type { Client } from './client.ts';
import { nowMs, pause, until } from './clock.ts';
import * as settings from './settings.ts';

/** What an answer shows: the state before the change, the one after it, or neither. */
export type State = 'before' | 'after' | 'wrong';

/** One look at one node. */
export interface Look {
  readonly state: State;
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
  readonly status: number;
}

/** A change, and how to see it. */
export interface RoundOptions {
  readonly clients: readonly Client[];
  look(client: Client): Promise<Look>;
  /** Resolves when the change is made. */
  change(): Promise<void>;
  /** Told when it is, while the nodes are still being asked. */
  onChanged?(completedAtMs: number): void;
  /** @default that of the settings */
  readonly boundMs?: number;
  /** @default that of the settings */
  readonly giveUpMs?: number;
}

/** What became of it. */
export interface Round {
  /**
   * From the end of the change until the last node answered by it: an upper bound, the request and the pause before
   * it included. 0 when every node was faster than the answer to whoever made the change.
   */
  readonly lastNodeMs: number;
  readonly requests: number;
  /** Sent later than the bound, answered by the state before. */
  readonly servedAfterBound: number;
  /** Answered by the state before, after the same node had answered by the one after. */
  readonly setBacks: number;
  /** Answers that are neither, by status. */
  readonly wrong: readonly number[];
  /** How late a timer of this process was at most: what the machine, not the gateways, may have added. */
  readonly heldUpMs: number;
}

/** Between two requests to one node. */
const lookPauseMs = 4;
const looksAfterwards = 3;

/** Keeps asking every node while a change is made, until all of them answer by it. */
export async function runRound(options: RoundOptions): Promise<Round> {
  const { clients, look, change, boundMs = settings.boundMs, giveUpMs = settings.giveUpMs } = options;
  const nodes = clients.map((client) => ({
    client,
    seenBefore: false,
    switchedAtMs: undefined as number | undefined,
    looksSince: 0,
  }));
  const wrong: number[] = [];
  let completedAtMs: number | undefined;
  let requests = 0;
  let servedAfterBound = 0;
  let setBacks = 0;
  let heldUpMs = 0;
  let isOver = false;

  const watch = async (node: (typeof nodes)[number]): Promise<void> => {
    while (!isOver) {
      const { state, sentAtMs, receivedAtMs, status } = await look(node.client);
      requests++;
      if (state === 'wrong') wrong.push(status);
      else if (state === 'after') {
        node.switchedAtMs ??= receivedAtMs;
        node.looksSince++;
      } else {
        node.seenBefore = true;
        if (node.switchedAtMs !== undefined) setBacks++;
        if (completedAtMs !== undefined && sentAtMs > completedAtMs + boundMs) servedAfterBound++;
      }
      const pausedAtMs = nowMs();
      await pause(lookPauseMs);
      heldUpMs = Math.max(heldUpMs, nowMs() - pausedAtMs - lookPauseMs);
    }
  };
  const watching = nodes.map(watch);
  try {
    await until(
      () => nodes.every(({ seenBefore }) => seenBefore),
      'the state before the change',
      settings.beginMs,
    );
    await change();
    const changedAtMs = nowMs();
    completedAtMs = changedAtMs;
    options.onChanged?.(changedAtMs);
    const done = () => nodes.every(({ looksSince }) => looksSince > looksAfterwards);
    // a node that has not switched by then counts as that late
    await until(done, 'the change', giveUpMs).catch(() => undefined);
    const lateness = nodes.map(({ switchedAtMs }) =>
      switchedAtMs === undefined ? giveUpMs : switchedAtMs - changedAtMs,
    );
    return {
      lastNodeMs: Math.max(0, ...lateness),
      requests,
      servedAfterBound,
      setBacks,
      wrong,
      heldUpMs,
    };
  } finally {
    isOver = true;
    await Promise.all(watching);
  }
}
