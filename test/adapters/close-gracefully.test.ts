import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { type AddressInfo, connect, type Server } from 'node:net';
import { closeGracefully, toNodeHandler } from 'headgate/node';
import { afterEach, describe, expect, it } from 'vitest';
import { open, readAll, send, type Target, until } from './support/client.ts';
import { createGate, createStubGateway, ScriptedBody, toReply } from './support/stub-gateway.ts';

const servers = new Set<Server>();
afterEach(() => {
  for (const server of servers) server.close();
  servers.clear();
});

async function start(protocol: Target['protocol']) {
  const gateway = createStubGateway();
  const handler = toNodeHandler(gateway);
  const server: Server = protocol === 'http1' ? http.createServer(handler) : http2.createServer(handler);
  servers.add(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { gateway, server, target: { protocol, port: (server.address() as AddressInfo).port } };
}

/** A stream that is held open after its first chunk. */
function heldStream() {
  const gate = createGate();
  const body = new ScriptedBody(async (pull) => {
    if (pull === 1) await gate.opened;
    return pull < 2 ? Buffer.from(`${pull}`) : undefined;
  });
  return { body, open: gate.open };
}

describe.each(['http1', 'http2'] as const)('closing a server of %s gracefully', (protocol) => {
  it('lets a stream in flight end whole, and takes nobody new', async () => {
    const { gateway, server, target } = await start(protocol);
    const { body, open: release } = heldStream();
    gateway.answer = () => toReply(200, body);
    const reply = await open(target, { path: '/' }).reply;
    let closed = false;
    const closing = closeGracefully(server, { drainMs: 20_000 }).then(() => {
      closed = true;
    });
    await expect(send(target, { path: '/' })).rejects.toThrow();
    expect(closed).toBe(false);
    release();
    const rest = await readAll(reply.stream);
    expect(rest.body.toString()).toBe('01');
    expect(rest.whole).toBe(true);
    reply.leave();
    await closing;
  });

  it('destroys what is left after drainMs, and tells the producer', async () => {
    const { gateway, server, target } = await start(protocol);
    const { body } = heldStream();
    gateway.answer = () => toReply(200, body);
    const reply = await open(target, { path: '/' }).reply;
    const read = readAll(reply.stream);
    await closeGracefully(server, { drainMs: 50 });
    expect((await read).whole).toBe(false);
    await until(() => body.returns === 1, 'the producer was told');
    expect(gateway.seen[0]?.signal.aborted).toBe(true);
  });
});

describe('closing a server gracefully', () => {
  it('closes idle connections, and says connection: close on a reply still to come', async () => {
    const { gateway, server, target } = await start('http1');
    const agent = new http.Agent({ keepAlive: true });
    const gate = createGate();
    gateway.answer = async () => {
      await gate.opened;
      return toReply(200, 'late');
    };
    const pending = new Promise<http.IncomingMessage>((resolve, reject) => {
      http.get({ port: target.port, agent }, resolve).on('error', reject);
    });
    await until(() => gateway.seen.length === 1, 'the gateway had the request');
    const closing = closeGracefully(server);
    gate.open();
    const response = await pending;
    expect(response.headers.connection).toBe('close');
    expect((await readAll(response)).body.toString()).toBe('late');
    await closing;
    agent.destroy();
  });

  it('does not wait for a connection that became idle again', async () => {
    const { gateway, server, target } = await start('http1');
    const agent = new http.Agent({ keepAlive: true });
    const { body, open: release } = heldStream();
    gateway.answer = () => toReply(200, body);
    const response = await new Promise<http.IncomingMessage>((resolve) => {
      http.get({ port: target.port, agent }, resolve);
    });
    (server as http.Server).keepAliveTimeout = 600_000;
    const closing = closeGracefully(server, { drainMs: 600_000 });
    release();
    const startedAt = performance.now();
    expect((await readAll(response)).whole).toBe(true);
    await closing;
    // keep-alive and the drain would each have held it for ten minutes
    expect(performance.now() - startedAt).toBeLessThan(60_000);
    agent.destroy();
  });

  it('is over after drainMs also where a caller of HTTP/2 never says anything', async () => {
    const { server, target } = await start('http2');
    const connected = once(server, 'connection');
    const caller = connect(target.port, '127.0.0.1');
    await connected;
    await closeGracefully(server, { drainMs: 50 });
    caller.destroy();
  });

  it('resolves when the server is closed already, and refuses a drain time that is none', async () => {
    const { server } = await start('http1');
    await closeGracefully(server);
    await closeGracefully(server);
    expect(() => closeGracefully(server, { drainMs: -1 })).toThrow(/drainMs/);
  });
});
