import { createOfflineGateway, toAnswer, toStream } from './offline-gateway.ts';

// Microseconds of one request through the pipeline with one target that answers, whole and streamed; prints JSON. With
// `--rescue` the stream could be gone on with if it broke. Of many short rounds the best one is one that nobody else on the
// machine disturbed.
const rounds = 60;
const isRescued = process.argv.includes('--rescue');
const events = Array.from({ length: 200 }, (_, index) => {
  const choices = [
    { index: 0, delta: { content: `word ${index} ` }, finish_reason: index === 199 ? 'stop' : null },
  ];
  return Buffer.from(`data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', choices })}\n\n`);
});
events.push(Buffer.from('data: [DONE]\n\n'));

type Change = Parameters<typeof createOfflineGateway>[2];

async function measure(stream: boolean, count: number, change?: Change): Promise<number> {
  const offline = createOfflineGateway(
    ['only'],
    async () => (stream ? toStream(events) : toAnswer()),
    change,
  );
  const body = stream ? { stream_options: { include_usage: true } } : {};
  const more = { stream, body, isDropped: true };
  for (let index = 0; index < count * 10; index++) await offline.ask(more);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const startedMs = performance.now();
    for (let index = 0; index < count; index++) await offline.ask(more);
    best = Math.min(best, ((performance.now() - startedMs) * 1_000) / count);
  }
  await offline.close();
  return best;
}

const whole = await measure(false, 600);
const stream = await measure(
  true,
  60,
  isRescued ? (config) => ({ ...config, forwarding: { rescue: ['restart'] } }) : undefined,
);
console.log(JSON.stringify({ whole, stream }));
