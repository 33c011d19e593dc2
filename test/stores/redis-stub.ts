import { createServer, type Socket } from 'node:net';

/** A server that speaks enough of the protocol to be connected to, and answers the rest as it is told. */
export interface RedisStub {
  readonly url: string;
  /** Names of the commands it was sent, in order. */
  readonly commands: readonly string[];
  close(): Promise<void>;
}

/** Starts one; `answer` gives the reply to all commands but those of the handshake, as it is on the wire. */
export async function startRedisStub(answer: (command: readonly string[]) => string): Promise<RedisStub> {
  const commands: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      for (;;) {
        const parsed = parseCommand(text);
        if (!parsed) return;
        text = text.slice(parsed.length);
        const name = (parsed.command[0] ?? '').toUpperCase();
        commands.push(name);
        socket.write(handshake[name] ?? answer(parsed.command));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `redis://127.0.0.1:${(server.address() as { port: number }).port}`,
    commands,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const handshake: Readonly<Record<string, string>> = {
  HELLO: '%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n',
  TIME: '*2\r\n$10\r\n1900000000\r\n$1\r\n0\r\n',
  INFO: '$0\r\n\r\n',
};

/** The first whole command of a text, and how long it is there. */
function parseCommand(text: string): { command: string[]; length: number } | undefined {
  let at = 0;
  const line = (): string | undefined => {
    const end = text.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const found = text.slice(at, end);
    at = end + 2;
    return found;
  };
  const count = line();
  if (count === undefined) return undefined;
  const command: string[] = [];
  for (let index = 0; index < Number(count.slice(1)); index++) {
    const size = line();
    if (size === undefined) return undefined;
    const length = Number(size.slice(1));
    if (text.length < at + length + 2) return undefined;
    command.push(text.slice(at, at + length));
    at += length + 2;
  }
  return { command, length: at };
}
