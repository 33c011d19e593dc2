import type { AdapterCase, Bench } from './case.ts';
import { converse, open, send, talk } from './client.ts';
import type { Adapters, Mount, Running } from './mounts.ts';
import { createStubGateway, type StubGateway } from './stub-gateway.ts';

/** A mount that was started once and serves case after case. */
export interface StartedMount {
  readonly adapters: Adapters;
  readonly mount: Mount;
  readonly gateway: StubGateway;
  readonly running: Running;
}

export async function startMount(adapters: Adapters, mount: Mount): Promise<StartedMount> {
  const gateway = createStubGateway();
  return { adapters, mount, gateway, running: await mount.start(adapters, gateway, {}) };
}

/** Runs one case against a started mount; rejects when it does not hold. */
export async function runCase(adapterCase: AdapterCase, started: StartedMount): Promise<void> {
  const { adapters, mount, gateway } = started;
  gateway.reset();
  const { limits } = adapterCase;
  const running = limits === undefined ? started.running : await mount.start(adapters, gateway, limits);
  try {
    await adapterCase.run(toBench(mount, gateway, running));
  } finally {
    if (running !== started.running) await running.close();
  }
}

function toBench(mount: Mount, gateway: StubGateway, running: Running): Bench {
  const below = <Request extends { path: string }>(request: Request): Request => ({
    ...request,
    path: mount.prefix + request.path,
  });
  return {
    mount,
    gateway,
    running,
    send: (request) => send(running, below(request)),
    open: (request) => open(running, below(request)),
    opened: (request) => open(running, below(request)).reply,
    converse: (bytes) => converse(running.port, bytes),
    talk: (bytes, isDone) => talk(running.port, bytes, isDone),
  };
}
