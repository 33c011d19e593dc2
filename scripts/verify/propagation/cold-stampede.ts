import { createGateway } from '../../../src/gateway.ts';
import { issueKey } from '../../../src/keys/issue-key.ts';
import { createNoPepperRing } from '../../../src/keys/no-pepper.ts';
import { createKeyResolver } from '../../../src/keys/resolver.ts';
import { createRuntime } from '../../../src/runtime.ts';
import type { KeyStore } from '../../../src/stores/key-store.ts';
import { askCore } from './ask-core.ts';
import { type BackendName, backends } from './backends.ts';
import { nowMs } from './clock.ts';
import { insist } from './insist.ts';
import { createMemoryEgress } from './memory-egress.ts';
import { steadyModel, toConfig } from './site.ts';
import { type Spread, toSpread } from './statistics.ts';
import type { Undo } from './undo.ts';

/** What a gateway without a single cached key did when all of them came at once. */
export interface StampedeReport {
  readonly keys: number;
  readonly requests: number;
  /** Look-ups of the key that was looked up most often. */
  readonly mostLookUps: number;
  readonly lookUps: number;
  readonly unauthorized: number;
  /** 503: the store was too slow. */
  readonly storeTooSlow: number;
  /** Neither served nor one of these. */
  readonly otherwise: number;
  readonly latencyMs: Spread;
}

/** What a look-up costs when the cache is warm. */
export interface WarmReport {
  /** Microseconds of processor time, the median of the batches. */
  readonly lookUpUs: number;
  readonly lookUps: number;
  readonly storeCalls: number;
}

/** Requests for each key at once. */
const requestsForEach = 2;
/** Keys that arrive in one turn of the event loop. */
const keysInOneTurn = 100;
const writers = 16;
const warmKeys = 1_000;
const batches = 50;

/** Puts keys into a real store, then asks for all of them at once; then measures look-ups that find the cache warm. */
export async function measureStampede(
  backend: BackendName,
  count: number,
  undo: Undo,
): Promise<{ readonly cold: StampedeReport; readonly warm: WarmReport }> {
  const { startServer, openStores } = backends[backend];
  const server = undo.keep(await startServer(), (it) => it.stop());
  const stores = undo.keep(openStores(server.url), (it) => it.close());
  await stores.migrate();
  const runtime = createRuntime();
  const peppers = createNoPepperRing();
  const issued = Array.from({ length: count }, () => issueKey({ team: 'payments' }, peppers, runtime));
  const left = [...issued];
  const write = async (): Promise<void> => {
    for (let next = left.pop(); next; next = left.pop()) {
      const { record } = next;
      await insist(() => stores.keys.putKey({ ...record, version: 1 }, 0));
    }
  };
  await Promise.all(Array.from({ length: writers }, write));

  const lookUps = new Map<string, number>();
  const counting: KeyStore = {
    findKey(kid) {
      lookUps.set(kid, (lookUps.get(kid) ?? 0) + 1);
      return stores.keys.findKey(kid);
    },
  };
  const config = toConfig('http://upstream.test', 'not-a-secret', [], []);
  const egress = createMemoryEgress();
  const gateway = createGateway(config, { keys: counting, egress, sink: () => undefined });
  const latencies: number[] = [];
  const statuses: number[] = [];
  const asked: Promise<void>[] = [];
  const ask = async (key: string): Promise<void> => {
    const sentAtMs = nowMs();
    statuses.push(await askCore(gateway, key, steadyModel));
    latencies.push(nowMs() - sentAtMs);
  };
  for (let turn = 0; turn < issued.length; turn += keysInOneTurn) {
    const together = issued.slice(turn, turn + keysInOneTurn);
    for (let times = 0; times < requestsForEach; times++) asked.push(...together.map(({ key }) => ask(key)));
    // as from sockets: what has arrived is begun, then answers of the store are read
    await new Promise(setImmediate);
  }
  await Promise.all(asked);
  await gateway.close({ drainMs: 1 });
  const count401 = statuses.filter((status) => status === 401 || status === 429).length;
  const count503 = statuses.filter((status) => status === 503).length;
  const count200 = statuses.filter((status) => status === 200).length;
  const cold: StampedeReport = {
    keys: count,
    requests: statuses.length,
    mostLookUps: Math.max(...lookUps.values()),
    lookUps: [...lookUps.values()].reduce((sum, each) => sum + each, 0),
    unauthorized: count401,
    storeTooSlow: count503,
    otherwise: statuses.length - count200 - count401 - count503,
    latencyMs: toSpread(latencies),
  };

  lookUps.clear();
  const resolver = createKeyResolver({ store: counting, runtime, peppers });
  const warmed = issued.slice(0, warmKeys).map(({ key }) => ({ authorization: `Bearer ${key}` }));
  for (const headers of warmed) await resolver.resolve(headers, '');
  const before = sumOf(lookUps);
  const times: number[] = [];
  for (let batch = 0; batch < batches; batch++) {
    // processor time, so that a busy machine shows less in it
    const startedAt = process.cpuUsage();
    for (const headers of warmed) void resolver.resolve(headers, '');
    const { user, system } = process.cpuUsage(startedAt);
    times.push((user + system) / warmed.length);
  }
  const warm: WarmReport = {
    lookUpUs: toSpread(times).p50,
    lookUps: batches * warmed.length,
    storeCalls: sumOf(lookUps) - before,
  };
  return { cold, warm };
}

function sumOf(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, each) => sum + each, 0);
}
