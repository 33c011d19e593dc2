import type { GatewayConfig } from '../../../src/config/schema.ts';
import { type Figure, toLeast, toMost, toNone } from '../propagation/figures.ts';
import { createOfflineGateway, toAnswer } from './offline-gateway.ts';

const requests = 10_000;
const sessions = 3_000;
const turns = 4;

function withWeights(weights: Readonly<Record<string, number>>) {
  const targets = Object.entries(weights).map(([provider, weight]) => ({ provider, model: 'm', weight }));
  return (config: GatewayConfig): GatewayConfig => ({ ...config, routes: [{ name: 'split', targets }] });
}

/** How shares are kept, with sessions and without, and what moves when a target is added. */
export async function measureSplit(): Promise<Figure[]> {
  return [...(await measureShares()), ...(await measureSessions())];
}

async function measureShares(): Promise<Figure[]> {
  let first = 0;
  let worst = 0;
  let sent = 0;
  const change = withWeights({ a: 70, b: 30 });
  const offline = createOfflineGateway(
    ['a', 'b'],
    async (_, target) => {
      sent++;
      if (target === 'a') first++;
      // in every window of so many, and not only in the end
      if (sent % 1_000 === 0) worst = Math.max(worst, Math.abs(first - sent * 0.7));
      return toAnswer();
    },
    change,
  );
  for (let index = 0; index < requests; index++) await offline.ask();
  await offline.close();
  const off = Math.abs(first - requests * 0.7);
  return [
    toMost('split 70/30: requests off', Math.round(off), requests * 0.01, `${first} of ${sent} to the first`),
    toMost('split 70/30: most off at any thousand', Math.round(worst), 10),
  ];
}

/** Where each session goes, turn by turn. */
async function place(weights: Readonly<Record<string, number>>): Promise<string[][]> {
  const places: string[][] = Array.from({ length: sessions }, () => []);
  let current = 0;
  const offline = createOfflineGateway(
    Object.keys(weights),
    async (_, target) => {
      places[current]?.push(target);
      return toAnswer();
    },
    withWeights(weights),
  );
  for (let turn = 0; turn < turns; turn++) {
    for (current = 0; current < sessions; current++) {
      await offline.ask({ headers: { 'x-headgate-session': `session-${current}` } });
    }
  }
  await offline.close();
  return places;
}

async function measureSessions(): Promise<Figure[]> {
  const split = await place({ a: 70, b: 30 });
  const sticky = split.filter((turns) => new Set(turns).size === 1).length;
  const share = split.filter(([first]) => first === 'a').length / sessions;
  const before = await place({ a: 1, b: 1, c: 1 });
  const after = await place({ a: 1, b: 1, c: 1, d: 1 });
  const moved = before.filter(([first], index) => after[index]?.[0] !== first).length;
  const astray = before.filter(([first], index) => {
    const now = after[index]?.[0];
    return now !== first && now !== 'd';
  }).length;
  return [
    toLeast(
      'sessions that stay where they are, of 1,000',
      Math.floor((sticky / sessions) * 1_000),
      990,
      `${turns} turns of ${sessions}`,
    ),
    toMost(
      'sessions split 70/30: off, of 1,000',
      Math.round(Math.abs(share - 0.7) * 1_000),
      30,
      `${(share * 100).toFixed(1)} % at the first, by hash`,
    ),
    toMost(
      'sessions that move when a fourth target is added',
      moved,
      Math.floor(sessions / 3),
      `of ${sessions}: 1 in ${(sessions / moved).toFixed(1)}`,
    ),
    toNone('of them to another target than the new one', astray),
  ];
}
