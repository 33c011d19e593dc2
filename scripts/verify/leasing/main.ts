import { runVerification } from '../run-verification.ts';
import { measureDecision } from './decision.ts';
import { measureEstimate } from './estimate.ts';
import { measureHotRow } from './hot-row.ts';
import { measureRoundTrips } from './round-trips.ts';

/**
 * What limits cost: a decision in memory, an estimate, one hot row from four processes, and what the plain ledger on Redis asks of it.
 * Ends with `verify:leasing PASS` or `verify:leasing FAIL`, and with code 1 for the latter.
 */
runVerification({ name: 'leasing', wholeRunMs: 180_000 }, async ({ part }) => {
  await part('a decision in memory', measureDecision);
  await part('an estimate', measureEstimate);
  await part('round trips', measureRoundTrips);
  await part('leasing-redis', (own) => measureHotRow('leasing-redis', own));
  await part('leasing-postgres', (own) => measureHotRow('leasing-postgres', own));
});
