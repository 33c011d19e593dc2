import type { Usage } from '../../message.ts';
import type { StreamReader } from '../dialect.ts';
import { FinishTracker } from '../finish-tracker.ts';
import { asObject, asObjects, asText, dataKind, type Members, parseObject } from '../stream-data.ts';
import { toGeminiUsage } from './usage.ts';

// what an ordinary chunk has not; see the chat reader
const remarkable = /"(?:(?:finishReason|error|promptFeedback)"\s*:\s*(?!null|\s)|index"\s*:\s*[1-9])/;

/**
 * Follows a stream of `:streamGenerateContent?alt=sse`. It is whole when every candidate that was seen has a
 * `finishReason`, or when the prompt was blocked. Each chunk repeats the usage, so the last one is kept as text and
 * parsed when it is asked for.
 */
export function createGeminiStreamReader(): StreamReader {
  const candidates = new FinishTracker();
  let isBlocked = false;
  let usage: Usage | undefined;
  let unread: string | undefined;

  const reader = {
    whole: false,
    error: undefined as StreamReader['error'],
    hasContent: false,
    malformed: false,
    get usage() {
      if (unread !== undefined) {
        const chunk = parseObject(unread);
        unread = undefined;
        if (chunk) usage = toGeminiUsage(chunk.usageMetadata) ?? usage;
        else reader.malformed = true;
      }
      return usage;
    },
    read({ event, data }: { event?: string | undefined; data: string }): 'relay' {
      const kind = dataKind(data);
      if (kind === 'broken') reader.malformed = true;
      if (kind !== 'object') return 'relay';
      const isOrdinary =
        reader.hasContent && candidates.hasFirst && event !== 'error' && !remarkable.test(data);
      if (!isOrdinary) readChunk(data);
      else if (data.includes('usageMetadata"')) unread = data;
      return 'relay';
    },
  };

  function readChunk(data: string): void {
    const chunk = parseObject(data);
    if (!chunk) {
      reader.malformed = true;
      return;
    }
    if (chunk.error) reader.error ??= { type: asText(asObject(chunk.error)?.status) };
    if (asText(asObject(chunk.promptFeedback)?.blockReason)) isBlocked = true;
    for (const candidate of asObjects(chunk.candidates)) {
      candidates.note(candidate.index, asText(candidate.finishReason) !== undefined);
      if (hasParts(candidate)) reader.hasContent = true;
    }
    reader.whole = isBlocked || candidates.allFinished;
    const latest = toGeminiUsage(chunk.usageMetadata);
    if (latest) {
      usage = latest;
      unread = undefined;
    }
  }

  return reader;
}

function hasParts(candidate: Members): boolean {
  const parts = asObjects(asObject(candidate.content)?.parts);
  // a part that is not text (a function call, an image) is content by being there
  return parts.some((part) => ('text' in part ? part.text !== '' : Object.keys(part).length > 0));
}
