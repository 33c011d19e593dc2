import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toNodeHandler } from '../../../adapters/node.ts';
import type { GatewayConfig } from '../../../src/config/schema.ts';
import { createGateway } from '../../../src/gateway.ts';
import type { Ledger } from '../../../src/limits/ledger.ts';
import { type WatchOptions, watchLedger } from './watch-ledger.ts';

/** A gateway that listens. */
export interface Node {
  readonly url: string;
  /** Ends connections at once, as a kill does. */
  cut(): void;
  close(): Promise<void>;
}

/** Starts a gateway over a ledger, with a journal of what it asks of the ledger and of its records. */
export async function startNode(config: GatewayConfig, ledger: Ledger, options: WatchOptions): Promise<Node> {
  const { journal } = options;
  const gateway = createGateway(config, {
    ledger: watchLedger(ledger, options),
    sink: { write: (record) => journal.write({ kind: 'record', record }) },
    onError: (error) => console.error(error),
  });
  const server = createServer({ keepAliveTimeout: 120_000 }, toNodeHandler(gateway));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      server.close();
      server.closeAllConnections();
    },
    async close() {
      await gateway.close({ drainMs: 2_000 });
      server.close();
      server.closeAllConnections();
    },
  };
}
