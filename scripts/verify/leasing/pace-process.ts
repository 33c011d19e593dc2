import { receive, tell } from '../limits/in-child.ts';
import { openLedger } from '../limits/ledgers.ts';
import { keepPace } from './pace.ts';

const { ledger: name, storeUrl, team, warmUp, pace } = await receive('start-pace');
const { ledger, leasing, close } = await openLedger(name, storeUrl, true);
tell({ type: 'ready', url: '' });
await receive('begin');
await keepPace(ledger, team, warmUp);
const before = leasing?.report();
const report = await keepPace(ledger, team, pace);
const after = leasing?.report();
const memoryDecisions = (after?.memoryDecisions ?? 0) - (before?.memoryDecisions ?? 0);
const sharedDecisions = (after?.sharedDecisions ?? 0) - (before?.sharedDecisions ?? 0);
tell({ type: 'done' });
await receive('finish');
await close();
tell({ type: 'report', report: { ...report, memoryDecisions, sharedDecisions } });
