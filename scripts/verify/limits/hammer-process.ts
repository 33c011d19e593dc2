import { hammer } from './hammer.ts';
import { receive, tell } from './in-child.ts';
import { openJournal } from './journal.ts';
import { openLedger } from './ledgers.ts';
import { watchLedger } from './watch-ledger.ts';

const { ledger: name, storeUrl, journalPath, name: node, reservations } = await receive('start-hammer');
const { ledger, leasing, areSettlementsLate, close } = await openLedger(name, storeUrl);
const watched = watchLedger(ledger, {
  journal: openJournal(journalPath),
  areSettlementsLate,
  onScope: (scope) => tell({ type: 'scope', scope }),
});
tell({ type: 'ready', url: '' });
await receive('begin');
await hammer(watched, node, reservations);
tell({ type: 'done' });
await receive('finish');
const { memoryDecisions = 0, sharedDecisions = 0 } = leasing?.report() ?? {};
await close();
tell({ type: 'report', report: { memoryDecisions, sharedDecisions, changes: [] } });
