import { receive, tell } from './in-child.ts';
import { openJournal } from './journal.ts';
import { openLedger } from './ledgers.ts';
import { startNode } from './node.ts';

const start = await receive('start-node');
const { ledger, leasing, close } = await openLedger(start.ledger, start.storeUrl);
const node = await startNode(start.config, ledger, {
  journal: openJournal(start.journalPath),
  onScope: (scope) => tell({ type: 'scope', scope }),
});
tell({ type: 'ready', url: node.url });
await receive('finish');
const { memoryDecisions = 0, sharedDecisions = 0 } = leasing?.report() ?? {};
await node.close();
await close();
tell({ type: 'report', report: { memoryDecisions, sharedDecisions } });
