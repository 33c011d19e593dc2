import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ScopeEntry } from './entries.ts';
import type { FromChild, ToChild } from './messages.ts';

/** A process of this verification. */
export interface Child {
  /** Where it listens; empty when it does not. */
  readonly url: string;
  /** Told of every scope that it meets. */
  onScope: (scope: ScopeEntry) => void;
  send(message: ToChild): void;
  /** Resolves when it says that all is made. */
  done(): Promise<void>;
  /** What it has printed, in bytes. */
  printedBytes(): number;
  /** Says that it shall finish, and resolves to what it reports. */
  finish<Report>(): Promise<Report>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

const loader = new URL('../propagation/source-loader.ts', import.meta.url).href;
const keptOutput = 4_000;
const deadlineMs = 60_000;
const longestMs = 1_200_000;

/** Starts one of the files of this folder and waits until it is ready. */
export async function startChild(file: string, start: ToChild): Promise<Child> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = fork(path, [], {
    execArgv: ['--import', loader],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  let output = '';
  let printed = 0;
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      printed += chunk.length;
      output = (output + chunk.toString()).slice(-keptOutput);
    });
  }
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const next = <Type extends FromChild['type']>(
    type: Type,
    ms = deadlineMs,
  ): Promise<Extract<FromChild, { type: Type }>> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => fail(`did not say "${type}" in time`), ms);
      const onMessage = (message: FromChild): void => {
        if (message.type !== type) return;
        stop();
        resolve(message as Extract<FromChild, { type: Type }>);
      };
      const onExit = (): void => fail(`ended (${child.exitCode ?? child.signalCode})`);
      const stop = (): void => {
        clearTimeout(timer);
        child.off('message', onMessage).off('exit', onExit);
      };
      const fail = (what: string): void => {
        stop();
        reject(new Error(`${file} ${what}: ${output}`));
      };
      child.on('message', onMessage).once('exit', onExit);
    });
  const kill = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  };
  const ready = next('ready');
  child.send(start);
  try {
    const { url } = await ready;
    const handle: Child = {
      url,
      onScope: () => undefined,
      send: (message) => void child.send(message),
      done: () => next('done', longestMs).then(() => undefined),
      printedBytes: () => printed,
      async finish<Report>() {
        const report = next('report');
        child.send({ type: 'finish' } satisfies ToChild);
        return (await report).report as Report;
      },
      kill,
    };
    child.on('message', (message: FromChild) => {
      if (message.type === 'scope') handle.onScope(message.scope);
    });
    return handle;
  } catch (error) {
    await kill();
    throw error;
  }
}
