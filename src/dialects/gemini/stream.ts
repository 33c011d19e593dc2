import type { Usage } from '../../message.ts';
import type { StreamReader } from '../dialect.ts';
import { EventReader } from '../event-reader.ts';
import { FinishTracker } from '../finish-tracker.ts';
import { endOfPlainEvent } from '../plain-events.ts';
import { asObject, asObjects, asText, type Members } from '../stream-data.ts';
import { toGeminiUsage } from './usage.ts';

// not in an ordinary chunk; see the chat reader
const remarkable = /"(?:(?:finishReason|error|promptFeedback)"\s*:\s*(?!null|\s)|index"\s*:\s*[1-9])/;

const head = 'data: {';
// a text may be that word
const usageMark = /"usageMetadata"\s*:/;

/**
 * Follows a stream of `:streamGenerateContent?alt=sse`. It is whole when every candidate that was seen has a
 * `finishReason`, or when the prompt was blocked. Each chunk repeats the usage, so the last one is kept as text and
 * parsed when it is asked for.
 */
export function createGeminiStreamReader(): StreamReader {
  return new GeminiStreamReader();
}

class GeminiStreamReader extends EventReader {
  readonly #candidates = new FinishTracker();
  #isBlocked = false;
  #latest: Usage | undefined;
  /** The data of the latest chunk that reports usage. */
  #unread: string | undefined;

  get usage(): Usage | undefined {
    if (this.#unread !== undefined) {
      const chunk = this.parse(this.#unread);
      this.#unread = undefined;
      this.#latest = toGeminiUsage(chunk?.usageMetadata) ?? this.#latest;
    }
    return this.#latest;
  }

  pass(text: string, start: number, maxBytes: number): number {
    if (!this.hasContent || !this.#candidates.hasFirst || this.malformed) return start;
    const end = endOfPlainEvent(text, start, head, maxBytes);
    if (end < 0) return start;
    const event = text.slice(start, end);
    if (remarkable.test(event)) return start;
    if (usageMark.test(event)) this.#unread = event.slice('data: '.length);
    this.passed++;
    return end;
  }

  protected override readObject(event: string | undefined, data: string): 'relay' {
    const isOrdinary =
      this.hasContent && this.#candidates.hasFirst && event !== 'error' && !remarkable.test(data);
    if (!isOrdinary) this.#readChunk(data);
    else if (usageMark.test(data)) this.#unread = data;
    return 'relay';
  }

  #readChunk(data: string): void {
    const chunk = this.parse(data);
    if (!chunk) return;
    if (chunk.error) this.error ??= { type: asText(asObject(chunk.error)?.status) };
    if (asText(asObject(chunk.promptFeedback)?.blockReason)) this.#isBlocked = this.hasContent = true;
    for (const candidate of asObjects(chunk.candidates)) {
      const reason = asText(candidate.finishReason);
      this.#candidates.note(candidate.index, reason !== undefined);
      // an end for another reason is an answer, although nothing came before it
      this.hasContent ||= hasParts(candidate) || (reason ?? 'STOP') !== 'STOP';
    }
    this.whole = this.#isBlocked || this.#candidates.allFinished;
    const latest = toGeminiUsage(chunk.usageMetadata);
    if (!latest) return;
    this.#latest = latest;
    this.#unread = undefined;
  }
}

function hasParts(candidate: Members): boolean {
  const parts = asObjects(asObject(candidate.content)?.parts);
  // a part that is not text (a function call, an image) is content by being there
  return parts.some((part) => ('text' in part ? part.text !== '' : Object.keys(part).length > 0));
}
