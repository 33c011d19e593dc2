import { describe, expect, it } from 'vitest';
import { clients, toRejection, toStatus } from './clients.ts';
import { createSite } from './harness.ts';
import { untilEnded } from './relayed.ts';

// side by side, for the clients wait a second or two as they are told
describe.concurrent('a reached rate limit', () => {
  const patient = clients.filter(({ retries }) => retries !== 'never');
  const impatient = clients.filter(({ retries }) => retries === 'never');

  it.each(patient)('makes $name wait for retry-after and then get through', async ({ turn }) => {
    const site = await createSite();
    try {
      const setup = { root: site.url, key: site.keys.limited };
      await turn(setup);
      await untilEnded(site, 1);
      // the first is served, the second refused, and before the client's own second try the window ends
      site.onArrival = (index) => {
        if (index === 2) site.advance(1_000);
      };
      expect(await turn(setup)).toContain('forty-two.');
      await untilEnded(site, 3);
      expect(site.arrivals.map(({ reply }) => reply.status)).toEqual([200, 429, 200]);
      expect(site.arrivals[1]?.reply.headers).toMatchObject({ 'retry-after': '1', 'x-should-retry': 'true' });
      expect(site.records[1]).toMatchObject({ outcome: 'refused', errorCode: 'rate_limited', attempts: [] });
      expect(site.upstream.requestCount).toBe(2);
    } finally {
      await site.close();
    }
  });

  it.each(impatient)('is an error of status 429 for $name', async ({ turn }) => {
    const site = await createSite();
    try {
      const setup = { root: site.url, key: site.keys.limited };
      await turn(setup);
      expect(toStatus(await toRejection(turn(setup)))).toBe(429);
      await untilEnded(site, 2);
      expect(site.arrivals[1]?.reply.headers['retry-after']).toBe('1');
      expect(site.records[1]).toMatchObject({ outcome: 'refused', errorCode: 'rate_limited' });
    } finally {
      await site.close();
    }
  });
});
