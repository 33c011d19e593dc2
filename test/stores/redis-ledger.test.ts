import { afterAll, beforeAll, describe } from 'vitest';
import { eventually, noDeadlineMs } from '../eventually.ts';
import { startRedis } from '../servers/redis.ts';
import { sharedServer } from '../servers/shared.ts';
import type { TestServer } from '../servers/test-server.ts';
import { contractOfLedger, type OpenLedgerHarness } from './ledger-contract.ts';
import { type ClientLibrary, newInstallation, within } from './redis-fixture.ts';
import { openLedger } from './redis-ledger-fixture.ts';
import { connectTo } from './redis-raw.ts';

/** `deadlineMs` of the ledger: a short one where something freezes, otherwise one that no load reaches. */
async function createHarness(
  library: ClientLibrary,
  url: string,
  deadlineMs = noDeadlineMs,
): Promise<OpenLedgerHarness> {
  const installation = newInstallation();
  const closes: (() => Promise<void>)[] = [];
  const open = () => {
    const ledger = { deadlineMs, settleDeadlineMs: deadlineMs };
    const opened = openLedger(url, { installation, library, ledger, ...within(deadlineMs) });
    closes.push(opened.close);
    return opened.ledger;
  };
  const raw = await connectTo(url);
  closes.push(raw.close);
  return {
    ledger: open(),
    second: open,
    async now() {
      const [seconds, micros] = (await raw.send('TIME')) as [string, string];
      return Number(seconds) * 1_000 + Number(micros) / 1_000;
    },
    // a timer may end one millisecond early
    advance: (ms) => new Promise((resolve) => setTimeout(resolve, ms + 2)),
    deadlineMs,
    // ten times the default: what is swept late on a busy machine is no fault
    sweepMs: 20_000,
    async close() {
      for (const close of closes.reverse()) await close();
    },
  };
}

const noFaults = {
  breakStore: 'the shared server is not killed',
  freeze: 'the shared server is not stopped',
};

for (const library of ['ioredis', 'redis'] as const) {
  describe(`the ledger in Redis, through ${library}`, () => {
    contractOfLedger(async () => createHarness(library, await sharedServer('redis')), noFaults);
  });
}

describe('the ledger in a Redis that is stopped and killed', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startRedis({ own: true, appendonly: true });
  });
  afterAll(() => server.stop());

  contractOfLedger(async (needs) => {
    const deadlineMs = needs.includes('freeze') ? 2_000 : undefined;
    const harness = await createHarness('ioredis', server.url, deadlineMs);
    return {
      ...harness,
      async breakStore() {
        await server.kill();
        return async () => {
          await server.restart();
          await eventually(() => harness.ledger.peek([]));
        };
      },
      async freeze() {
        await server.freeze();
        return () => server.thaw();
      },
    };
  });
});
