import { openSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import { toNodeHandler } from '../../../adapters/node.ts';
import { createGateway } from '../../../src/gateway.ts';
import type { Ledger, ReadScope } from '../../../src/limits/ledger.ts';
import { noWindow } from '../../../src/limits/window.ts';
import { createSqliteStores } from '../../../src/stores/sqlite/sqlite-stores.ts';
import type { RequestRecord } from '../../../src/telemetry/record.ts';
import { findRejections } from '../faults/rejections.ts';
import type { FromGateway, GatewayStart, Noted, ToGateway } from './gateway-messages.ts';
import { readHoldings } from './leaks.ts';

// one gateway in a process of its own, so that it can be killed
const rejections = findRejections();
const tell = (message: FromGateway) => void process.send?.(message);
const next = <Type extends ToGateway['type']>(type: Type) =>
  new Promise<Extract<ToGateway, { type: Type }>>((resolve) => {
    process.on('message', (message: ToGateway) => {
      if (message.type === type) resolve(message as Extract<ToGateway, { type: Type }>);
    });
  });
process.on('disconnect', () => process.exit());
process.on('message', (message: ToGateway) => {
  if (message.type === 'measure')
    void readHoldings().then((holdings) => tell({ type: 'measured', holdings }));
});

function toNoted({ id, attempts, outcome, status, errorCode }: RequestRecord): Noted {
  const failures = attempts.map(({ failure }) => failure ?? 'ok').join(' > ');
  return { id, attempts: attempts.length, end: `${outcome} ${status} ${errorCode ?? ''}: ${failures}` };
}

async function run({ config, port, ledgerFile, recordsFile }: GatewayStart): Promise<void> {
  const stores = createSqliteStores({ file: ledgerFile });
  await stores.migrate();
  const scopes = new Map<string, ReadScope>();
  const { ledger } = stores;
  // opened before the first request has to wait for it
  await ledger.peek([{ key: 'none', amount: 0, span: noWindow.spanAt(0) }]);
  const watched: Ledger = Object.assign(Object.create(ledger), {
    reserve(...[id, asked, leaseMs]: Parameters<Ledger['reserve']>) {
      for (const scope of asked) scopes.set(scope.key, scope);
      return ledger.reserve(id, asked, leaseMs);
    },
  });
  const file = openSync(recordsFile, 'a');
  const errors: string[] = [];
  const gateway = createGateway(config, {
    ledger: watched,
    limits: { leasing: true, leaseMs: 5_000, failure: { deadlineMs: 5_000 } },
    environment: {},
    // written before the reply's last byte leaves: a process that is killed later has told of it
    sink: { write: (record) => void writeSync(file, `${JSON.stringify(toNoted(record))}\n`) },
    onError: (error) => void errors.push(String((error as Error)?.stack ?? error)),
  });
  const server = createServer({ keepAliveTimeout: 120_000 }, toNodeHandler(gateway));
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const finishing = next('finish');
  tell({ type: 'ready' });
  await finishing;
  await gateway.close({ drainMs: 2_000 });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await stores.ledger.close?.();
  await stores.close();
  const holdings = await readHoldings();
  tell({
    type: 'finished',
    report: { holdings, scopes: [...scopes.values()], rejections: await rejections.end(), errors },
  });
}

await run((await next('start')).start);
