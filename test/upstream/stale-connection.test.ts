import { createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { toTransportFailure } from '../../src/upstream/failure.ts';
import { isStaleConnection } from '../../src/upstream/stale-connection.ts';
import { createUndiciEgress } from '../../src/upstream/undici-egress.ts';
import { toEgressRequest } from './egress-request.ts';

const whole = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}';

/** Sends requests over one connection to a server that does one thing after the other with them; tells the last error. */
async function sendTo(...acts: ((socket: Socket) => void)[]): Promise<unknown> {
  let next = 0;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => acts[next++]?.(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const egress = createUndiciEgress();
  onTestFinished(async () => {
    await egress.close();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const headers = ['a', 'b'];
  const body = Buffer.from('{}');
  const request = toEgressRequest(`http://127.0.0.1:${port}`, { method: 'POST', headers, body });
  let error: unknown;
  for (const _ of acts) {
    try {
      const { body } = await egress.send(request);
      await body.collect(100);
    } catch (thrown) {
      error = thrown;
    }
  }
  return error;
}

const answer = (socket: Socket) => void socket.write(whole);
const reset = (socket: Socket) => void socket.resetAndDestroy();
const end = (socket: Socket) => void socket.destroy();
const begin = (socket: Socket) => void socket.write('HTTP/1.1 20', () => socket.destroy());
const hint = (socket: Socket) =>
  void socket.write('HTTP/1.1 103 Early Hints\r\n\r\n', () => socket.destroy());

describe('a connection that ends when it is written to', () => {
  it.each([
    ['kept, and reset', true, [answer, reset]],
    ['kept, and ended', true, [answer, end]],
    ['new, and reset', false, [reset]],
    ['new, and ended', false, [end]],
    ['kept, and ended in the head of a reply', false, [answer, begin]],
    ['new, and ended behind an informational reply', false, [hint]],
    ['kept, and ended behind an informational reply', false, [answer, hint]],
  ])('is stale when nothing of a reply had come on it but earlier ones: %s', async (_, isStale, acts) => {
    const error = await sendTo(...acts);
    expect(error).toBeInstanceOf(Error);
    expect(isStaleConnection(error)).toBe(isStale);
  });

  it('was at work when it ends later: asking again could be paying twice', async () => {
    const error = await sendTo(answer, reset);
    expect(toTransportFailure(error, 900)).toMatchObject({ kind: 'not-sent', unhealthy: false });
    expect(toTransportFailure(error, 1_100)).toMatchObject({ kind: 'uncertain', mayCost: true });
  });
});
