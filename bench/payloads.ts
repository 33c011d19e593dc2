/** What the bench sends and what its upstreams answer: made here once, so that every subject gets the same bytes. */

export const modelName = 'bench-model';
export const eventBytes = 256;
export const deltaCount = 200;

/** Pads a text made by `make(padding)` to exactly `bytes` bytes; the payloads are ASCII. */
function padTo(bytes: number, make: (padding: string) => string): string {
  const shortest = make('').length;
  if (shortest > bytes)
    throw new TypeError(`the text has ${shortest} bytes and cannot be padded to ${bytes}`);
  return make('x'.repeat(bytes - shortest));
}

/** A chat request of exactly 1,024 bytes. */
export function toSmallRequest(): string {
  return padTo(1024, (padding) =>
    JSON.stringify({
      model: modelName,
      messages: [
        { role: 'system', content: 'You answer in one sentence.' },
        { role: 'user', content: `Summarise this: ${padding}` },
      ],
      max_tokens: 256,
      temperature: 0.2,
    }),
  );
}

/** A streaming chat request of exactly 1,024 bytes that asks for usage itself. */
export function toStreamRequest(): string {
  return padTo(1024, (padding) =>
    JSON.stringify({
      model: modelName,
      messages: [{ role: 'user', content: `Summarise this: ${padding}` }],
      max_tokens: 256,
      stream: true,
      stream_options: { include_usage: true },
    }),
  );
}

const sourceLine = `  if (entries["left"] !== undefined) { throw new Error('no "left" at\\t' + index); } // comment\n`;

/** A request shaped like a coding agent's long session, of exactly 400,000 bytes: tools, code, escapes, many turns. */
export function toCodingRequest(bytes = 400_000): string {
  const tools = Array.from({ length: 20 }, (_, index) => ({
    type: 'function',
    function: {
      name: `tool_${index}`,
      description: `Reads or writes part ${index} of the work tree and answers with what it found.`,
      parameters: {
        type: 'object',
        properties: {
          path: { type: 'string', description: 'A path below the root' },
          lines: { type: 'array', items: { type: 'integer' } },
        },
        required: ['path'],
      },
    },
  }));
  const messages: unknown[] = [{ role: 'system', content: sourceLine.repeat(40) }];
  const make = (padding: string) =>
    JSON.stringify({ model: modelName, max_tokens: 4096, tools, messages: [...messages, toUser(padding)] });
  while (make('').length < bytes - 12_000) {
    const id = `call_${messages.length}`;
    const call = { id, type: 'function', function: { name: 'tool_1', arguments: '{"path":"src/index.ts"}' } };
    messages.push({ role: 'assistant', content: null, tool_calls: [call] });
    messages.push({ role: 'tool', tool_call_id: id, content: sourceLine.repeat(60) });
  }
  return padTo(bytes, make);
}

function toUser(content: string): unknown {
  return { role: 'user', content };
}

/** A chat completion of exactly 1,024 bytes, with usage. */
export function toSmallReply(): string {
  return padTo(1024, (padding) =>
    JSON.stringify({
      id: 'chatcmpl-bench',
      object: 'chat.completion',
      created: 1_700_000_000,
      model: modelName,
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: `It is so. ${padding}`, refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: { prompt_tokens: 220, completion_tokens: 190, total_tokens: 410 },
      service_tier: 'default',
      system_fingerprint: 'fp_bench',
    }),
  );
}

/** One SSE event of exactly 256 bytes; `obfuscation` is the field that the real API pads its deltas with. */
export function toEvent(fields: Record<string, unknown>): string {
  return padTo(
    eventBytes,
    (padding) =>
      `data: ${JSON.stringify({
        id: 'chatcmpl-bench',
        object: 'chat.completion.chunk',
        created: 1_700_000_000,
        model: modelName,
        ...fields,
        obfuscation: padding,
      })}\n\n`,
  );
}

export function toDelta(content: string): string {
  return toEvent({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
}

/** How a stream ends: the finish reason, the usage, the terminator. The first two have 256 bytes each. */
export function toStreamEnd(): string[] {
  return [
    toEvent({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
    toEvent({ choices: [], usage: { prompt_tokens: 220, completion_tokens: 200, total_tokens: 420 } }),
    'data: [DONE]\n\n',
  ];
}

/** The whole stream of 200 deltas, event by event. */
export function toStreamEvents(): string[] {
  return [...Array.from({ length: deltaCount }, (_, index) => toDelta(` w${index}`)), ...toStreamEnd()];
}
