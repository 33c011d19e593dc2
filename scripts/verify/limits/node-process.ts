import { noWindow } from '../../../src/limits/window.ts';
import { receive, tell } from './in-child.ts';
import { openJournal } from './journal.ts';
import { openLedger } from './ledgers.ts';
import { startNode } from './node.ts';
import { patientFailure } from './settings.ts';

const start = await receive('start-node');
const { ledger, leasing, areSettlementsLate, close } = await openLedger(
  start.ledger,
  start.storeUrl,
  start.areDefaults,
);
// connected before the first request has to wait for it
await ledger.peek([{ key: 'none', amount: 0, span: noWindow.spanAt(0) }]);
const node = await startNode(start.config, ledger, {
  journal: openJournal(start.journalPath),
  onScope: (scope) => tell({ type: 'scope', scope }),
  areSettlementsLate,
  failure: start.areDefaults ? {} : patientFailure,
});
tell({ type: 'ready', url: node.url });
await receive('finish');
const { memoryDecisions = 0, sharedDecisions = 0 } = leasing?.report() ?? {};
await node.close();
await close();
tell({ type: 'report', report: { memoryDecisions, sharedDecisions, changes: node.changes } });
