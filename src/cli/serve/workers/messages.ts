import type { IssuedKey } from '../../../keys/issue-key.ts';

/** A worker is ready for its setup. */
export interface WorkerHello {
  readonly headgate: 'hello';
}

/** What the primary tells a worker at its start. Sent, not put into the environment: it may contain a key. */
export interface WorkerSetup {
  readonly headgate: 'setup';
  readonly limits: string | undefined;
  readonly nodes: number | undefined;
  readonly workers: number;
  readonly localKey: IssuedKey;
  /** The configuration file that the first worker found; undefined for that worker, and if it found none. */
  readonly file: string | undefined;
}

/** A worker listens; `text` is what a single process would print. */
export interface WorkerListening {
  readonly headgate: 'listening';
  readonly text: string;
  readonly file: string | undefined;
}

/** An order to a worker, by the name of the signal that it stands for. */
export interface WorkerOrder {
  readonly headgate: 'order';
  readonly signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP';
}

/** A message on the channel between the primary and a worker, told apart by `headgate`. */
export type WorkerMessage = WorkerHello | WorkerSetup | WorkerListening | WorkerOrder;

/** The variable that marks a process as a worker of ours. */
export const workerVariable = 'HEADGATE_SERVE_WORKER';

/** Whether a message on the channel is one of ours. */
export function isWorkerMessage(value: unknown): value is WorkerMessage {
  return typeof value === 'object' && value !== null && 'headgate' in value;
}
