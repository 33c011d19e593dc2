import cluster from 'node:cluster';
import type { OptionValues } from '../../command.ts';
import type { Io } from '../../io.ts';
import { announce } from '../announce.ts';
import { runServer } from '../run-server.ts';
import { isWorkerMessage, type WorkerMessage, type WorkerSetup, workerVariable } from './messages.ts';

/** Whether this process is a worker that a primary of ours has started. */
export function isServeWorker(io: Io): boolean {
  return cluster.isWorker && io.environment[workerVariable] === '1' && process.send !== undefined;
}

/** One of several processes that serve the same port. It stops when its primary says so, or on a signal of its own. */
export async function runWorker(values: OptionValues, io: Io): Promise<void> {
  const orders = new Map<string, Set<() => void>>();
  const onOrder = (signal: string, action: () => void) => {
    const known = orders.get(signal) ?? new Set();
    orders.set(signal, known.add(action));
    return () => known.delete(action);
  };
  let onSetup: (setup: WorkerSetup) => void = () => undefined;
  const setup = new Promise<WorkerSetup>((resolve) => {
    onSetup = resolve;
  });
  const listener = (message: unknown) => {
    if (!isWorkerMessage(message)) return;
    if (message.headgate === 'setup') onSetup(message);
    if (message.headgate === 'order') for (const action of [...(orders.get(message.signal) ?? [])]) action();
  };
  process.on('message', listener);
  const releases: (() => void)[] = [];
  // a terminal's Ctrl-C reaches every process: it means the same as the primary's order, not a second signal
  const stop = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      releases.push(
        onOrder(signal, () => resolve(signal)),
        io.onSignal(signal, () => resolve(signal)),
      );
    }
  });
  try {
    send({ headgate: 'hello' });
    const { limits, nodes, workers, localKey, file } = await setup;
    const workerIo: Io = {
      ...io,
      onSignal(signal, action) {
        const outside = io.onSignal(signal, action);
        const inside = onOrder(signal, action);
        return () => {
          outside();
          inside();
        };
      },
    };
    await runServer(file === undefined ? values : { ...values, config: file }, workerIo, {
      watchStop: () => ({ first: stop, release: () => undefined }),
      limits,
      nodes,
      leastNodes: workers,
      localKey,
      announce(prepared, url, warnings) {
        let text = '';
        const write = (part: string) => {
          text += part;
        };
        const stdout = { isTTY: io.stdout.isTTY ?? false, write };
        announce(prepared, url, warnings, values.json === true, { ...io, stdout });
        send({ headgate: 'listening', text, file: prepared.loaded.file });
      },
    });
  } finally {
    for (const release of releases) release();
    process.off('message', listener);
    // the channel to the primary must not keep a finished worker alive
    process.channel?.unref();
  }
}

function send(message: WorkerMessage): void {
  process.send?.(message);
}
