import type { StreamReader, StreamReaderOptions } from '../dialect.ts';
import { createFinishTracker } from '../finish-tracker.ts';
import {
  asObject,
  asObjects,
  asText,
  dataKind,
  type Members,
  type MutableStreamReader,
  parseObject,
} from '../stream-data.ts';
import { toOpenAiUsage } from './usage.ts';

// What an ordinary delta has not: a usage, error or finish reason that is not null, or an index other than 0. Text
// inside a string may look like it, so a match only means that the chunk is parsed. One pattern in one pass, because
// on short chunks four searches cost as much as parsing.
const remarkable = /"(?:(?:usage|error|finish_reason)"\s*:\s*(?!null|\s)|index"\s*:\s*[1-9])/;

/**
 * Follows a stream of Chat Completions or Completions. It is whole with `[DONE]`, or when every choice that was
 * seen has a finish reason (several compatible servers leave `[DONE]` out). A chunk is parsed until content came,
 * and then only when it may hold usage, an error, a finish reason or another choice than the first.
 */
export function createChatStreamReader({ dropUsage }: StreamReaderOptions): StreamReader {
  const choices = createFinishTracker();
  let isDone = false;

  const reader: MutableStreamReader = {
    whole: false,
    usage: undefined,
    error: undefined,
    hasContent: false,
    malformed: false,
    read({ event, data }) {
      const kind = dataKind(data);
      if (kind === 'object') {
        const isOrdinary =
          reader.hasContent && choices.hasFirst && event !== 'error' && !remarkable.test(data);
        return isOrdinary ? 'relay' : readChunk(event, data);
      }
      if (kind === 'done') isDone = reader.whole = true;
      else if (kind === 'broken') reader.malformed = true;
      return 'relay';
    },
  };

  function readChunk(event: string | undefined, data: string): 'relay' | 'drop' {
    const chunk = parseObject(data);
    if (!chunk) {
      reader.malformed = true;
      return 'relay';
    }
    const failure = chunk.error || (event === 'error' ? chunk : undefined);
    if (failure) {
      const error = asObject(failure);
      reader.error ??= { type: asText(error?.type) ?? asText(error?.code) };
    }
    for (const choice of asObjects(chunk.choices)) readChoice(choice);
    reader.whole = isDone || choices.allFinished;
    if (!asObject(chunk.usage)) return 'relay';
    reader.usage = toOpenAiUsage(chunk.usage) ?? reader.usage;
    // some providers report on the last chunk of content, which is the caller's
    const isOnlyUsage = Array.isArray(chunk.choices) && chunk.choices.length === 0;
    return dropUsage && isOnlyUsage && !failure ? 'drop' : 'relay';
  }

  function readChoice(choice: Members): void {
    choices.note(choice.index, asText(choice.finish_reason) !== undefined);
    if (!reader.hasContent) reader.hasContent = asText(choice.text) !== undefined || hasDelta(choice.delta);
  }

  return reader;
}

/** Whether a delta brings anything but the role: text, refusal, reasoning, tool calls, audio. */
function hasDelta(delta: unknown): boolean {
  for (const [name, value] of Object.entries(asObject(delta) ?? {})) {
    if (name === 'role' || value === null || value === '') continue;
    if (Array.isArray(value) ? value.length > 0 : true) return true;
  }
  return false;
}
