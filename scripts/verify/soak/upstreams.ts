import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { findFreePort } from '../faults/places.ts';
import type { Oracle } from './oracle.ts';
import { toLife } from './schedule.ts';

const program = fileURLToPath(new URL('./upstream-process.ts', import.meta.url));
const loader = fileURLToPath(new URL('../propagation/source-loader.ts', import.meta.url));

/** Upstreams that live their lives. */
export interface Upstreams {
  readonly urls: readonly string[];
  /** How often a process was killed. */
  readonly kills: number;
  /** How often it began that all connections of one were reset again and again. */
  readonly severed: number;
  /** Times that any of them fell. */
  readonly falls: number;
  close(): Promise<void>;
}

/** Starts some, each in a process of its own, and lets their weather begin. */
export async function startUpstreams(count: number, seed: number, oracle: Oracle): Promise<Upstreams> {
  const children: (ChildProcess | undefined)[] = [];
  const ports: number[] = [];
  const timers = new Set<() => void>();
  let kills = 0;
  let falls = 0;
  let severed = 0;
  let isOver = false;
  const start = async (index: number): Promise<void> => {
    const child = fork(program, [String(ports[index])], { execArgv: ['--import', loader] });
    children[index] = child;
    await once(child, 'message');
  };
  const end = async (index: number): Promise<void> => {
    const child = children[index];
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  };
  for (let index = 0; index < count; index++) {
    ports.push(await findFreePort());
    await start(index);
    oracle.note(index, true, performance.now());
  }
  const live = async (index: number): Promise<void> => {
    for (const { weather, forMs } of toLife(seed + index)) {
      if (isOver) return;
      if (weather === 'up') {
        children[index]?.send('up');
        oracle.note(index, true, performance.now());
        await pause(forMs);
        continue;
      }
      falls++;
      oracle.note(index, false, performance.now());
      if (weather === 'killed') {
        kills++;
        await end(index);
        await pause(forMs);
        if (isOver) return;
        await start(index);
      } else {
        if (weather === 'severed') severed++;
        children[index]?.send(weather);
        await pause(forMs);
      }
    }
  };
  const lives = ports.map((_, index) => live(index));
  function pause(forMs: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        timers.delete(finish);
        resolve();
      };
      const timer = setTimeout(finish, forMs);
      timers.add(finish);
    });
  }
  return {
    urls: ports.map((port) => `http://127.0.0.1:${port}`),
    get kills() {
      return kills;
    },
    get severed() {
      return severed;
    },
    get falls() {
      return falls;
    },
    async close() {
      isOver = true;
      for (const finish of [...timers]) finish();
      await Promise.all(lives);
      for (let index = 0; index < count; index++) await end(index);
    },
  };
}
