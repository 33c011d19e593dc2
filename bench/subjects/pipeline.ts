/**
 * The pipeline alone: `gateway.handle` one request after another, with an egress that answers from memory. Prints
 * microseconds a request as JSON: the 1 kB case, and the whole stream of 200 deltas.
 */
import type { EgressBody, GatewayRequest } from 'headgate';
import { toSmallReply, toSmallRequest, toStreamEvents, toStreamRequest } from '../payloads.ts';
import { median, round } from '../statistics.ts';
import { createBenchGateway } from './gateway.ts';

const noop = () => undefined;
// the adapters create one only on demand
const { signal } = new AbortController();
const rounds = Number(process.env.BENCH_ROUNDS ?? '5');
const warmUpMs = Number(process.env.BENCH_WARM_UP_MS ?? '3000');

/** A body whose chunks are already there: it answers at once, like one that has arrived whole. */
class BodyInMemory implements EgressBody {
  readonly #chunks: readonly Uint8Array[];
  #next = 0;

  constructor(chunks: readonly Uint8Array[]) {
    this.#chunks = chunks;
  }

  collect(maxBytes: number) {
    const chunks = this.#chunks;
    const from = this.#next;
    let size = 0;
    while (this.#next < chunks.length && size <= maxBytes)
      size += (chunks[this.#next++] as Uint8Array).length;
    const isOne = this.#next - from === 1;
    const bytes = isOne ? (chunks[from] as Uint8Array) : Buffer.concat(chunks.slice(from, this.#next));
    return { bytes, ended: this.#next === chunks.length };
  }

  cancel() {
    this.#next = this.#chunks.length;
  }

  async *[Symbol.asyncIterator]() {
    while (this.#next < this.#chunks.length) yield this.#chunks[this.#next++] as Uint8Array;
  }
}

async function measure(text: string, contentType: string, chunks: readonly Uint8Array[], count: number) {
  const { gateway, key } = createBenchGateway('http://127.0.0.1:1', {
    send: async () => ({
      status: 200,
      headers: { 'content-type': contentType },
      body: new BodyInMemory(chunks),
    }),
    close: async () => undefined,
  });
  const body = Buffer.from(text);
  const headers = {
    host: '127.0.0.1',
    'content-type': 'application/json',
    authorization: `Bearer ${key}`,
    'content-length': String(body.length),
  };
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);

  const runOnce = async () => {
    const request: GatewayRequest = {
      method: 'POST',
      path: '/v1/chat/completions',
      query: '',
      headers,
      signal,
      remoteAddress: '127.0.0.1',
      // as in the adapter for Node: nobody needs the signal, and all of a small body is there
      whenGone: () => noop,
      readBody: () => body,
    };
    const reply = await gateway.handle(request);
    let bytes = 0;
    if (reply.body instanceof Uint8Array) bytes = reply.body.length;
    else for await (const chunk of reply.body) bytes += chunk.length;
    const { kind } = await reply.outcome;
    if (kind !== 'complete' || bytes !== size) {
      throw new Error(`a request ended as ${kind} with status ${reply.status} and ${bytes} of ${size} bytes`);
    }
  };

  for (const warmAtMs = performance.now() + warmUpMs; performance.now() < warmAtMs; ) {
    for (let index = 0; index < count; index++) await runOnce();
  }
  const times: number[] = [];
  for (let turn = 0; turn < rounds; turn++) {
    const fromMs = performance.now();
    for (let index = 0; index < count; index++) await runOnce();
    times.push(((performance.now() - fromMs) * 1000) / count);
  }
  await gateway.close();
  return times;
}

const json = await measure(toSmallRequest(), 'application/json', [Buffer.from(toSmallReply())], 20_000);
const events = toStreamEvents().map((event) => Buffer.from(event));
const stream = await measure(toStreamRequest(), 'text/event-stream', events, 500);
console.log(
  JSON.stringify({
    usPerRequest: round(median(json)),
    usPerStream: round(median(stream)),
    runs: json.map((time) => round(time)),
    streamRuns: stream.map((time) => round(time)),
  }),
);
