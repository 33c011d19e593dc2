import { availableParallelism } from 'node:os';
import { type Command, integer, type OptionValues, optionalText, requiredText } from '../command.ts';
import { configStoreUrl } from '../config-source.ts';
import type { Io } from '../io.ts';
import { storeOption } from '../open-stores.ts';
import { announce } from '../serve/announce.ts';
import { keepsLimits } from '../serve/limits-store.ts';
import { runServer } from '../serve/run-server.ts';
import { stopSignal } from '../serve/stop-signal.ts';
import { runPrimary } from '../serve/workers/primary.ts';
import { isServeWorker, runWorker } from '../serve/workers/worker.ts';

/** Runs a gateway. */
export const serve: Command = {
  name: 'serve',
  summary: 'run a gateway',
  details: [
    'Looks for headgate.config.{ts,mts,js,mjs,cjs,json,yaml,yml} in the current directory. Without one it serves the',
    'providers whose variables are set: OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY or GOOGLE_API_KEY, and',
    'OPENAI_BASE_URL, ANTHROPIC_BASE_URL, GEMINI_BASE_URL for other addresses; HEADGATE_KEYS holds key records.',
    '',
    'Without keys it prints a temporary one on loopback, and refuses to listen elsewhere.',
    '',
    'With a store, configuration and keys come from there, and every change applies without a restart: a revoked key is',
    'refused, and a new version is served, as soon as the store reports it, or within seconds if it cannot.',
    '',
    'With --workers several processes serve the port and share the limits: through --limits, the store, or a temporary file.',
    'A worker that dies is restarted.',
    '',
    'SIGHUP, or a change to the file, reloads the configuration; an invalid one changes nothing.',
    'SIGTERM and SIGINT stop accepting and let requests in flight finish; a second signal ends the process at once.',
  ].join('\n'),
  options: {
    ...storeOption,
    config: { type: 'string', short: 'c', value: 'file', help: 'the configuration file' },
    port: {
      type: 'string',
      short: 'p',
      value: 'number',
      help: 'port to listen on, 0 for any free one',
      default: '8787',
    },
    host: { type: 'string', value: 'address', help: 'address to listen on', default: '127.0.0.1' },
    'drain-ms': {
      type: 'string',
      value: 'number',
      help: 'milliseconds that requests in flight get to finish',
      // below the 30 s that Kubernetes and most others leave between SIGTERM and SIGKILL
      default: '25000',
    },
    workers: {
      type: 'string',
      short: 'w',
      value: 'number',
      help: 'processes that serve the port together; auto for one on each core',
      default: '1',
    },
    limits: {
      type: 'string',
      value: 'url',
      help: 'where limits are kept, when not in the store: sqlite:<file>, postgres://… or redis://… (default: HEADGATE_LIMITS)',
    },
    nodes: {
      type: 'string',
      value: 'number',
      help: 'machines that share the limits; each goes on with its part while the store does not answer (default: counted there)',
    },
    records: { type: 'string', value: 'file.jsonl', help: 'append one line about each request to this file' },
  },
  async run(values, io) {
    if (isServeWorker(io)) {
      await runWorker(values, io);
      return 0;
    }
    const workers = workersOf(values);
    const nodes = values.nodes === undefined ? undefined : integer(values, 'nodes', 1, 10_000);
    const limits = limitsUrl(values, io);
    if (workers > 1) {
      const storeUrl = configStoreUrl(values, io);
      const isKept = storeUrl !== undefined && keepsLimits(storeUrl);
      const drainMs = integer(values, 'drain-ms', 0, 3_600_000);
      return await runPrimary(
        { workers, nodes, drainMs, limits: limits ?? (isKept ? undefined : 'temporary') },
        io,
      );
    }
    await runServer(values, io, {
      watchStop: () => stopSignal(io),
      limits,
      nodes,
      announce: (prepared, url, warnings) => announce(prepared, url, warnings, values.json === true, io),
    });
    return 0;
  },
};

const maxWorkers = 512;

function workersOf(values: OptionValues): number {
  const text = requiredText(values, 'workers').trim();
  return text === 'auto' ? availableParallelism() : integer(values, 'workers', 1, maxWorkers);
}

function limitsUrl(values: OptionValues, io: Io): string | undefined {
  return optionalText(values, 'limits') ?? (io.environment.HEADGATE_LIMITS?.trim() || undefined);
}
