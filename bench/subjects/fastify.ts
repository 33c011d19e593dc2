import fastify from 'fastify';
import { headgate } from 'headgate/fastify';
import { createBenchGateway } from './gateway.ts';
import { listenOptions, upstreamUrl } from './settings.ts';

const { gateway, key } = createBenchGateway(upstreamUrl);
const app = fastify();
app.register(headgate(gateway));
await app.listen(listenOptions);
process.send?.({ key });
