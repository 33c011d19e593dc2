import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startChild } from './children.ts';
import { findFreePort, waitForPort } from './launch.ts';
import { hasNginx, toNginxUpstream } from './nginx.ts';

/** What stands behind every subject. */
export interface Upstreams {
  /** Answers `/json1k`. */
  readonly jsonOrigin: string;
  /** What serves it. */
  readonly jsonKind: string;
  /** The mock: answers `/sse200` and `/paced`. */
  readonly streamOrigin: string;
  stop(): Promise<void>;
}

export async function startUpstreams(directory: string, paceMs: number): Promise<Upstreams> {
  const mock = startChild(process.execPath, [fileURLToPath(new URL('mock.ts', import.meta.url))], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { ...process.env, PACE_MS: String(paceMs) },
  });
  const signal = AbortSignal.timeout(10_000);
  const [message] = (await once(mock.process, 'message', { signal })) as [{ port: number }];
  const streamOrigin = `http://127.0.0.1:${message.port}`;
  if (!hasNginx) {
    return { jsonOrigin: streamOrigin, jsonKind: 'bench/mock.ts', streamOrigin, stop: () => mock.stop() };
  }
  const port = await findFreePort();
  const own = join(directory, 'upstream');
  mkdirSync(own, { recursive: true });
  const { command, args } = toNginxUpstream(own, port);
  const nginx = startChild(command, args);
  await waitForPort(port, 10_000, () => (nginx.process.exitCode === null ? undefined : nginx.output()));
  return {
    jsonOrigin: `http://127.0.0.1:${port}`,
    jsonKind: 'nginx, 1 worker',
    streamOrigin,
    stop: async () => void (await Promise.all([mock.stop(), nginx.stop()])),
  };
}
