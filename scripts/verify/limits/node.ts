import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toNodeHandler } from '../../../adapters/node.ts';
import type { GatewayConfig } from '../../../src/config/schema.ts';
import { createGateway } from '../../../src/gateway.ts';
import type { Ledger } from '../../../src/limits/ledger.ts';
import type { FailureBounds } from '../../../src/limits/limit-options.ts';
import { clockMs } from './clock.ts';
import type { NodeReport } from './messages.ts';
import { nodeCount } from './settings.ts';
import { type WatchOptions, watchLedger } from './watch-ledger.ts';

/** A gateway that listens. */
export interface Node {
  readonly url: string;
  /** When it gave its ledger up, and when it had it back. */
  readonly changes: NodeReport['changes'];
  /** Ends connections at once, as a kill does. */
  cut(): void;
  close(): Promise<void>;
}

/** Starts a gateway over a ledger, with a journal of what it asks of the ledger and of its records. */
export async function startNode(
  config: GatewayConfig,
  ledger: Ledger,
  options: WatchOptions & { readonly failure?: FailureBounds },
): Promise<Node> {
  const { journal, failure = {} } = options;
  const gateway = createGateway(config, {
    ledger: watchLedger(ledger, options),
    sink: { write: (record) => journal.write({ kind: 'record', record }) },
    // said, so that the ledger holds nothing but what requests hold
    limits: { failure, nodes: nodeCount },
    onError: (error) => console.error(error),
  });
  const changes: NodeReport['changes'][number][] = [];
  let last: NodeReport['changes'][number]['state'] = 'healthy';
  const watching = setInterval(() => {
    const { state } = gateway.health().limits;
    if (state !== last) changes.push({ state, atMs: clockMs() });
    last = state;
  }, 20);
  watching.unref();
  const server = createServer({ keepAliveTimeout: 120_000 }, toNodeHandler(gateway));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    changes,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      clearInterval(watching);
      server.close();
      server.closeAllConnections();
    },
    async close() {
      clearInterval(watching);
      await gateway.close({ drainMs: 2_000 });
      server.close();
      server.closeAllConnections();
    },
  };
}
