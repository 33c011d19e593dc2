import type { Figure } from '../propagation/figures.ts';
import type { Undo } from '../propagation/undo.ts';
import { judgeLedger } from './judge.ts';
import { isLeasing, type LedgerName } from './ledgers.ts';
import { play } from './play.ts';
import { freezeMs } from './settings.ts';
import { startHammerStage } from './stage-hammer.ts';

/** Reservations of each ledger, more where it takes more of them a second: a million in all. */
const reservationsOf: Readonly<Record<LedgerName, number>> = {
  memory: 300_000,
  sqlite: 60_000,
  redis: 220_000,
  postgres: 50_000,
  'leasing-sqlite': 110_000,
  'leasing-redis': 150_000,
  'leasing-postgres': 110_000,
};

/** The part of the million that one ledger makes, directly and not through gateways: four processes, killed and frozen. */
export async function playMillion(name: LedgerName, undo: Undo): Promise<readonly Figure[]> {
  const isShared = name !== 'memory';
  const killsMs = isShared ? [3_000, 7_000] : [];
  const stage = await startHammerStage(name, reservationsOf[name], killsMs.length, undo);
  const freeze = isShared ? { atMs: 5_000, forMs: freezeMs } : undefined;
  const result = await play(stage, { loadMs: 0, killsMs, freeze });
  return judgeLedger(`${name}, directly`, result, isLeasing(name));
}
