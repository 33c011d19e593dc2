import type { GatewayConfig } from '../../../src/config/schema.ts';
import { createGateway } from '../../../src/gateway.ts';
import { issueKey } from '../../../src/keys/issue-key.ts';
import { createNoPepperRing } from '../../../src/keys/no-pepper.ts';
import type { GatewayReply, GatewayRequest } from '../../../src/message.ts';
import { createRuntime } from '../../../src/runtime.ts';
import { dialects } from './dialects.ts';
import { createMemoryEgress, type FedBody } from './memory-egress.ts';
import { toConfig } from './site-config.ts';

/** What a process of many requests, or of many streams, found in its own memory. Run with `--expose-gc`. */
export interface MemoryReport {
  readonly requests: number;
  readonly records: number;
  readonly failed: number;
  /** Bytes of heap that a thousand requests leave behind. */
  readonly bytesPerThousand: number;
  /** Bytes that one stream takes while it runs. */
  readonly bytesPerStream: number;
  /** Bytes of heap that are left of all streams when they are over. */
  readonly leftBytes: number;
  readonly handlesBefore: number;
  readonly handlesAfter: number;
  readonly seconds: number;
}

const [mode = 'requests', countText = '1000'] = process.argv.slice(2);
const count = Number(countText);
const dialect = dialects[0] as (typeof dialects)[number];
const runtime = createRuntime();
const issued = issueKey({ team: 'payments' }, createNoPepperRing(), runtime);
const key = issued.record as NonNullable<GatewayConfig['keys']>[number];

const toEvent = (chunk: object) =>
  Buffer.from(`data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', ...chunk })}\n\n`);
const toDelta = (content: string) =>
  toEvent({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
const usage = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
const deltas = ['One', ' two', ' three'].map(toDelta);
const last = Buffer.concat([
  toEvent({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
  toEvent({ choices: [], usage }),
  Buffer.from('data: [DONE]\n\n'),
]);
const whole = Buffer.from(
  JSON.stringify({
    id: 'x',
    object: 'chat.completion',
    choices: [{ index: 0, message: { role: 'assistant', content: 'One' }, finish_reason: 'stop' }],
    usage,
  }),
);

const bodies: FedBody[] = [];
// streams that begin while it holds do not end by themselves
let isHolding = false;
let records = 0;
const gateway = createGateway(toConfig(dialect, ['http://127.0.0.1:1'], {}, key), {
  runtime,
  environment: {},
  sink: {
    write() {
      records++;
    },
  },
  egress: createMemoryEgress(
    (body, isStream) => {
      if (!isStream) {
        body.push(whole);
        body.end();
      } else if (isHolding) {
        body.push(deltas[0] as Buffer);
        bodies.push(body);
      } else {
        for (const delta of deltas) body.push(delta);
        body.push(last);
        body.end();
      }
    },
    (isStream) => (isStream ? 'text/event-stream' : 'application/json'),
  ),
});

const texts = [false, true].map((stream) =>
  Buffer.from(JSON.stringify(dialect.toRequest('the-model', stream).body)),
);

function ask(stream: boolean): Promise<GatewayReply> {
  const body = texts[Number(stream)] as Buffer;
  const request: GatewayRequest = {
    method: 'POST',
    path: '/v1/chat/completions',
    query: '',
    headers: { host: 'x', 'content-type': 'application/json', authorization: `Bearer ${issued.key}` },
    signal: new AbortController().signal,
    readBody: async () => body,
  };
  return gateway.handle(request);
}

const collect = globalThis.gc as () => void;
async function heapBytes(): Promise<number> {
  for (let times = 0; times < 4; times++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    collect();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
const countHandles = () => process.getActiveResourcesInfo().length;

let failed = 0;
async function runRequests(from: number, to: number): Promise<void> {
  for (let index = from; index < to; index++) {
    const stream = index % 10 === 0;
    const reply = await ask(stream);
    if (reply.status !== 200) failed++;
    if (reply.body instanceof Uint8Array) continue;
    const iterator = reply.body[Symbol.asyncIterator]();
    // every second stream is left after its first chunk: one in twenty requests
    if (index % 20 === 0) {
      await iterator.next();
      await iterator.return?.();
    } else while (!(await iterator.next()).done);
    await reply.outcome;
  }
}

const startedMs = performance.now();
let report: Omit<MemoryReport, 'seconds'>;
if (mode === 'requests') {
  const warm = Math.floor(count / 5);
  await runRequests(0, warm);
  const before = await heapBytes();
  const handlesBefore = countHandles();
  await runRequests(warm, count);
  const grown = (await heapBytes()) - before;
  report = {
    ...{ requests: count, records, failed, bytesPerThousand: (grown / (count - warm)) * 1_000 },
    ...{ bytesPerStream: 0, leftBytes: grown, handlesBefore, handlesAfter: countHandles() },
  };
} else {
  await runRequests(1, 1_000);
  const before = await heapBytes();
  const handlesBefore = countHandles();
  const readers = [];
  isHolding = true;
  for (let index = 0; index < count; index++) {
    const reply = await ask(true);
    if (reply.body instanceof Uint8Array) {
      failed++;
      continue;
    }
    const iterator = reply.body[Symbol.asyncIterator]();
    await iterator.next();
    readers.push(iterator);
  }
  const during = await heapBytes();
  for (const body of bodies) {
    body.push(last);
    body.end();
  }
  for (const reader of readers) while (!(await reader.next()).done);
  readers.length = 0;
  bodies.length = 0;
  report = {
    ...{ requests: count, records: records - 999, failed, bytesPerThousand: 0 },
    ...{ bytesPerStream: (during - before) / count, leftBytes: (await heapBytes()) - before },
    ...{ handlesBefore, handlesAfter: countHandles() },
  };
}
await gateway.close();
console.log(JSON.stringify({ ...report, seconds: (performance.now() - startedMs) / 1_000 }));
