import { type Figure, toLeast, toNone, toTime } from '../propagation/figures.ts';
import { percentile } from '../propagation/statistics.ts';
import { createOfflineGateway, toAnswer, toFailure, toStream } from './offline-gateway.ts';

const role = { choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] };
const streamError = [
  Buffer.from(`data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', ...role })}\n\n`),
  Buffer.from(`data: ${JSON.stringify({ error: { message: 'No.', type: 'server_error', code: null } })}\n\n`),
];
const word = { choices: [{ index: 0, delta: { content: 'Yes.' }, finish_reason: 'stop' }] };
const streamAnswer = [
  Buffer.from(`data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', ...word })}\n\n`),
  Buffer.from('data: [DONE]\n\n'),
];
const samples = 500;
/** One request of so many fails, so that the budget of retries has room for it. */
const oneIn = 10;

/** Ways for the first target to fail, each known at an instant. */
const failures = {
  'connection refused': () => {
    throw Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
  },
  'status 500': () => toFailure(500),
  'status 529': () => toFailure(529),
  'error in the stream before content': () => toStream(streamError),
} as const;

/** How long after a failure is known the next target is asked. */
export async function measureDecision(): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [what, fail] of Object.entries(failures)) {
    const stream = what.includes('stream');
    const times: number[] = [];
    let failedMs = 0;
    let wrong = 0;
    let asked = 0;
    const offline = createOfflineGateway(
      ['primary', 'secondary'],
      async (_, target) => {
        if (target !== 'primary') {
          times.push(performance.now() - failedMs);
          return stream ? toStream(streamAnswer) : toAnswer();
        }
        if (++asked % oneIn !== 0) return stream ? toStream(streamAnswer) : toAnswer();
        failedMs = performance.now();
        return fail();
      },
      (config) => ({ ...config, breaker: { volumeThreshold: 1_000_000 } }),
    );
    for (let index = 0; index < samples * oneIn; index++) {
      const { status, text } = await offline.ask({ stream });
      if (status !== 200 || text.includes('"No."')) wrong++;
    }
    await offline.close();
    const p99 = percentile(times, 99);
    const note = `p50 ${percentile(times, 50).toFixed(2)} ms, ${times.length} times`;
    figures.push(toTime(`next target asked after: ${what}, p99`, p99, 5, note));
    figures.push(toLeast(`next target asked: ${what}`, times.length, samples * 0.9));
    figures.push(toNone(`requests that were not answered: ${what}`, wrong));
  }
  return figures;
}
