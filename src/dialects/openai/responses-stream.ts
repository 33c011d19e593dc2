import type { Usage } from '../../message.ts';
import type { StreamReader } from '../dialect.ts';
import { EventReader } from '../event-reader.ts';
import { endOfPlainEvent } from '../plain-events.ts';
import { asObject, asText, eventType, parseObject } from '../stream-data.ts';
import { isSilentReasoning } from './silent-reasoning.ts';
import { toOpenAiUsage } from './usage.ts';

const terminal = new Set([
  'response.completed',
  'response.incomplete',
  'response.failed',
  'response.cancelled',
]);

/** Events that only announce something. */
const openings = new Set([
  'response.created',
  'response.queued',
  'response.in_progress',
  'response.output_item.added',
  'response.content_part.added',
  'response.reasoning_summary_part.added',
]);

const delta = 'event: response.output_text.delta\ndata: {';

/**
 * Follows a stream of the Responses API. It is whole with `response.completed`, `response.incomplete`,
 * `response.failed` or `response.cancelled`, which also hold the usage; little else is parsed.
 */
export function createResponsesStreamReader(): StreamReader {
  return new ResponsesStreamReader();
}

class ResponsesStreamReader extends EventReader {
  usage: Usage | undefined = undefined;

  pass(text: string, start: number, maxBytes: number): number {
    if (!this.hasContent || this.malformed) return start;
    const end = endOfPlainEvent(text, start, delta, maxBytes);
    if (end < 0) return start;
    this.passed++;
    return end;
  }

  protected override readObject(event: string | undefined, data: string): 'relay' {
    const type = eventType(event, data);
    if (type === undefined || type === 'error' || terminal.has(type)) this.#readParsed(type, data);
    else if (!this.hasContent) this.hasContent = isContent(type, data);
    return 'relay';
  }

  #readParsed(type: string | undefined, data: string): void {
    const parsed = this.parse(data);
    if (!parsed) return;
    if (type === 'error' || (type === undefined && parsed.error)) {
      // flat by the specification; some servers nest it as the JSON replies do
      const error = asObject(parsed.error) ?? parsed;
      const ownType = error === parsed ? undefined : asText(error.type);
      this.error ??= { type: asText(error.code) ?? ownType };
      return;
    }
    if (type === undefined) return;
    const response = asObject(parsed.response);
    this.whole = true;
    this.usage = toOpenAiUsage(response?.usage) ?? this.usage;
    if (type === 'response.failed') this.error ??= { type: asText(asObject(response?.error)?.code) };
    else this.hasContent = true;
  }
}

function isContent(type: string, data: string): boolean {
  if (!type.startsWith('response.') || openings.has(type)) return false;
  // the answer is still to come
  return !(type === 'response.output_item.done' && isSilentReasoning(parseObject(data)?.item));
}
