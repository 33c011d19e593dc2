import type { IssuedKey } from '../../../keys/issue-key.ts';

/** A worker is there to be told. */
export interface WorkerHello {
  readonly headgate: 'hello';
}

/** What the primary tells a worker when it begins. Sent, not put into the environment: a key may be in it. */
export interface WorkerSetup {
  readonly headgate: 'setup';
  readonly limits: string | undefined;
  readonly nodes: number | undefined;
  readonly workers: number;
  readonly localKey: IssuedKey;
  /** The configuration file that the first worker has found; undefined for that one, and where it found none. */
  readonly file: string | undefined;
}

/** A worker listens; `text` is what a single process would print. */
export interface WorkerListening {
  readonly headgate: 'listening';
  readonly text: string;
  readonly file: string | undefined;
}

/** What a worker is told to do, by the name of the signal that it stands for. */
export interface WorkerOrder {
  readonly headgate: 'order';
  readonly signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP';
}

/** What goes over the channel between the primary and a worker, told apart by `headgate`. */
export type WorkerMessage = WorkerHello | WorkerSetup | WorkerListening | WorkerOrder;

/** The variable that tells a process that it is a worker of ours. */
export const workerVariable = 'HEADGATE_SERVE_WORKER';

/** Whether something that came over the channel is one of ours. */
export function isWorkerMessage(value: unknown): value is WorkerMessage {
  return typeof value === 'object' && value !== null && 'headgate' in value;
}
