import { resolve } from 'node:path';
import { closeGracefully, toNodeHandler } from '../../../adapters/node.ts';
import { createRuntime } from '../../runtime.ts';
import { createJsonlSink } from '../../telemetry/sink.ts';
import { type Command, integer, type OptionValues, optionalText, requiredText } from '../command.ts';
import { configStoreUrl } from '../config-source.ts';
import type { Io } from '../io.ts';
import { storeOption } from '../open-stores.ts';
import { pepperFromEnvironment } from '../pepper.ts';
import { toUrl } from '../serve/address.ts';
import { announce } from '../serve/announce.ts';
import { openFileSite } from '../serve/file-site.ts';
import { listen } from '../serve/http-server.ts';
import type { SiteOptions } from '../serve/open-site.ts';
import { stopSignal } from '../serve/stop-signal.ts';
import { openStoreSite } from '../serve/store-site.ts';

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
    'With a store, configuration and keys come from there and every change is taken over: a revoked key is refused and a',
    'new version is served as soon as the store tells of it, within seconds when it cannot.',
    '',
    'SIGHUP, or a change of the file, loads the configuration again; one that is not valid changes nothing.',
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
    records: { type: 'string', value: 'file.jsonl', help: 'append one line about each request to this file' },
  },
  async run(values, io) {
    const path = optionalText(values, 'config');
    const host = requiredText(values, 'host').trim();
    const port = integer(values, 'port', 0, 65_535);
    const drainMs = integer(values, 'drain-ms', 0, 3_600_000);
    const storeUrl = configStoreUrl(values, io);
    const runtime = createRuntime();
    const peppers = pepperFromEnvironment(io.environment);
    const sink = toSink(values, io);
    const options: SiteOptions = {
      site: { path, host, port },
      io,
      peppers,
      runtime,
      gateway: {
        onError: (error) =>
          io.stderr.write(`headgate: ${error instanceof Error ? error.stack : String(error)}\n`),
        environment: io.environment,
        peppers,
        runtime,
        ...(sink && { sink }),
      },
    };
    const open = await (storeUrl === undefined ? openFileSite(options) : openStoreSite(storeUrl, options));
    const stop = stopSignal(io);
    try {
      const listening = await listen(toNodeHandler(open.gateway), host, port);
      announce(open.prepared, toUrl(host, listening.port), values.json === true, io);
      const signal = await stop.first;
      io.stderr.write(`headgate: ${signal}: finishing requests in flight, for ${drainMs} ms at most.\n`);
      await closeGracefully(listening.server, { drainMs });
    } finally {
      await open.stopFollowing();
      // every reply has ended by now: this waits for records only
      await open.gateway.close({ drainMs: settleMs });
      await open.release();
      stop.release();
    }
    return 0;
  },
};

function toSink(values: OptionValues, io: Io) {
  const file = optionalText(values, 'records');
  if (file === undefined) return undefined;
  return createJsonlSink(resolve(io.cwd, file), {
    onError: (error, dropped) =>
      io.stderr.write(
        `headgate: records cannot be written to ${file}: ${(error as Error).message} (${dropped} dropped so far)\n`,
      ),
  });
}
