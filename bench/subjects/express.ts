import { createServer } from 'node:http';
import express from 'express';
import { toExpressHandler } from 'headgate/express';
import { createBenchGateway } from './gateway.ts';
import { listenOptions, upstreamUrl } from './settings.ts';

const { gateway, key } = createBenchGateway(upstreamUrl);
const app = express();
app.use(toExpressHandler(gateway));
createServer(app).listen(listenOptions, () => process.send?.({ key }));
