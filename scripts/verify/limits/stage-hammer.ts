import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Undo } from '../propagation/undo.ts';
import { type Child, startChild } from './child.ts';
import type { Entry } from './entries.ts';
import { hammer } from './hammer.ts';
import { readJournal } from './journal.ts';
import { isLeasing, type LedgerName, openLedger, startStore, storeOf } from './ledgers.ts';
import type { LoadReport } from './load.ts';
import type { NodeReport } from './messages.ts';
import type { Player, Stage } from './play.ts';
import { nodeCount, usualTiming } from './settings.ts';
import { watchLedger } from './watch-ledger.ts';

const nothing: LoadReport = { requests: 0, statuses: {}, whole: [], timings: [] };

/**
 * Processes that use a ledger directly, without requests, as fast as it goes: a million reservations through gateways
 * would take an hour. `reservations` are made by those that nobody kills.
 */
export async function startHammerStage(
  name: LedgerName,
  reservations: number,
  killed: number,
  undo: Undo,
): Promise<Stage> {
  const store = undo.keep(await startStore(storeOf(name)), (it) => it.stop());
  const outside = name === 'memory' ? name : storeOf(name);
  const opened = undo.keep(await openLedger(outside, store.url), (it) => it.close());
  const shared = {
    ledger: opened.ledger,
    isLeasing: isLeasing(name),
    timing: usualTiming,
    served: async () => [],
    freeze: () => store.freeze(),
    thaw: () => store.thaw(),
  };
  if (name === 'memory') {
    const entries: Entry[] = [];
    const player: Player = {
      onScope: () => undefined,
      kill: async () => undefined,
      finish: async () => ({ memoryDecisions: 0, sharedDecisions: 0, changes: [] }),
      journal: () => entries,
    };
    const watched = watchLedger(opened.ledger, {
      journal: { write: (entry) => void entries.push(entry) },
      onScope: (scope) => player.onScope(scope),
    });
    return {
      ...{ ...shared, players: [player], isKept: false },
      startLoad: async () => ({
        done: hammer(watched, 'a', reservations).then(() => undefined),
        stop: async () => nothing,
      }),
    };
  }
  const directory = undo.keep(mkdtempSync(join(tmpdir(), 'headgate-limits-')), (path) =>
    rmSync(path, { recursive: true, force: true }),
  );
  const children: Child[] = [];
  const players: Player[] = [];
  while (players.length < nodeCount) {
    const node = String.fromCharCode(97 + players.length);
    const journalPath = join(directory, `${node}.jsonl`);
    const child = await startChild('hammer-process.ts', {
      ...{ type: 'start-hammer', ledger: name, storeUrl: store.url, journalPath, name: node },
      reservations: Math.ceil(reservations / (nodeCount - killed)),
    });
    undo.keep(child, (it) => it.kill());
    const player: Player = {
      onScope: () => undefined,
      kill: () => child.kill(),
      finish: () => child.finish<NodeReport>(),
      journal: () => readJournal(journalPath),
    };
    child.onScope = (scope) => player.onScope(scope);
    children.push(child);
    players.push(player);
  }
  return {
    ...{ ...shared, players, isKept: true },
    async startLoad() {
      const living = children.slice(killed);
      const done = Promise.all(living.map((child) => child.done())).then(() => undefined);
      for (const child of children) child.send({ type: 'begin' });
      return { done, stop: async () => nothing };
    },
  };
}
