import { createOfflineGateway, toAnswer, toStream } from './offline-gateway.ts';

// microseconds of one request through the pipeline with one target that answers, whole and streamed; prints JSON
const rounds = 7;
const events = Array.from({ length: 200 }, (_, index) => {
  const choices = [
    { index: 0, delta: { content: `word ${index} ` }, finish_reason: index === 199 ? 'stop' : null },
  ];
  return Buffer.from(`data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', choices })}\n\n`);
});
events.push(Buffer.from('data: [DONE]\n\n'));

async function measure(stream: boolean, count: number): Promise<number> {
  const offline = createOfflineGateway(['only'], async () => (stream ? toStream(events) : toAnswer()));
  const more = { stream, body: stream ? { stream_options: { include_usage: true } } : {} };
  for (let index = 0; index < count; index++) await offline.ask(more);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const startedMs = performance.now();
    for (let index = 0; index < count; index++) await offline.ask(more);
    best = Math.min(best, ((performance.now() - startedMs) * 1_000) / count);
  }
  await offline.close();
  return best;
}

const whole = await measure(false, 5_000);
console.log(JSON.stringify({ whole, stream: await measure(true, 300) }));
