import type { Ledger } from '../../../src/limits/ledger.ts';
import type { Undo } from '../propagation/undo.ts';
import type { Entry } from './entries.ts';
import { startLoad } from './load.ts';
import { startNode } from './node.ts';
import type { Player, Stage } from './play.ts';
import { shortTiming } from './settings.ts';
import { type Amounts, createSite } from './site.ts';
import { startUpstream } from './upstream.ts';

/** Of a ledger that takes no slices. */
const noDecisions = { memoryDecisions: 0, sharedDecisions: 0, changes: [] };

/** How large it is. */
export interface SmallStage {
  readonly nodes: number;
  readonly clients: number;
  readonly amounts: Amounts;
  /** It goes on until there were so many requests. */
  readonly enough: number;
}

const { windowMs, leaseMs } = shortTiming;

/**
 * The same in one process, for a ledger in memory: gateways share it, and one that is killed cannot reach it any more.
 * `seen` is the ledger as gateways have it, `ledger` as it is.
 */
export async function startSmallStage(
  ledger: Ledger,
  seen: Ledger,
  { nodes, clients, amounts, enough }: SmallStage,
  undo: Undo,
): Promise<Stage> {
  const upstream = undo.keep(await startUpstream(), (it) => it.close());
  const site = createSite(upstream.url, amounts, windowMs);
  const urls: string[] = [];
  const players: Player[] = [];
  while (players.length < nodes) {
    const entries: Entry[] = [];
    let isKilled = false;
    const player: Player = {
      onScope: () => undefined,
      async kill() {
        isKilled = true;
        node.cut();
      },
      async finish() {
        await node.close();
        return noDecisions;
      },
      journal: () => entries,
    };
    const node = await startNode(site.config, seen, {
      journal: { write: (entry) => void (isKilled || entries.push(entry)) },
      onScope: (scope) => player.onScope(scope),
      isKilled: () => isKilled,
      longestLeaseMs: leaseMs,
    });
    undo.keep(node, (it) => it.cut());
    players.push(player);
    urls.push(node.url);
  }
  return {
    players,
    ledger,
    isLeasing: false,
    isKept: false,
    timing: shortTiming,
    startLoad: async (beginAtMs) =>
      startLoad({ nodeUrls: urls, keys: site.clients, clients, name: 'load', beginAtMs, windowMs, enough }),
    served: async () => upstream.served(),
    freeze: async () => undefined,
    thaw: async () => undefined,
  };
}
