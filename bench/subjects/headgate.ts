import { createServer } from 'node:http';
import { toNodeHandler } from 'headgate/node';
import { createBenchGateway } from './gateway.ts';
import { listenOptions, upstreamUrl } from './settings.ts';

const { gateway, key } = createBenchGateway(upstreamUrl);
createServer(toNodeHandler(gateway)).listen(listenOptions, () => process.send?.({ key }));
