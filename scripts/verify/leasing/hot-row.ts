import { type Child, startChild } from '../limits/child.ts';
import { type LedgerName, startStore, storeOf } from '../limits/ledgers.ts';
import type { PacedReport } from '../limits/messages.ts';
import { type Figure, toLeast, toNone, toTime } from '../propagation/figures.ts';
import { toSpread } from '../propagation/statistics.ts';
import type { Undo } from '../propagation/undo.ts';

const processes = 4;
const promised = { rate: 5_000, p99Us: 1_000, memoryPerMille: 990 };
const warmUp = { rate: promised.rate / processes, seconds: 4 };
const pace = { rate: promised.rate / processes, seconds: 10 };

/** Four processes that all draw from the rows of one organisation, at a steady pace. */
export async function measureHotRow(name: LedgerName, undo: Undo): Promise<readonly Figure[]> {
  const store = undo.keep(await startStore(storeOf(name)), (it) => it.stop());
  const children: Child[] = [];
  for (const team of ['a', 'b', 'c', 'd'].slice(0, processes)) {
    const start = { type: 'start-pace', ledger: name, storeUrl: store.url, team, warmUp, pace } as const;
    children.push(undo.keep(await startChild('../leasing/pace-process.ts', start), (it) => it.kill()));
  }
  const done = Promise.all(children.map((child) => child.done()));
  for (const child of children) child.send({ type: 'begin' });
  await done;
  const reports = await Promise.all(children.map((child) => child.finish<PacedReport>()));
  const sum = (of: (report: PacedReport) => number) =>
    reports.reduce((total, report) => total + of(report), 0);
  const memory = sum((report) => report.memoryDecisions);
  const shared = sum((report) => report.sharedDecisions);
  const { count, p50, p99, max } = toSpread(reports.flatMap(({ tookUs }) => tookUs));
  const what = (text: string) => `${name}: ${text}`;
  return [
    toLeast(
      what('reservations a second on one row, of all processes'),
      Math.round(sum(({ rate }) => rate)),
      promised.rate * 0.98,
      `${processes} processes, ${count} reservations`,
    ),
    toTime(
      what('what one adds to its request, p99'),
      p99,
      promised.p99Us,
      `p50 ${p50.toFixed(1)} µs, longest ${(max / 1_000).toFixed(1)} ms`,
      'us',
    ),
    toLeast(
      what('decided without a round trip, per mille'),
      Math.floor((memory * 1_000) / (memory + shared)),
      promised.memoryPerMille,
      `${memory} of ${memory + shared}`,
    ),
    toNone(
      what('denied or failed'),
      sum(({ denied, failed }) => denied + failed),
    ),
  ];
}
