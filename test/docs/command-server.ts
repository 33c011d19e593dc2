import { createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Io } from '../../src/cli/io.ts';
import { main } from '../../src/cli/main.ts';

/** What `shim.ts` sends. */
type Message =
  | { readonly argv: string[]; readonly cwd: string; readonly environment: NodeJS.ProcessEnv }
  | { readonly signal: string }
  | { readonly stdin: string };

/** Runs the command line in this process for the shells that call it by `shim.ts`. */
export interface CommandServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Listens on loopback. A command whose shim has gone away is ended as by SIGTERM. */
export async function startCommandServer(): Promise<CommandServer> {
  const running = new Set<Promise<void>>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const done = serve(socket).finally(() => {
      socket.end();
      sockets.delete(socket);
      running.delete(done);
    });
    running.add(done);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as { port: number }).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await Promise.all(running);
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function serve(socket: Socket): Promise<void> {
  const actions = new Map<string, Set<() => void>>();
  const begun = Promise.withResolvers<Extract<Message, { argv: string[] }> | undefined>();
  const stdin = Promise.withResolvers<string>();
  const signal = (name: string) => {
    for (const action of [...(actions.get(name) ?? [])]) action();
  };
  const send = (message: object) => {
    if (!socket.destroyed) socket.write(`${JSON.stringify(message)}\n`);
  };
  createInterface({ input: socket }).on('line', (line) => {
    const message = JSON.parse(line) as Message;
    if ('argv' in message) begun.resolve(message);
    else if ('signal' in message) signal(message.signal);
    else stdin.resolve(message.stdin);
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    begun.resolve(undefined);
    stdin.resolve('');
    signal('SIGTERM');
  });
  const call = await begun.promise;
  if (!call) return;
  const io: Io = {
    stdout: { write: (text) => send({ stdout: text }) },
    stderr: { write: (text) => send({ stderr: text }) },
    environment: call.environment,
    cwd: call.cwd,
    readStdin() {
      send({ wants: 'stdin' });
      return stdin.promise;
    },
    onSignal(name, action) {
      const known = actions.get(name) ?? new Set();
      actions.set(name, known.add(action));
      return () => known.delete(action);
    },
    exit: (code) => send({ code }),
  };
  send({ code: await main(call.argv, io) });
}
