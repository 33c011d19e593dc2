import { receive, tell } from './in-child.ts';
import { startUpstream } from './upstream.ts';

await receive('start-upstream');
const upstream = await startUpstream();
tell({ type: 'ready', url: upstream.url });
await receive('finish');
tell({ type: 'report', report: upstream.served() });
