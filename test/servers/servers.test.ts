import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFaultProxy } from './fault-proxy.ts';
import { startPostgres } from './postgres.ts';
import { isRunning, processTree, until } from './processes.ts';

describe('the fault proxy', () => {
  let echo: ReturnType<typeof createServer>;
  let url: string;
  beforeAll(async () => {
    echo = createServer((socket) => socket.on('error', () => {}).pipe(socket));
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    url = `tcp://127.0.0.1:${(echo.address() as { port: number }).port}`;
  });
  afterAll(() => {
    echo.close();
  });

  const open = async (proxyUrl: string) => {
    const { port } = new URL(proxyUrl);
    const socket: Socket = connect(Number(port), '127.0.0.1');
    let text = '';
    let isClosed = false;
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      isClosed = true;
    });
    await new Promise((resolve) => socket.once('connect', resolve).once('error', resolve));
    return { socket, text: () => text, isClosed: () => isClosed };
  };

  it('keeps the order of what it delays, also when the delay changes', async () => {
    const proxy = await startFaultProxy(url);
    const { socket, text } = await open(proxy.url);
    for (const [index, ms] of [40, 0, 10, 0].entries()) {
      proxy.delay(ms);
      socket.write(String(index));
      // each in a chunk of its own
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await until(() => text().length === 4, 'all of it');
    expect(text()).toBe('0123');
    await proxy.close();
  });

  it('holds back while it stalls, accepts nevertheless, and delivers when it is healed', async () => {
    const proxy = await startFaultProxy(url);
    const before = await open(proxy.url);
    await until(() => proxy.accepted === 1, 'the first connection');
    proxy.stall();
    const after = await open(proxy.url);
    before.socket.write('one');
    after.socket.write('two');
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(before.text() + after.text()).toBe('');
    await proxy.heal();
    await until(() => before.text() + after.text() === 'onetwo', 'what was held back');
    await proxy.close();
  });

  it('refuses until it is healed, on the same port', async () => {
    const proxy = await startFaultProxy(url);
    const before = await open(proxy.url);
    await proxy.refuse();
    await until(before.isClosed, 'the end of the connection');
    const refused = await open(proxy.url);
    await until(refused.isClosed, 'the refusal');
    await proxy.heal();
    const healed = await open(proxy.url);
    healed.socket.write('hello');
    await until(() => healed.text() === 'hello', 'the echo');
    await proxy.close();
  });

  it('loses the answer to what matches, and nothing else', async () => {
    const proxy = await startFaultProxy(url);
    const [one, other] = [await open(proxy.url), await open(proxy.url)];
    const lost = proxy.loseAnswer((chunk) => chunk.includes('COMMIT'));
    other.socket.write('SELECT');
    await until(() => other.text() === 'SELECT', 'the other answer');
    one.socket.write('COMMIT');
    await lost;
    await until(one.isClosed, 'the end of the connection');
    expect(one.text()).toBe('');
    expect(other.isClosed()).toBe(false);
    await proxy.close();
  });
});

describe('a PostgreSQL server of a test', () => {
  it('can be frozen, thawed, killed, started again on its port, and leaves nothing behind', async () => {
    const server = await startPostgres({ own: true });
    const query = async () => {
      const client = new pg.Client(server.url);
      client.on('error', () => {});
      await client.connect();
      const { rows } = await client.query("SELECT current_setting('data_directory') AS directory");
      await client.end();
      return rows[0].directory as string;
    };
    const directory = await query();
    await server.freeze();
    const waiting = query();
    const first = await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 100, 'frozen'))]);
    expect(first).toBe('frozen');
    await server.thaw();
    expect(await waiting).toBe(directory);
    const pids = processTree(server.pid as number);
    expect(pids.length).toBeGreaterThan(3);
    await server.kill();
    expect(pids.some(isRunning)).toBe(false);
    await expect(query()).rejects.toThrow(/ECONNREFUSED/);
    await server.restart();
    expect(await query()).toBe(directory);
    const last = processTree(server.pid as number);
    await server.stop();
    await server.stop();
    expect(last.some(isRunning)).toBe(false);
    expect(existsSync(directory)).toBe(false);
  });

  it('ends when the process that started it is killed, even while it is frozen', async () => {
    const script = `
      import { startPostgres } from ${JSON.stringify(new URL('./postgres.ts', import.meta.url).href)};
      import { processTree } from ${JSON.stringify(new URL('./processes.ts', import.meta.url).href)};
      const server = await startPostgres({ own: true });
      await server.freeze();
      console.log(JSON.stringify(processTree(server.pid)));
      setInterval(() => {}, 1_000);`;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script]);
    const pids = await new Promise<number[]>((resolve, reject) => {
      child.stdout.once('data', (chunk: Buffer) => resolve(JSON.parse(chunk.toString())));
      child.once('exit', () => reject(new Error('it ended by itself')));
    });
    expect(pids.length).toBeGreaterThan(3);
    expect(pids.every(isRunning)).toBe(true);
    child.kill('SIGKILL');
    await until(() => !pids.some(isRunning), 'the end of the server');
  });
});
