import type { Usage } from '../../message.ts';
import type { StreamEvent, StreamReader, StreamReaderOptions } from '../dialect.ts';
import { FinishTracker } from '../finish-tracker.ts';
import { asObject, asObjects, asText, dataKind, type Members, parseObject } from '../stream-data.ts';
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
  return new ChatStreamReader(dropUsage);
}

class ChatStreamReader implements StreamReader {
  whole = false;
  usage: Usage | undefined = undefined;
  error: StreamReader['error'] = undefined;
  hasContent = false;
  malformed = false;
  readonly #choices = new FinishTracker();
  readonly #dropUsage: boolean;
  #isDone = false;

  constructor(dropUsage: boolean) {
    this.#dropUsage = dropUsage;
  }

  read({ event, data }: StreamEvent): 'relay' | 'drop' {
    const kind = dataKind(data);
    if (kind === 'object') {
      const isOrdinary =
        this.hasContent && this.#choices.hasFirst && event !== 'error' && !remarkable.test(data);
      return isOrdinary ? 'relay' : this.#readChunk(event, data);
    }
    if (kind === 'done') this.#isDone = this.whole = true;
    else if (kind === 'broken') this.malformed = true;
    return 'relay';
  }

  #readChunk(event: string | undefined, data: string): 'relay' | 'drop' {
    const chunk = parseObject(data);
    if (!chunk) {
      this.malformed = true;
      return 'relay';
    }
    const failure = chunk.error || (event === 'error' ? chunk : undefined);
    if (failure) {
      const error = asObject(failure);
      this.error ??= { type: asText(error?.type) ?? asText(error?.code) };
    }
    for (const choice of asObjects(chunk.choices)) this.#readChoice(choice);
    this.whole = this.#isDone || this.#choices.allFinished;
    if (!asObject(chunk.usage)) return 'relay';
    this.usage = toOpenAiUsage(chunk.usage) ?? this.usage;
    // some providers report on the last chunk of content, which is the caller's
    const isOnlyUsage = Array.isArray(chunk.choices) && chunk.choices.length === 0;
    return this.#dropUsage && isOnlyUsage && !failure ? 'drop' : 'relay';
  }

  #readChoice(choice: Members): void {
    this.#choices.note(choice.index, asText(choice.finish_reason) !== undefined);
    if (!this.hasContent) this.hasContent = asText(choice.text) !== undefined || hasDelta(choice.delta);
  }
}

/** Whether a delta brings anything but the role: text, refusal, reasoning, tool calls, audio. */
function hasDelta(delta: unknown): boolean {
  for (const [name, value] of Object.entries(asObject(delta) ?? {})) {
    if (name === 'role' || value === null || value === '') continue;
    if (Array.isArray(value) ? value.length > 0 : true) return true;
  }
  return false;
}
