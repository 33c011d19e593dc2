import type { GatewayConfig } from '../../../src/config/schema.ts';
import { createGateway, type Gateway } from '../../../src/gateway.ts';
import { issueKey } from '../../../src/keys/issue-key.ts';
import { createNoPepperRing } from '../../../src/keys/no-pepper.ts';
import type { GatewayRequest } from '../../../src/message.ts';
import { createRuntime } from '../../../src/runtime.ts';
import type { RequestRecord } from '../../../src/telemetry/record.ts';
import type { EgressBody, EgressReply, EgressRequest } from '../../../src/upstream/egress.ts';

/** A gateway whose way out is a function: nothing but the gateway takes time. */
export interface OfflineGateway {
  readonly gateway: Gateway;
  /** Sends one request and reads the answer to its end. */
  ask(more?: AskOptions): Promise<{ readonly status: number; readonly text: string }>;
  close(): Promise<void>;
}

/** How a request differs from the usual one. */
export interface AskOptions {
  readonly stream?: boolean;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Readonly<Record<string, unknown>>;
  /** The answer is read and not put together: that would be half of what a measurement measures. */
  readonly isDropped?: boolean;
}

/** A body that is there already. */
export function toEgressBody(chunks: readonly Uint8Array[]): EgressBody {
  let next = 0;
  return {
    async collect(maxBytes) {
      const taken: Uint8Array[] = [];
      let size = 0;
      while (next < chunks.length && size <= maxBytes) {
        const chunk = chunks[next++] as Uint8Array;
        taken.push(chunk);
        size += chunk.length;
      }
      const bytes = taken.length === 1 ? (taken[0] as Uint8Array) : Buffer.concat(taken);
      return { bytes, ended: next === chunks.length };
    },
    cancel() {
      next = chunks.length;
    },
    async *[Symbol.asyncIterator]() {
      while (next < chunks.length) yield chunks[next++] as Uint8Array;
    },
  };
}

const usage = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
const choice = { index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' };
const whole = Buffer.from(JSON.stringify({ id: 'x', object: 'chat.completion', choices: [choice], usage }));
const json = { 'content-type': 'application/json' };

/** An answer, whole. */
export function toAnswer(): EgressReply {
  return { status: 200, headers: json, body: toEgressBody([whole]) };
}

/** A failure with a status. */
export function toFailure(status: number): EgressReply {
  const error = { message: 'No.', type: 'server_error', param: null, code: null };
  return { status, headers: json, body: toEgressBody([Buffer.from(JSON.stringify({ error }))]) };
}

/** A stream of these chunks. */
export function toStream(chunks: readonly Uint8Array[]): EgressReply {
  return { status: 200, headers: { 'content-type': 'text/event-stream' }, body: toEgressBody(chunks) };
}

/** Starts one. `targets` are names of providers; `change` has the last word on the configuration. */
export function createOfflineGateway(
  targets: readonly string[],
  send: (request: EgressRequest, target: string) => Promise<EgressReply>,
  change: (config: GatewayConfig) => GatewayConfig = (config) => config,
  onRecord: (record: RequestRecord) => void = () => undefined,
): OfflineGateway {
  const runtime = createRuntime();
  const issued = issueKey({ team: 'payments' }, createNoPepperRing(), runtime);
  const key = issued.record as NonNullable<GatewayConfig['keys']>[number];
  const providers = targets.map((name) => [
    name,
    { type: 'openai', baseUrl: `http://${name}.test/v1`, apiKey: `sk-${name}` },
  ]);
  const gateway = createGateway(
    change({
      providers: Object.fromEntries(providers),
      models: { m: { targets: targets.map((name) => `${name}/m`), price: { input: 2, output: 8 } } },
      profiles: {
        standard: { limits: [{ unit: 'requests', amount: 1e12, window: 'lifetime', per: 'team' }] },
      },
      teams: { payments: { profile: 'standard' } },
      keys: [key],
      retry: { minBackoffMs: 1, maxBackoffMs: 5 },
    }),
    {
      runtime,
      environment: {},
      sink: { write: onRecord },
      egress: {
        send: (request) => send(request, new URL(request.origin).hostname.replace('.test', '')),
        close: async () => undefined,
      },
    },
  );
  const message = [{ role: 'user', content: 'Is it?' }];
  return {
    gateway,
    async ask({ stream = false, headers, body, isDropped = false } = {}) {
      const bytes = Buffer.from(
        JSON.stringify({ model: 'm', messages: message, ...(stream && { stream }), ...body }),
      );
      const request: GatewayRequest = {
        ...{ method: 'POST', path: '/v1/chat/completions', query: '', signal: new AbortController().signal },
        headers: {
          ...{ host: 'x', 'content-type': 'application/json', authorization: `Bearer ${issued.key}` },
          ...headers,
        },
        readBody: async () => bytes,
      };
      const reply = await gateway.handle(request);
      const chunks: Uint8Array[] = [];
      if (reply.body instanceof Uint8Array) chunks.push(reply.body);
      else for await (const chunk of reply.body) if (!isDropped) chunks.push(chunk);
      return { status: reply.status, text: Buffer.concat(chunks).toString() };
    },
    close: () => gateway.close({ drainMs: 100 }),
  };
}
