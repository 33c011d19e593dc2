import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Undo } from '../propagation/undo.ts';
import { type Child, startChild } from './child.ts';
import type { Entry } from './entries.ts';
import { readJournal } from './journal.ts';
import { isLeasing, type LedgerName, openLedger, startStore, storeOf } from './ledgers.ts';
import type { LoadReport } from './load.ts';
import type { NodeReport } from './messages.ts';
import { startNode } from './node.ts';
import type { Player, Stage } from './play.ts';
import { clientsOfNode, nodeCount, usualTiming } from './settings.ts';
import { type Amounts, createSite, usualAmounts } from './site.ts';
import type { Served } from './upstream.ts';

/** How a stage differs from the usual one. */
export interface StageOptions {
  readonly amounts?: Amounts;
  /** Of each gateway. */
  readonly clients?: number;
  /** Whether gateways give their ledger up as soon as they do by default; see `patientFailure`. */
  readonly areDefaults?: boolean;
}

/** A stage whose gateways print. */
export interface ProcessStage extends Stage {
  /** What each gateway process has printed. */
  printedBytes(): readonly number[];
}

/** The players of one ledger: gateways in processes of their own, except for those whose ledger is in their memory. */
export async function startStage(
  name: LedgerName,
  undo: Undo,
  { amounts = usualAmounts, clients = clientsOfNode, areDefaults = false }: StageOptions = {},
): Promise<ProcessStage> {
  const store = undo.keep(await startStore(storeOf(name)), (it) => it.stop());
  // what is below a leasing ledger is what all gateways share
  const outside = name === 'memory' ? name : storeOf(name);
  const opened = undo.keep(await openLedger(outside, store.url), (it) => it.close());
  const directory = undo.keep(mkdtempSync(join(tmpdir(), 'headgate-limits-')), (path) =>
    rmSync(path, { recursive: true, force: true }),
  );
  const upstream = undo.keep(await startChild('upstream-process.ts', { type: 'start-upstream' }), end);
  const { config, clients: keys } = createSite(upstream.url, amounts);
  const isAlone = name === 'memory';
  const urls: string[] = [];
  const players: Player[] = [];
  const children: Child[] = [];
  if (isAlone) {
    const entries: Entry[] = [];
    const player: Player = {
      onScope: () => undefined,
      kill: async () => undefined,
      async finish() {
        await node.close();
        return { memoryDecisions: 0, sharedDecisions: 0, changes: [] };
      },
      journal: () => entries,
    };
    const node = await startNode(config, opened.ledger, {
      journal: { write: (entry) => void entries.push(entry) },
      onScope: (scope) => player.onScope(scope),
    });
    players.push(player);
    urls.push(node.url);
  }
  while (!isAlone && players.length < nodeCount) {
    const journalPath = join(directory, `${players.length}.jsonl`);
    const { url: storeUrl } = store;
    const child = undo.keep(
      await startChild('node-process.ts', {
        type: 'start-node',
        ledger: name,
        storeUrl,
        config,
        journalPath,
        areDefaults,
      }),
      end,
    );
    const player: Player = {
      onScope: () => undefined,
      kill: () => child.kill(),
      finish: () => child.finish<NodeReport>(),
      journal: () => readJournal(journalPath),
    };
    child.onScope = (scope) => player.onScope(scope);
    players.push(player);
    children.push(child);
    urls.push(child.url);
  }
  return {
    players,
    ledger: opened.ledger,
    isLeasing: isLeasing(name),
    isKept: !isAlone,
    timing: usualTiming,
    async startLoad(beginAtMs) {
      const load = await startChild('load-process.ts', {
        ...{ type: 'start-load', nodeUrls: urls, keys, name: 'load', beginAtMs },
        clients: (clients * nodeCount) / urls.length,
      });
      undo.keep(load, end);
      return { stop: () => load.finish<LoadReport>() };
    },
    served: () => upstream.finish<readonly Served[]>(),
    freeze: () => store.freeze(),
    thaw: () => store.thaw(),
    printedBytes: () => children.map((child) => child.printedBytes()),
  };
}

function end(child: Child): Promise<void> {
  return child.kill();
}
