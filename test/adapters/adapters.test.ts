import { toExpressHandler } from 'headgate/express';
import { headgate } from 'headgate/fastify';
import { toFetchHandler } from 'headgate/fetch';
import { toHonoHandler } from 'headgate/hono';
import { toNodeHandler } from 'headgate/node';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { adapterCases, mounts, runCase } from './cases.ts';
import { type StartedMount, startMount } from './support/run-case.ts';

const adapters = { toNodeHandler, toExpressHandler, headgate, toHonoHandler, toFetchHandler };

describe.each(mounts.map((mount) => ({ name: mount.name, mount })))('$name', ({ mount }) => {
  let started: StartedMount;
  beforeAll(async () => {
    started = await startMount(adapters, mount);
  });
  afterAll(() => started.running.close());

  for (const adapterCase of adapterCases) {
    const reason = adapterCase.exempt?.(mount);
    if (reason === undefined) it(adapterCase.name, () => runCase(adapterCase, started));
    else it.skip(`${adapterCase.name} (exempt: ${reason})`, () => {});
  }
});
