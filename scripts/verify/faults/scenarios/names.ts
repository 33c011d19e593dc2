import { createServer } from 'node:net';
import type { GatewayConfig } from '../../../../src/config/schema.ts';
import { installResolver } from '../fake-resolver.ts';
import type { Scenario } from './scenario.ts';
import { onStage } from './stage.ts';

/** The name of the first target cannot be resolved. */
export const dns: Scenario = {
  title:
    'the name is not found, or the resolver fails or takes five seconds: the next target answers, and no name is looked up twice',
  isHeavy: true,
  async run() {
    const findings: string[] = [];
    const figures: string[] = [];
    for (const [what, answer] of [
      ['not found', { code: 'ENOTFOUND' }],
      ['resolver fails', { code: 'EAI_AGAIN' }],
      ['resolver takes 5 s', { addresses: ['127.0.0.1'], delayMs: 5_000 }],
    ] as const) {
      const resolver = installResolver(() => answer);
      const result = await onStage(
        {
          targets: 2,
          policy: { connectMs: 300 },
          toAddress: ({ port }, index) => `http://${index === 0 ? 'provider.test' : '127.0.0.1'}:${port}`,
        },
        async ({ site, upstreams, check, figure }) => {
          const got = await site.ask(false);
          check(got.status === 200, `${what}: status ${got.status}, not 200`);
          check(upstreams[0]?.connections === 0, `${what}: the first target was reached`);
          check(upstreams[1]?.seen.length === 1, `${what}: the second target did not answer`);
          check(resolver.asked.length <= 1, `${what}: asked ${resolver.asked.length} times for one attempt`);
          check(got.totalMs < 2_000, `${what}: it took ${got.totalMs.toFixed(0)} ms`);
          figure(`${what}: answered after ${got.totalMs.toFixed(0)} ms`);
        },
      );
      resolver.close();
      findings.push(...result.findings);
      figures.push(...(result.figures ?? []));
    }
    return { findings, figures };
  },
};

/** Spellings of addresses inside, as they have been used to get past filters. */
const insides = (port: number): readonly string[] => [
  'http://169.254.169.254/latest/meta-data/',
  ...[
    '127.0.0.1',
    '0177.0.0.1',
    '2130706433',
    '[::ffff:7f00:1]',
    '[::1]',
    'localhost',
    'localhost.',
    'inside.test',
    '127.1',
    '①②⑦.0.0.1',
  ].map((host) => `http://${host}:${port}/v1/x`),
  `//127.0.0.1:${port}/v1/x`,
  '/v1/elsewhere',
];

const withoutBreaker = (config: GatewayConfig): GatewayConfig => ({
  ...config,
  breaker: { volumeThreshold: 1_000_000 },
});

/** A provider that redirects. */
export const redirects: Scenario = {
  title:
    'a redirect with 301, 302, 303, 307 or 308 to any spelling of an internal address: 502, and not one packet goes there',
  async run() {
    let reached = 0;
    const trap = createServer((socket) => {
      reached++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
    const { port } = trap.address() as { port: number };
    const resolver = installResolver(() => ({ addresses: ['127.0.0.1'] }));
    try {
      return await onStage(
        { policy: { maxAttempts: 2 }, change: withoutBreaker },
        async ({ site, upstreams, check }) => {
          const [upstream] = upstreams;
          for (const status of [301, 302, 303, 307, 308]) {
            for (const location of insides(port)) {
              upstream?.script({ do: 'status', status, body: 'empty', headers: { location } });
              const got = await site.ask(false);
              const what = `${status} to ${location}`;
              check(got.status === 502, `${what}: status ${got.status}, not 502`);
              check(got.headers.location === undefined, `${what}: the location reached the caller`);
              check(!got.body.toString().includes('127.0.0.1'), `${what}: the body tells of it`);
            }
          }
          const codes = new Set(site.records.map(({ errorCode }) => errorCode));
          check(
            codes.size === 1 && codes.has('upstream_redirect'),
            `the errors are ${[...codes].join(', ')}`,
          );
          check(reached === 0, `${reached} connections reached an address inside`);
          check(resolver.asked.length === 0, `${resolver.asked.join(', ')} was asked for`);
        },
      );
    } finally {
      resolver.close();
      await new Promise((resolve) => trap.close(resolve));
    }
  },
};

/** A provider's name that turns inside. */
export const rebinding: Scenario = {
  title:
    "a name that was public resolves to 127.0.0.1, to private addresses, or to a cloud's metadata address: no connection is made",
  async run() {
    let reached = 0;
    const trap = createServer((socket) => {
      reached++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => trap.listen(0, '127.0.0.1', resolve));
    const { port } = trap.address() as { port: number };
    const findings: string[] = [];
    // 192.0.2.1 is in a network for documentation, where nobody is
    for (const turned of [
      ['127.0.0.1'],
      ['192.0.2.1', '127.0.0.1'],
      ['::ffff:127.0.0.1'],
      ['169.254.169.254'],
    ]) {
      const resolver = installResolver((_, times) => ({ addresses: times === 1 ? ['192.0.2.1'] : turned }));
      const result = await onStage(
        {
          targets: 2,
          policy: { connectMs: 100 },
          change: withoutBreaker,
          toAddress: (upstream, index) =>
            index === 0 ? `http://provider.test:${port}` : `http://127.0.0.1:${upstream.port}`,
        },
        async ({ site, upstreams, check }) => {
          for (let index = 0; index < 3; index++) {
            const got = await site.ask(false);
            check(
              got.status === 200,
              `${turned}: status ${got.status}: ${got.body.toString().slice(0, 200)}`,
            );
          }
          check(
            resolver.asked.length >= 2,
            `${turned}: the name was asked for ${resolver.asked.length} times`,
          );
          check(
            upstreams[1]?.seen.length === 3,
            `${turned}: the other target answered ${upstreams[1]?.seen.length}`,
          );
          check(!JSON.stringify(site.records).includes('127.0.0.1'), 'the record tells of it');
        },
      );
      resolver.close();
      findings.push(...result.findings);
    }
    if (reached > 0) findings.push(`${reached} connections reached an address inside`);
    await new Promise((resolve) => trap.close(resolve));
    return { findings };
  },
};
