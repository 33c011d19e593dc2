import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ReadyMessage, StartMessage } from './messages.ts';

/** A process of this verification. */
export interface Child {
  /** Where it listens; empty when it does not. */
  readonly url: string;
  send(message: object): void;
  /** The next message of this type. Rejects when the process ends first. */
  next<Message extends { readonly type: string }>(type: Message['type']): Promise<Message>;
  stop(): Promise<void>;
}

const loader = new URL('./source-loader.ts', import.meta.url).href;
const keptOutput = 4_000;
const startDeadlineMs = 30_000;

/** Starts one of the files of this folder and waits until it is ready. */
export async function startChild(file: string, start: StartMessage): Promise<Child> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = fork(path, [], { execArgv: ['--import', loader], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-keptOutput);
    });
  }
  const next: Child['next'] = (type) =>
    new Promise((resolve, reject) => {
      const onMessage = (message: { readonly type: string }): void => {
        if (message.type !== type) return;
        child.off('message', onMessage).off('exit', onExit);
        resolve(message as never);
      };
      const onExit = (code: number | null): void => reject(new Error(`${file} ended (${code}): ${output}`));
      child.on('message', onMessage).once('exit', onExit);
      if (child.exitCode !== null || child.signalCode !== null) onExit(child.exitCode);
    });
  const ready = next<ReadyMessage>('ready');
  const timer = setTimeout(() => child.kill('SIGKILL'), startDeadlineMs);
  child.send(start);
  try {
    const { url } = await ready;
    return { url, send: (message) => void child.send(message), next, stop: () => stop(child) };
  } catch (error) {
    await stop(child);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const timer = setTimeout(() => child.kill('SIGKILL'), 2_000);
  // it ends by itself when its channel closes, so also when this process is killed
  if (child.connected) child.disconnect();
  else child.kill('SIGKILL');
  await ended;
  clearTimeout(timer);
}
