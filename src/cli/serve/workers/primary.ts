import cluster, { type Worker } from 'node:cluster';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { issueKey } from '../../../keys/issue-key.ts';
import { createRuntime } from '../../../runtime.ts';
import type { Io } from '../../io.ts';
import { describeStore } from '../../open-stores.ts';
import { pepperFromEnvironment } from '../../pepper.ts';
import { localTeam } from '../local-key.ts';
import { stopSignal } from '../stop-signal.ts';
import {
  isWorkerMessage,
  type WorkerListening,
  type WorkerMessage,
  type WorkerSetup,
  workerVariable,
} from './messages.ts';
import { createRestarts } from './restarts.ts';

/** What the primary of several workers is started with. */
export interface PrimaryOptions {
  readonly workers: number;
  /** Machines that share the limits; undefined if they are to be counted. */
  readonly nodes: number | undefined;
  /** Time for requests in flight to finish. */
  readonly drainMs: number;
  /** Where limits are kept; undefined if the store of keys and configuration keeps them. */
  readonly limits: string | 'temporary' | undefined;
}

/** Added to the time to drain, for a worker to store records and give back its limits. */
const lingerMs = 15_000;
/** Gives up when no worker listens and this many in a row have died early. */
const maxFailures = 10;

/**
 * Runs workers that serve one port and share its limits. The first one must listen before the others are started; one that
 * dies later is restarted after a pause.
 *
 * @returns the exit code
 */
export async function runPrimary(options: PrimaryOptions, io: Io): Promise<number> {
  const { workers: count, nodes, drainMs } = options;
  const directory =
    options.limits === 'temporary' ? await mkdtemp(join(tmpdir(), 'headgate-limits-')) : undefined;
  const limits = directory === undefined ? options.limits : `sqlite:${join(directory, 'limits.db')}`;
  const runtime = createRuntime();
  const setup: WorkerSetup = {
    headgate: 'setup',
    limits,
    nodes: nodes === undefined ? undefined : nodes * count,
    workers: count,
    localKey: issueKey(
      { team: localTeam, environment: 'local' },
      pepperFromEnvironment(io.environment),
      runtime,
    ),
    file: undefined,
  };
  const stop = stopSignal(io);
  const fleet = new Fleet(count, setup, io);
  const release = io.onSignal('SIGHUP', () => fleet.order('SIGHUP'));
  try {
    const begun = await Promise.race([fleet.begin(), stop.first]);
    if (begun === false) return 1;
    if (begun === true) {
      const shared =
        directory === undefined && limits !== undefined ? ` through ${describeStore(limits)}` : '';
      const news = `headgate: ${count} workers share the port and the limits${shared}.\n`;
      void fleet.complete.then(() => io.stderr.write(news));
    }
    const signal = await Promise.race([stop.first, fleet.hopeless]);
    const isHopeless = signal === undefined;
    if (isHopeless) io.stderr.write('headgate: no worker can be kept running: giving up.\n');
    await fleet.stop(signal === 'SIGINT' ? 'SIGINT' : 'SIGTERM', drainMs + lingerMs);
    return isHopeless ? 1 : 0;
  } finally {
    fleet.kill();
    release();
    stop.release();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  }
}

/** The workers of one primary, each at its place. */
class Fleet {
  readonly #count: number;
  #setup: WorkerSetup;
  readonly #io: Io;
  readonly #running = new Set<Worker>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #listening = 0;
  #isStopping = false;
  #onEmpty: (() => void) | undefined;
  #giveUp: (value: undefined) => void = () => undefined;
  /** Resolves when no worker can be kept running. */
  readonly hopeless = new Promise<undefined>((resolve) => {
    this.#giveUp = resolve;
  });

  #onComplete: () => void = () => undefined;
  /** Resolves when all workers listen for the first time; while only one does, losing it loses the port. */
  readonly complete = new Promise<void>((resolve) => {
    this.#onComplete = resolve;
  });

  constructor(count: number, setup: WorkerSetup, io: Io) {
    this.#count = count;
    this.#setup = setup;
    this.#io = io;
  }

  /** @returns whether the first worker listens; if not, it has said why itself */
  async begin(): Promise<boolean> {
    const listens = await new Promise<boolean>((resolve) => {
      const worker = this.#start(createRestarts(), ({ text, file }) => {
        this.#io.stdout.write(text);
        // a worker that starts while the file is missing must not use the environment instead
        this.#setup = { ...this.#setup, file };
        resolve(true);
      });
      worker.once('exit', () => resolve(false));
    });
    if (listens && !this.#isStopping) {
      for (let place = 1; place < this.#count; place++) this.#start(createRestarts());
    }
    return listens;
  }

  order(signal: 'SIGTERM' | 'SIGINT' | 'SIGHUP'): void {
    for (const worker of this.#running) {
      const order: WorkerMessage = { headgate: 'order', signal };
      if (worker.isConnected()) worker.send(order);
    }
  }

  /** Lets all workers finish; waits for `withinMs` at most. */
  async stop(signal: 'SIGTERM' | 'SIGINT', withinMs: number): Promise<void> {
    this.#isStopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.order(signal);
    if (this.#running.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  kill(): void {
    this.#isStopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const worker of this.#running) worker.process.kill('SIGKILL');
  }

  #start(
    restarts: ReturnType<typeof createRestarts>,
    onListening?: (message: WorkerListening) => void,
  ): Worker {
    const startedAtMs = performance.now();
    const worker = cluster.fork({ [workerVariable]: '1' });
    this.#running.add(worker);
    let isListening = false;
    let hasStarted = onListening === undefined;
    worker.on('error', () => undefined);
    worker.on('message', (message: unknown) => {
      if (!isWorkerMessage(message)) return;
      if (message.headgate === 'hello') worker.send(this.#setup);
      if (message.headgate !== 'listening' || isListening) return;
      isListening = true;
      hasStarted = true;
      this.#listening++;
      if (this.#listening === this.#count) this.#onComplete();
      onListening?.(message);
    });
    worker.once('exit', (code, signal) => {
      this.#running.delete(worker);
      if (isListening) this.#listening--;
      if (this.#running.size === 0) this.#onEmpty?.();
      if (this.#isStopping || !hasStarted) return;
      const pauseMs = restarts.died(performance.now() - startedAtMs);
      const how = signal ?? `exit code ${code}`;
      this.#io.stderr.write(
        `headgate: worker ${worker.process.pid} ended (${how}); the next one starts in ${pauseMs} ms.\n`,
      );
      if (this.#listening === 0 && restarts.failures >= maxFailures) this.#giveUp(undefined);
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        if (!this.#isStopping) this.#start(restarts);
      }, pauseMs);
      this.#timers.add(timer);
    });
    return worker;
  }
}
