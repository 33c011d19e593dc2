import type { Usage } from '../../message.ts';
import type { StreamReader } from '../dialect.ts';
import { EventReader } from '../event-reader.ts';
import { endOfPlainEvent } from '../plain-events.ts';
import { asObject, asText, eventType, type Members } from '../stream-data.ts';
import { mergeAnthropicUsage, toAnthropicUsage } from './usage.ts';

const delta = 'event: content_block_delta\ndata: {';
const beforeData = delta.length - 1;
/** Of a delta's data, around its text. */
const frameBytes = 80;
const bytesPerToken = 4;

/**
 * Follows a stream of the Messages API. It is whole with `message_stop`. Only `message_start`, `message_delta`
 * and `error` are parsed; pings and newer events pass by.
 */
export function createAnthropicStreamReader(): StreamReader {
  return new AnthropicStreamReader();
}

class AnthropicStreamReader extends EventReader {
  usage: Usage | undefined = undefined;
  furtherTokens = 0;
  #counts: Members | undefined;

  pass(text: string, start: number, maxBytes: number): number {
    if (!this.hasContent || this.malformed) return start;
    const end = endOfPlainEvent(text, start, delta, maxBytes);
    if (end < 0) return start;
    this.passed++;
    this.#measure(text.lastIndexOf('}', end) + 1 - start - beforeData);
    return end;
  }

  /** Counts further tokens by the length of a delta's data. */
  #measure(bytes: number): void {
    this.furtherTokens += Math.max(0, Math.round((bytes - frameBytes) / bytesPerToken) - 1);
  }

  protected override readObject(event: string | undefined, data: string): 'relay' {
    const type = eventType(event, data);
    switch (type) {
      case 'content_block_delta':
        this.#measure(data.length);
        this.hasContent = true;
        break;
      case 'content_block_stop':
        this.hasContent = true;
        break;
      case 'message_stop':
        this.whole = true;
        break;
      case 'message_start':
      case 'message_delta':
      case 'error':
      case undefined:
        this.#readParsed(type, data);
    }
    return 'relay';
  }

  #readParsed(type: string | undefined, data: string): void {
    const parsed = this.parse(data);
    if (!parsed) return;
    if (type === 'error' || parsed.error) {
      this.error ??= { type: asText(asObject(parsed.error)?.type) };
      return;
    }
    // its usage covers all that came before
    if (parsed.usage) this.furtherTokens = 0;
    const holder = type === 'message_start' ? asObject(parsed.message) : parsed;
    this.#counts = mergeAnthropicUsage(this.#counts, holder?.usage);
    this.usage = toAnthropicUsage(this.#counts);
  }
}
