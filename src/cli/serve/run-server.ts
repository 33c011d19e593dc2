import { resolve } from 'node:path';
import { closeGracefully, toNodeHandler } from '../../../adapters/node.ts';
import type { GatewayOptions } from '../../gateway-options.ts';
import type { IssuedKey } from '../../keys/issue-key.ts';
import { createRuntime } from '../../runtime.ts';
import { createJsonlSink } from '../../telemetry/sink.ts';
import { integer, type OptionValues, optionalText, requiredText } from '../command.ts';
import { configStoreUrl } from '../config-source.ts';
import type { Io } from '../io.ts';
import { pepperFromEnvironment } from '../pepper.ts';
import { toUrl } from './address.ts';
import { describeLimitEvent } from './describe-limit-event.ts';
import { openFileSite } from './file-site.ts';
import { listen } from './http-server.ts';
import { type LimitsStore, openLimitsStore } from './limits-store.ts';
import type { SiteOptions } from './open-site.ts';
import type { PreparedConfig } from './prepare-config.ts';
import { openStoreSite } from './store-site.ts';
import { describeWarnings } from './warnings.ts';

/** What a server gets from whoever runs it: the process itself, or the primary of several. */
export interface Station {
  /** Begins to listen for the signal to stop. */
  watchStop(): { readonly first: Promise<string>; release(): void };
  /** The store for limits, if it is not the one for keys and configuration. */
  readonly limits: string | undefined;
  /** How many processes share the limits; undefined if they are to be counted. */
  readonly nodes: number | undefined;
  /** How many of them are known to be there. @default 1 */
  readonly leastNodes?: number;
  /** The key to use where there are none, in place of a new one. */
  readonly localKey?: IssuedKey | undefined;
  /** Called once it listens. */
  announce(prepared: PreparedConfig, url: string, warnings: readonly string[]): void;
}

const settleMs = 5_000;

/** Serves until it is told to stop, then finishes requests in flight. */
export async function runServer(values: OptionValues, io: Io, station: Station): Promise<void> {
  const path = optionalText(values, 'config');
  const host = requiredText(values, 'host').trim();
  const port = integer(values, 'port', 0, 65_535);
  const drainMs = integer(values, 'drain-ms', 0, 3_600_000);
  const storeUrl = configStoreUrl(values, io);
  const runtime = createRuntime();
  const peppers = pepperFromEnvironment(io.environment);
  const sink = toSink(values, io);
  let isDue = false;
  let reload = () => {
    isDue = true;
  };
  // before anything that takes time: without a listener the signal ends the process
  const release = io.onSignal('SIGHUP', () => reload());
  const own = station.limits === undefined ? undefined : await openLimitsStore(station.limits, io);
  const options: SiteOptions = {
    site: { path, host, port },
    io,
    peppers,
    runtime,
    localKey: station.localKey,
    gateway: {
      onError: (error) =>
        io.stderr.write(`headgate: ${error instanceof Error ? error.stack : String(error)}\n`),
      environment: io.environment,
      peppers,
      runtime,
      ...limitOptions(station, own, io),
      ...(sink && { sink }),
    },
  };
  try {
    const open = await (storeUrl === undefined ? openFileSite(options) : openStoreSite(storeUrl, options));
    reload = open.reload;
    if (isDue) reload();
    const stop = station.watchStop();
    try {
      const listening = await listen(toNodeHandler(open.gateway), host, port);
      const warnings = await describeWarnings(open.gateway.snapshot.warnings, open.prepared.loaded, io);
      station.announce(open.prepared, toUrl(host, listening.port), warnings);
      const signal = await stop.first;
      io.stderr.write(`headgate: ${signal}: finishing requests in flight, for ${drainMs} ms at most.\n`);
      // from now on the gateway is not ready; requests not done after `drainMs` end with an error, which has to get out
      const closing = open.gateway.close({ drainMs });
      await closeGracefully(listening.server, { drainMs: drainMs + settleMs });
      await closing;
    } finally {
      await open.stopFollowing();
      // does nothing if it has already closed in good order
      await open.gateway.close({ drainMs: settleMs });
      await open.release();
      stop.release();
    }
  } finally {
    release();
    await own?.close().catch(() => undefined);
  }
}

function limitOptions(
  { nodes, leastNodes = 1 }: Station,
  own: LimitsStore | undefined,
  io: Io,
): GatewayOptions {
  return {
    ...(own && { ledger: own.ledger }),
    ...(own?.hints && { hints: own.hints }),
    limits: { leastNodes, ...(nodes !== undefined && { nodes }), ...(own && { leasing: true }) },
    onLimit(event) {
      const line = describeLimitEvent(event);
      if (line !== undefined) io.stderr.write(`headgate: ${line}\n`);
    },
  };
}

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
