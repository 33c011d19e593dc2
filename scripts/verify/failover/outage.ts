import { type Figure, toLeast, toMost, toNone, toTime } from '../propagation/figures.ts';
import { createOfflineGateway, toAnswer, toFailure } from './offline-gateway.ts';

const resetTimeoutMs = 200;
const outageMs = 1_500;
const breaker = { errorThresholdPercentage: 50, volumeThreshold: 10, resetTimeoutMs };

/** What a dead target gets while its breaker is open, and how soon it is served again when it is back. */
export async function measureOutage(): Promise<Figure[]> {
  let isDown = false;
  let isRecovered = false;
  const attempts: number[] = [];
  let backMs: number | undefined;
  const offline = createOfflineGateway(
    ['primary', 'secondary'],
    async (_, target) => {
      if (target !== 'primary') return toAnswer();
      if (isRecovered) backMs ??= performance.now();
      if (!isDown) return toAnswer();
      attempts.push(performance.now());
      return toFailure(500);
    },
    (config) => ({ ...config, breaker }),
  );
  let wrong = 0;
  let requests = 0;
  const askUntil = async (holds: () => boolean) => {
    while (!holds()) {
      const { status } = await offline.ask();
      requests++;
      if (status !== 200) wrong++;
      // as fast as it goes, and the clock must go on
      if (requests % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  const warmUntilMs = performance.now() + 100;
  await askUntil(() => performance.now() > warmUntilMs);
  isDown = true;
  const downMs = performance.now();
  // what it fails with until the breaker opens is not what is counted
  const openAfter = () =>
    attempts.length >= breaker.volumeThreshold && performance.now() - (attempts.at(-1) ?? 0) > 50;
  await askUntil(() => openAfter() || performance.now() - downMs > 5_000);
  const opened = attempts.length;
  await askUntil(() => performance.now() - downMs > outageMs);
  const probes = attempts.slice(opened);
  const recoveredMs = performance.now();
  isDown = false;
  isRecovered = true;
  const gaps = probes.map((atMs, index) => atMs - (attempts[opened + index - 1] ?? atMs));
  const longest = Math.max(resetTimeoutMs, ...gaps);
  await askUntil(() => backMs !== undefined || performance.now() - recoveredMs > 10_000);
  await offline.close();
  const most = Math.ceil(outageMs / resetTimeoutMs);
  const backAfter = (backMs ?? Number.NaN) - recoveredMs;
  return [
    toLeast('outage: requests during it', requests, 100),
    toNone('outage: requests that were not answered', wrong),
    toMost(
      'outage: probes of the dead target',
      probes.length,
      most,
      `${resetTimeoutMs} ms before the first, in ${outageMs} ms`,
    ),
    toLeast('outage: probes of the dead target, at least', probes.length, 1),
    toNone(
      'outage: probes sooner than the interval after the one before',
      gaps.filter((gap) => gap < resetTimeoutMs * 0.5).length,
      gaps.map((gap) => gap.toFixed(0)).join(', '),
    ),
    // ejections grow: the one in force is at most twice the longest that was seen
    toTime(
      'recovery: served again after',
      backAfter,
      longest * 2,
      `intervals up to ${longest.toFixed(0)} ms were seen`,
    ),
  ];
}
