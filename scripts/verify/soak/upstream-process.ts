import { createRandom } from '../failover/random.ts';
import { dialects } from '../faults/dialects.ts';
import { answerText } from '../faults/run-case.ts';
import { startFaultUpstream } from '../faults/upstream/fault-upstream.ts';
import type { Fault } from '../faults/upstream/faults.ts';
import { toProviderWords } from '../faults/upstream/provider-words.ts';
import { recordTapes } from '../faults/upstream/tape.ts';
import type { Weather } from './schedule.ts';

// one upstream in a process of its own, so that it can be killed; told over IPC how to behave
const dialect = dialects[0] as (typeof dialects)[number];
const port = Number(process.argv[2]);
const random = createRandom(port);
const upstream = await startFaultUpstream({
  ...toProviderWords(dialect),
  tapes: await recordTapes(dialect, { text: answerText }),
  port,
  maxSeen: 16,
});

const faults: Readonly<Record<Weather, () => Fault>> = {
  up: () => ({ do: 'answer' }),
  killed: () => ({ do: 'answer' }),
  severed: () => ({ do: 'answer' }),
  errors: () => ({ do: 'status', status: 500 }),
  overloaded: () => ({ do: 'status', status: 529 }),
  resetting: () => ({ do: 'hang-up', when: 'request', how: 'reset' }),
  cutting: () => ({ do: 'cut', how: random() < 0.5 ? 'reset' : 'clean', after: Math.floor(random() * 5) }),
};

let severing: NodeJS.Timeout | undefined;
process.on('message', (weather: Weather) => {
  upstream.decide(() => faults[weather]());
  clearInterval(severing);
  if (weather === 'severed') severing = setInterval(() => upstream.sever(), 100);
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
