import { type Figure, toLeast, toMost } from '../propagation/figures.ts';
import { createOfflineGateway, toAnswer, toFailure } from './offline-gateway.ts';
import { createRandom } from './random.ts';

const requests = 10_000;
const atOnce = 32;
/** Retries that there may always be, however few requests there are. */
const floor = 3;
const targets = ['one', 'two', 'three'];
const most = 1.2 * requests + floor;

/** How many attempts a storm of failures makes out of requests. */
export async function measureStorm(): Promise<Figure[]> {
  const random = createRandom(11);
  let attempts = 0;
  let answered = 0;
  const offline = createOfflineGateway(
    targets,
    async () => {
      attempts++;
      return random() < 0.5 ? toFailure(500) : toAnswer();
    },
    // no breaker helps
    (config) => ({ ...config, breaker: { volumeThreshold: 1_000_000 } }),
  );
  let next = 0;
  const work = async () => {
    while (next++ < requests) if ((await offline.ask()).status === 200) answered++;
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  await offline.close();
  return [
    toMost(
      'storm: attempts with half of the replies failing',
      attempts,
      most,
      `for ${requests} requests, ${atOnce} at once`,
    ),
    toLeast('storm: attempts, at least', attempts, requests + 1),
    toLeast('storm: requests that were answered', answered, requests / 2, 'half are at the first attempt'),
  ];
}
