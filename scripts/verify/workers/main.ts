import { availableParallelism } from 'node:os';
import { Agent } from 'undici';
import { openSite } from './site.ts';

/*
 * verify:workers: several processes of `headgate serve` share one limit exactly and share the work. A processor's worth of
 * requests is what one worker takes for each; with as many cores as workers the sum is what they serve. Throughput on a
 * machine that also runs the clients and the provider is told beside it, and decides nothing.
 */

/** Of each measurement; and of each worker before it, so that what is compiled is compiled. */
const requests = 12_000;
const warmUp = 6_000;
const connections = 64;
const body = JSON.stringify({
  model: 'gpt-4.1',
  messages: [{ role: 'user', content: 'Hello' }],
  max_tokens: 20,
});

interface Measured {
  readonly workers: number;
  readonly perSecond: number;
  /** Requests that one second of a worker's processor time serves, all workers together. */
  readonly perCpuSecond: number;
  readonly leastShare: number;
  readonly failed: number;
}

async function measure(workers: number): Promise<Measured> {
  const site = await openSite(workers, 1_000_000_000);
  try {
    const agent = new Agent({ connections, pipelining: 1 });
    const counts = { served: 0, failed: 0 };
    const headers = { authorization: `Bearer ${site.key}`, 'content-type': 'application/json' };
    const load = async (count: number) => {
      let left = count;
      await Promise.all(
        Array.from({ length: connections }, async () => {
          while (left-- > 0) {
            const reply = await agent.request({
              origin: site.url,
              path: '/v1/chat/completions',
              method: 'POST',
              headers,
              body,
            });
            await reply.body.dump();
            if (reply.statusCode === 200) counts.served++;
            else counts.failed++;
          }
        }),
      );
    };
    await load(warmUp * workers);
    counts.served = 0;
    const before = await site.workerSeconds();
    const beganAtMs = performance.now();
    await load(requests);
    const tookSeconds = (performance.now() - beganAtMs) / 1_000;
    const after = await site.workerSeconds();
    await agent.close();
    const spent = after.map((value, index) => value - (before[index] ?? 0));
    const all = spent.reduce((sum, value) => sum + value, 0);
    return {
      workers,
      perSecond: counts.served / tookSeconds,
      perCpuSecond: counts.served / all,
      leastShare: Math.min(...spent) / all,
      failed: counts.failed,
    };
  } finally {
    await site.close();
  }
}

/** More requests than the limit allows, on new connections: how many are admitted. */
async function admitted(workers: number, amount: number): Promise<number> {
  const site = await openSite(workers, amount);
  try {
    const agent = new Agent({ connections, pipelining: 1 });
    let served = 0;
    let left = amount * 2;
    await Promise.all(
      Array.from({ length: connections }, async () => {
        while (left-- > 0) {
          const reply = await agent.request({
            origin: site.url,
            path: '/v1/chat/completions',
            method: 'POST',
            headers: { authorization: `Bearer ${site.key}`, 'content-type': 'application/json' },
            body,
          });
          await reply.body.dump();
          if (reply.statusCode === 200) served++;
        }
      }),
    );
    await agent.close();
    return served;
  } finally {
    await site.close();
  }
}

const amount = 5_000;
const one = await measure(1);
const two = await measure(2);
const exact = await admitted(2, amount);
for (const { workers, perSecond, perCpuSecond, leastShare, failed } of [one, two]) {
  console.log(
    `${workers} worker${workers > 1 ? 's' : ''}: ${Math.round(perSecond)} requests/s here, ${Math.round(perCpuSecond)} for each second of a worker's processor; the least busy took ${Math.round(leastShare * 100)} %; ${failed} failed`,
  );
}
const growth = (2 * two.perCpuSecond) / one.perCpuSecond;
console.log(
  `2 workers with a core each serve ${growth.toFixed(2)} times as much as one; ${availableParallelism()} cores here, shared with clients and provider: ${(two.perSecond / one.perSecond).toFixed(2)} times`,
);
console.log(`${exact} of ${amount * 2} requests admitted by 2 workers under a limit of ${amount}`);
/** By how much two workers with a core each must outdo one, for it to be said that throughput grows with cores. */
const leastGrowth = 1.5;
const isPass =
  exact === amount && one.failed === 0 && two.failed === 0 && two.leastShare > 0.1 && growth >= leastGrowth;
console.log(`verify:workers ${isPass ? 'PASS' : 'FAIL'}`);
process.exitCode = isPass ? 0 : 1;
