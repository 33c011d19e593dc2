import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { toHonoHandler } from 'headgate/hono';
import { Hono } from 'hono';
import { createBenchGateway } from './gateway.ts';
import { listenOptions, upstreamUrl } from './settings.ts';

const { gateway, key } = createBenchGateway(upstreamUrl);
const app = new Hono();
app.all('/*', toHonoHandler(gateway));
createServer(getRequestListener(app.fetch)).listen(listenOptions, () => process.send?.({ key }));
