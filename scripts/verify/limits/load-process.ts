import { receive, tell } from './in-child.ts';
import { startLoad } from './load.ts';

const load = startLoad(await receive('start-load'));
tell({ type: 'ready', url: '' });
await receive('finish');
tell({ type: 'report', report: await load.stop() });
