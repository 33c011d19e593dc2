import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toNodeHandler } from '../../../adapters/node.ts';
import type { GatewayConfig } from '../../../src/config/schema.ts';
import { createGateway, type Gateway } from '../../../src/gateway.ts';
import type { GatewayOptions } from '../../../src/gateway-options.ts';
import { issueKey } from '../../../src/keys/issue-key.ts';
import { createNoPepperRing } from '../../../src/keys/no-pepper.ts';
import { createRuntime, type Runtime } from '../../../src/runtime.ts';
import type { RequestRecord } from '../../../src/telemetry/record.ts';
import { type Client, createClient, type Got } from './client.ts';
import type { Dialect } from './dialects.ts';
import { createLedgerJournal, type LedgerJournal } from './ledger-journal.ts';
import { toConfig } from './site-config.ts';
import type { Policy } from './table/row.ts';

/** A gateway on loopback with everything around it that a case looks at. */
export interface Site {
  readonly url: string;
  readonly gateway: Gateway;
  readonly server: Server;
  readonly client: Client;
  readonly dialect: Dialect;
  /** The caller's key. */
  readonly key: string;
  readonly records: readonly RequestRecord[];
  readonly journal: LedgerJournal;
  /** What the gateway told its host of. */
  readonly errors: readonly unknown[];
  readonly config: GatewayConfig;
  /** One turn, whole or streamed. */
  ask(stream: boolean, more?: AskOptions): Promise<Got>;
  close(): Promise<void>;
}

/** How one turn differs from the usual one. */
export interface AskOptions {
  readonly leaveWhen?: (received: Buffer) => boolean;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How a site is set up. */
export interface SiteOptions {
  readonly dialect: Dialect;
  /** Addresses of the targets, the first one first. */
  readonly targets: readonly string[];
  readonly policy?: Policy | undefined;
  readonly runtime?: Runtime;
  readonly change?: (config: GatewayConfig) => GatewayConfig;
  readonly gateway?: GatewayOptions;
  /** Connections of the client. @default 64 */
  readonly maxSockets?: number;
  /** Keeps every record in place of the last 1,000. */
  readonly record?: (record: RequestRecord) => void;
}

/** Starts a gateway before some targets, each a provider of its own with a credential of its own. */
export async function startSite(options: SiteOptions): Promise<Site> {
  const { dialect } = options;
  const runtime = options.runtime ?? createRuntime();
  const issued = issueKey({ team: 'payments' }, createNoPepperRing(), runtime);
  const key = issued.record as NonNullable<GatewayConfig['keys']>[number];
  const plain = toConfig(dialect, options.targets, options.policy ?? {}, key);
  const config = options.change?.(plain) ?? plain;
  const journal = createLedgerJournal(runtime);
  const errors: unknown[] = [];
  const records: RequestRecord[] = [];
  const gateway = createGateway(config, {
    runtime,
    ledger: journal.ledger,
    // said, so that the journal tells of requests alone
    limits: { nodes: 1 },
    environment: {},
    onError: (error) => void errors.push(error),
    sink: options.record ?? ((record) => void records.push(record)),
    ...options.gateway,
  });
  const server = createServer({ keepAliveTimeout: 120_000 }, toNodeHandler(gateway));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = createClient(options.maxSockets);
  return {
    ...{ url, gateway, server, client, dialect, key: issued.key, records, journal, errors, config },
    ask(stream, more = {}) {
      const { path, headers, body } = dialect.toRequest('the-model', stream);
      return client.send({
        url: `${url}${path}`,
        headers: { authorization: `Bearer ${issued.key}`, ...headers, ...more.headers },
        body: JSON.stringify(body),
        ...(more.leaveWhen && { leaveWhen: more.leaveWhen }),
      });
    },
    async close() {
      client.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await gateway.close({ drainMs: 1_000 });
    },
  };
}
