import type { DialectName } from '../../src/dialects/dialect.ts';
import { dialectByName } from '../../src/dialects/index.ts';
import { createEventInspector, type EventInspector } from '../../src/upstream/event-inspector.ts';
import type { Inspector } from '../../src/upstream/inspector.ts';

/** The recorded streams, with the dialect of each and whether it ends in an event of nothing but usage. */
export const streams: readonly { fixture: string; dialect: DialectName; hasUsageEvent: boolean }[] = [
  { fixture: 'openai-chat', dialect: 'openai-chat', hasUsageEvent: true },
  { fixture: 'openai-chat-tools', dialect: 'openai-chat', hasUsageEvent: false },
  { fixture: 'openai-completions', dialect: 'openai-completions', hasUsageEvent: true },
  { fixture: 'openai-responses', dialect: 'openai-responses', hasUsageEvent: false },
  { fixture: 'openai-transcription', dialect: 'openai', hasUsageEvent: false },
  { fixture: 'openai-image', dialect: 'openai', hasUsageEvent: false },
  { fixture: 'anthropic-messages', dialect: 'anthropic-messages', hasUsageEvent: false },
  { fixture: 'gemini', dialect: 'gemini', hasUsageEvent: false },
];

export function createInspector(
  dialect: DialectName,
  options: {
    dropUsage?: boolean;
    maxEventBytes?: number;
    inputTokens?: number;
    onMalformed?: 'fail' | 'skip';
  } = {},
): EventInspector {
  return createEventInspector({
    dialect: dialectByName[dialect],
    requestId: 'req_1',
    maxEventBytes: options.maxEventBytes ?? 1_048_576,
    dropUsage: options.dropUsage ?? false,
    inputTokens: options.inputTokens ?? 7,
    onMalformed: options.onMalformed ?? 'fail',
  });
}

/** What comes out of an inspector for these chunks, and what it found. */
export function inspect(inspector: Inspector, chunks: readonly Uint8Array[]) {
  const out: Uint8Array[] = chunks.map((chunk) => inspector.chunk(chunk));
  const { rest, error } = inspector.end();
  if (rest) out.push(rest);
  return { output: Buffer.concat(out), usage: inspector.usage(), error };
}

/** Cuts bytes at these offsets. */
export function cut(bytes: Uint8Array, offsets: readonly number[]): Uint8Array[] {
  const edges = [0, ...[...offsets].sort((one, other) => one - other), bytes.length];
  return edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
}
