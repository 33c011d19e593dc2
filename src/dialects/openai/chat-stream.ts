import type { Usage } from '../../message.ts';
import type { StreamReader, StreamReaderOptions } from '../dialect.ts';
import { EventReader } from '../event-reader.ts';
import { FinishTracker } from '../finish-tracker.ts';
import { endOfPlainEvent } from '../plain-events.ts';
import { type Learnt, RepeatedEvents } from '../repeated-events.ts';
import { asObject, asObjects, asText, type Members } from '../stream-data.ts';
import { toOpenAiUsage } from './usage.ts';

// Not in ordinary deltas: a usage, error or finish reason that is not null, or an index other than 0. Text
// inside a string may look like it, so a match only means that the chunk is parsed. One pattern in one pass, because
// on short chunks four searches cost as much as parsing.
const remarkable = /"(?:(?:usage|error|finish_reason)"\s*:\s*(?!null|\s)|index"\s*:\s*[1-9])/;

// of all streams of the process
const learnt: Learnt = { parts: undefined };

/**
 * Follows a stream of Chat Completions or Completions. It is whole with `[DONE]`, or when every choice that was
 * seen has a finish reason (several compatible servers leave `[DONE]` out). Chunks are parsed until content came, and
 * then only those that may hold usage, an error, a finish reason or another choice than the first.
 */
export function createChatStreamReader({ dropUsage }: StreamReaderOptions): StreamReader {
  return new ChatStreamReader(dropUsage);
}

class ChatStreamReader extends EventReader {
  usage: Usage | undefined = undefined;
  readonly #choices = new FinishTracker();
  readonly #deltas = new RepeatedEvents(learnt);
  readonly #dropUsage: boolean;
  #isDone = false;

  constructor(dropUsage: boolean) {
    super();
    this.#dropUsage = dropUsage;
  }

  pass(text: string, start: number, maxBytes: number): number {
    if (!this.#isUnderWay) return start;
    const repeated = this.passBytes(text, start, maxBytes);
    if (repeated > start) return repeated;
    const end = endOfPlainEvent(text, start, 'data: {', maxBytes);
    if (end < 0) return start;
    const event = text.slice(start, end);
    if (remarkable.test(event)) return start;
    this.#deltas.learn(event);
    this.passed++;
    return end;
  }

  passBytes(bytes: Uint8Array | string, start: number, maxBytes: number): number {
    const end = this.#isUnderWay ? this.#deltas.endOf(bytes, start, maxBytes) : -1;
    if (end < 0) return start;
    this.passed += this.#deltas.found;
    return end;
  }

  get #isUnderWay(): boolean {
    return this.hasContent && this.#choices.hasFirst && !this.malformed;
  }

  protected override readObject(event: string | undefined, data: string): 'relay' | 'drop' {
    const isOrdinary =
      this.hasContent && this.#choices.hasFirst && event !== 'error' && !remarkable.test(data);
    return isOrdinary ? 'relay' : this.#readChunk(event, data);
  }

  protected override readDone(): void {
    this.#isDone = this.whole = true;
  }

  #readChunk(event: string | undefined, data: string): 'relay' | 'drop' {
    const chunk = this.parse(data);
    if (!chunk) return 'relay';
    const failure = chunk.error || (event === 'error' ? chunk : undefined);
    if (failure) {
      const error = asObject(failure);
      this.error ??= { type: asText(error?.type) ?? asText(error?.code) };
    }
    for (const choice of asObjects(chunk.choices)) this.#readChoice(choice);
    this.whole = this.#isDone || this.#choices.allFinished;
    if (!asObject(chunk.usage)) return 'relay';
    this.usage = toOpenAiUsage(chunk.usage) ?? this.usage;
    // some providers report it on the last chunk of content, which is the caller's
    const isOnlyUsage = asObjects(chunk.choices).length === 0;
    return this.#dropUsage && isOnlyUsage && !failure ? 'drop' : 'relay';
  }

  #readChoice(choice: Members): void {
    const reason = asText(choice.finish_reason);
    // where Moonshot reports it
    this.usage = toOpenAiUsage(choice.usage) ?? this.usage;
    this.#choices.note(choice.index, reason !== undefined);
    // an end for another reason is an answer, although nothing came before it
    this.hasContent ||=
      asText(choice.text) !== undefined || hasDelta(choice.delta) || (reason ?? 'stop') !== 'stop';
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
