import { closeGracefully, toNodeHandler } from '../../../adapters/node.ts';
import { createGateway, type Gateway } from '../../gateway.ts';
import { createRuntime } from '../../runtime.ts';
import { createJsonlSink } from '../../telemetry/sink.ts';
import { type Command, integer, type OptionValues, optionalText, requiredText } from '../command.ts';
import type { Io } from '../io.ts';
import { type IssuedKey, issueKey } from '../issue-key.ts';
import { pepperFromEnvironment } from '../pepper.ts';
import { toUrl } from '../serve/address.ts';
import { announce } from '../serve/announce.ts';
import { listen } from '../serve/http-server.ts';
import { localTeam } from '../serve/local-key.ts';
import { type PreparedConfig, prepareConfig } from '../serve/prepare-config.ts';
import { createSerial, watchConfig } from '../serve/reload.ts';
import { stopSignal } from '../serve/stop-signal.ts';

const settleMs = 5_000;

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
    'SIGHUP, or a change of the file, loads the configuration again; one that is not valid changes nothing.',
    'SIGTERM and SIGINT stop accepting and let requests in flight finish; a second signal ends the process at once.',
  ].join('\n'),
  options: {
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
    records: { type: 'string', value: 'file.jsonl', help: 'append one line about each request to this file' },
  },
  async run(values, io) {
    const path = optionalText(values, 'config');
    const host = requiredText(values, 'host').trim();
    const port = integer(values, 'port', 0, 65_535);
    const drainMs = integer(values, 'drain-ms', 0, 3_600_000);
    const runtime = createRuntime();
    const peppers = pepperFromEnvironment(io.environment);
    let localKey: IssuedKey | undefined;
    const makeKey = () => {
      localKey ??= issueKey({ team: localTeam, environment: 'local' }, peppers, runtime);
      return localKey;
    };
    const prepare = () => prepareConfig({ path, host, port }, io, peppers, makeKey);

    const prepared = await prepare();
    const sink = toSink(values, io);
    const gateway = createGateway(prepared.config, {
      onError: (error) =>
        io.stderr.write(`headgate: ${error instanceof Error ? error.stack : String(error)}\n`),
      environment: io.environment,
      peppers,
      runtime,
      ...(sink && { sink }),
    });
    const stop = stopSignal(io);
    const stopReloading = startReloading(gateway, prepared, prepare, io);
    try {
      const listening = await listen(toNodeHandler(gateway), host, port);
      announce(prepared, toUrl(host, listening.port), values.json === true, io);
      const signal = await stop.first;
      io.stderr.write(`headgate: ${signal}: finishing requests in flight, for ${drainMs} ms at most.\n`);
      await closeGracefully(listening.server, { drainMs });
    } finally {
      stopReloading();
      // every reply has ended by now: this waits for records only
      await gateway.close({ drainMs: settleMs });
      stop.release();
    }
    return 0;
  },
};

function toSink(values: OptionValues, io: Io) {
  const file = optionalText(values, 'records');
  if (file === undefined) return undefined;
  return createJsonlSink(file, {
    onError: (error, dropped) =>
      io.stderr.write(
        `headgate: records cannot be written to ${file}: ${(error as Error).message} (${dropped} dropped so far)\n`,
      ),
  });
}

function startReloading(
  gateway: Gateway,
  { loaded }: PreparedConfig,
  prepare: () => Promise<PreparedConfig>,
  io: Io,
): () => void {
  const reload = createSerial(async () => {
    try {
      const next = await prepare();
      await gateway.update(next.config);
      io.stderr.write(`headgate: configuration loaded again from ${next.loaded.source}.\n`);
    } catch (error) {
      io.stderr.write(
        `headgate: the new configuration is not used, the old one goes on: ${(error as Error).message}\n`,
      );
    }
  });
  const releases = [
    io.onSignal('SIGHUP', () => void reload()),
    ...(loaded.file === undefined ? [] : [watchConfig(loaded.file, () => void reload())]),
  ];
  return () => {
    for (const release of releases) release();
  };
}
