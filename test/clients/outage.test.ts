import type { GatewayConfig } from 'headgate';
import type { Fault } from 'headgate/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { clients, toRejection } from './clients.ts';
import { answer, createOutageSite } from './outage-site.ts';

type Forwarding = NonNullable<GatewayConfig['forwarding']>;

async function start(forwarding: Forwarding, fault: Fault) {
  const site = await createOutageSite(forwarding);
  onTestFinished(() => site.close());
  site.primary.fail(fault, { times: 100 });
  return site;
}

/** How a provider goes away in the middle of an answer. */
const cuts: Readonly<Record<string, Fault>> = {
  'is reset': { kind: 'cut', how: 'reset', afterChunks: 4 },
  'ends in the middle of a chunk': { kind: 'cut', how: 'fin-mid-chunk', afterChunks: 4 },
  'ends as if it were whole': { kind: 'cut', how: 'clean-end', afterChunks: 4 },
  'reports an error': { kind: 'stream-error', afterChunks: 4 },
};

/** And before it began with one. */
const outages: Readonly<Record<string, Fault>> = {
  'is overloaded': { kind: 'status', status: 529 },
  'fails with a web page': { kind: 'status', status: 502, body: 'html' },
  'reports an error before any content': { kind: 'stream-error', afterChunks: 0, afterOpening: true },
};

describe.each(clients)('$name through an outage', ({ stream, turn, path }) => {
  // what OpenAI stores has ids that no other target knows
  const isStored = path === '/v1/responses';

  describe.each(Object.entries(cuts))('whose stream %s', (_, fault) => {
    it('reads the whole answer where the route restarts, and sees nothing of it', async () => {
      const site = await start({ rescue: ['restart'] }, fault);
      expect(await stream({ ...site.setup, store: false })).toBe(answer);
      expect([site.primary.requestCount, site.backup.requestCount]).toEqual([1, 1]);
      expect(site.records).toMatchObject([{ outcome: 'complete', status: 200 }]);
    });

    it('reads the whole answer where the route sends whole ones only', async () => {
      const site = await start({ commit: 'complete', rescue: [] }, fault);
      expect(await stream(site.setup)).toBe(answer);
      expect([site.primary.requestCount, site.backup.requestCount]).toEqual([1, 1]);
    });

    it('is told of an error where nothing may be tried, and takes no part for the whole', async () => {
      const site = await start({ rescue: isStored ? ['restart', 'continue'] : [] }, fault);
      const thrown = await toRejection(stream(site.setup));
      expect(thrown).toBeInstanceOf(Error);
      expect(site.backup.requestCount).toBe(0);
      expect(site.records).toMatchObject([{ outcome: 'failed', status: 200 }]);
    });
  });

  it('is answered by the next target where nobody listens any more', async () => {
    const site = await createOutageSite({ rescue: [] });
    onTestFinished(() => site.close());
    await site.primary.close();
    expect(await stream(site.setup)).toBe(answer);
    expect(await turn(site.setup)).toBe(answer);
  });

  it.each(Object.entries(outages))('that %s is answered by the next target', async (name, fault) => {
    const site = await start({ rescue: [] }, fault);
    expect(await stream(site.setup)).toBe(answer);
    if (!name.includes('content')) expect(await turn(site.setup)).toBe(answer);
  });
});
