import { type Figure, toLeast, toMost, toNone } from '../propagation/figures.ts';
import type { Result } from './play.ts';
import { maxShare } from './settings.ts';

/** A run with fewer has shown nothing. */
const usualLeast = { reservations: 1_000, replies: 100 };

/** What is asked of every ledger, however it is used. */
export function judgeLedger(
  name: string,
  result: Result,
  isLeasing: boolean,
  least = usualLeast,
): readonly Figure[] {
  const { samples, first, resolved, killed, frozenMs } = result;
  const last = resolved ?? first;
  const of = (what: string) => `${name}: ${what}`;
  const rate = (first.reservations / result.seconds).toFixed(0);
  const memory = result.nodes.reduce((sum, node) => sum + node.memoryDecisions, 0);
  const shared = result.nodes.reduce((sum, node) => sum + node.sharedDecisions, 0);
  return [
    toLeast(
      of('reservations'),
      first.reservations,
      least.reservations,
      `${rate}/s; ${first.granted} granted, ${first.denied} denied, ${first.failed} failed; ${killed} killed, frozen ${frozenMs.toFixed(0)} ms`,
    ),
    toMost(of('used + held beyond a limit, at every sample'), samples.mostOver, 0, samples.where),
    toLeast(of('samples'), samples.count, 50, `${samples.failed} without an answer`),
    toMost(of('used + held beyond a limit, by the journals'), first.mostOver, 0),
    toNone(of('held after lease and sweep'), result.stillHeld),
    toNone(of('sums that differ, as each ended'), first.wrongSums.length, first.wrongSums[0]),
    ...(resolved
      ? [
          toNone(
            of('sums that differ, uncertain ones settled'),
            resolved.wrongSums.length,
            resolved.wrongSums[0],
          ),
        ]
      : []),
    toNone(
      of('needless denials'),
      last.needlessDenials.length,
      last.needlessDenials[0] ?? `of ${first.denied}`,
    ),
    toLeast(of('denials'), first.denied, 1, 'the limits were met'),
    toNone(of('two answers for one id'), first.oddAnswers),
    toNone(of('settled above the hold'), first.overruns),
    toLeast(of('settled after the end of their window'), first.acrossReset, 1),
    ...(killed > 0 ? [toLeast(of('open when their gateway was killed'), first.abandoned, 1)] : []),
    ...(isLeasing
      ? [
          toMost(
            of('charged to killed gateways and not used, per mille of a limit'),
            Math.ceil(Math.max(0, first.unusedShare) * 1_000),
            killed * maxShare * 1_000,
            `${memory} decisions in memory, ${shared} by a round trip, while limits were met`,
          ),
        ]
      : []),
  ];
}

/** What is asked where requests went through gateways. */
export function judge(
  name: string,
  result: Result,
  isLeasing: boolean,
  least = usualLeast,
): readonly Figure[] {
  const { first, load } = result;
  const of = (what: string) => `${name}: ${what}`;
  return [
    ...judgeLedger(name, result, isLeasing, least),
    toNone(
      of('record, ledger and upstream differ'),
      first.mismatches.length,
      first.mismatches[0] ?? `of ${first.compared}`,
    ),
    toLeast(of('records compared'), first.compared, least.replies),
    toNone(of('sent upstream twice'), first.sentTwice),
    toLeast(of('replies'), load.statuses['200'] ?? 0, least.replies, toText(load.statuses)),
  ];
}

function toText(statuses: Readonly<Record<string, number>>): string {
  return Object.entries(statuses)
    .map(([status, count]) => `${status}: ${count}`)
    .join(', ');
}
