import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Child, readCpuMs, readRssKb, startChild } from './children.ts';
import type { Subject } from './subject.ts';

/** A subject that has answered a request. */
export interface RunningSubject {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  rssMb(): number;
  /** Processor time used so far. */
  cpuMs(): number;
  /** What is left on the heap after a full collection; only our own subjects tell. */
  liveKb(): Promise<number>;
  stop(): Promise<void>;
}

export interface LaunchOptions {
  readonly upstreamUrl: string;
  /** Holds the files of the run. */
  readonly directory: string;
  /** The request it must answer before it counts as started. */
  readonly bodyFile: string;
  /** What the whole reply must end in; not checked for a stream without an end. */
  readonly replyEnd: string | undefined;
}

export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (!address || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** Waits until something listens. */
export async function waitForPort(
  port: number,
  timeoutMs: number,
  failed: () => string | undefined,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isOpen) return;
    const failure = failed();
    if (failure !== undefined) throw new Error(`it ended: ${failure}`);
    if (performance.now() > endMs) throw new Error(`it did not listen within ${timeoutMs} ms`);
    await delay(50);
  }
}

/** Starts a subject and makes sure that it answers as it must. @throws Error that says why not */
export async function launch(subject: Subject, options: LaunchOptions): Promise<RunningSubject> {
  const directory = join(options.directory, `${subject.name}-${process.hrtime.bigint()}`);
  mkdirSync(directory, { recursive: true });
  const port = await findFreePort();
  const place = { port, upstreamUrl: options.upstreamUrl, directory };
  const command = subject.start(place);
  const headers: Record<string, string> = { 'content-type': 'application/json', ...subject.headers(place) };
  let child: Child | undefined;
  let url = `${options.upstreamUrl}/v1/chat/completions`;
  try {
    if (command) {
      child = startChild(command.command, command.args, command.options);
      const started = child;
      if (subject.makesKey)
        headers.authorization = `Bearer ${await toldKey(started, subject.startTimeoutMs)}`;
      url = `http://127.0.0.1:${port}/v1/chat/completions`;
      const hasEnded = () => (started.process.exitCode === null ? undefined : lastLine(started.output()));
      await waitForPort(port, subject.startTimeoutMs, hasEnded);
    }
    await probe(url, headers, options);
  } catch (error) {
    const output = child?.output().trim();
    await child?.stop();
    throw new Error(`${(error as Error).message}${output ? `\n${output}` : ''}`, { cause: error });
  }
  return {
    url,
    headers,
    rssMb: () => (child ? readRssKb(child.pid) / 1024 : Number.NaN),
    cpuMs: () => (child ? readCpuMs(child.pid) : Number.NaN),
    liveKb: async () => (child ? toldLiveKb(child) : Number.NaN),
    stop: async () => child?.stop(),
  };
}

async function toldKey(child: Child, timeoutMs: number): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs);
  const [message] = await Promise.race([
    once(child.process, 'message', { signal }),
    once(child.process, 'exit', { signal }).then(() => [undefined]),
  ]);
  const key = (message as { key?: string } | undefined)?.key;
  if (key === undefined) throw new Error('it made no key');
  return key;
}

async function toldLiveKb(child: Child): Promise<number> {
  const told = once(child.process, 'message', { signal: AbortSignal.timeout(30_000) });
  child.process.send?.('live');
  const [message] = await told;
  return (message as { liveKb: number }).liveKb;
}

async function probe(url: string, headers: Record<string, string>, options: LaunchOptions): Promise<void> {
  if (options.replyEnd === undefined) return;
  const signal = AbortSignal.timeout(30_000);
  const body = readFileSync(options.bodyFile);
  const response = await fetch(url, { method: 'POST', headers, body, signal });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`it answered ${response.status}: ${text.slice(0, 300)}`);
  if (!text.trimEnd().endsWith(options.replyEnd)) throw new Error(`its reply ends in ${text.slice(-100)}`);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
