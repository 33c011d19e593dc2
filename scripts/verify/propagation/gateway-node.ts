import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { toNodeHandler } from '../../../adapters/node.ts';
import { openGateway } from '../../../src/open-gateway.ts';
import { backends } from './backends.ts';
import { receiveStart, sayReady } from './child-process.ts';
import { toRing } from './key-ring.ts';
import type { StartNode } from './messages.ts';

const { backend, storeUrl, secretKey } = await receiveStart<StartNode>();
const open = () =>
  openGateway({ stores: backends[backend].openStores(storeUrl), secretKeys: toRing(secretKey) });
// as a supervisor would: on a busy machine the store may miss its deadline once
const gateway = await open().catch(open).catch(open);
const server = createServer({ keepAliveTimeout: 120_000 }, toNodeHandler(gateway));
server.listen(0, '127.0.0.1', () => {
  sayReady(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
