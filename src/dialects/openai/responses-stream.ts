import type { StreamReader } from '../dialect.ts';
import {
  asObject,
  asText,
  dataKind,
  eventType,
  type MutableStreamReader,
  parseObject,
} from '../stream-data.ts';
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

/**
 * Follows a stream of the Responses API. It is whole with `response.completed`, `response.incomplete`,
 * `response.failed` or `response.cancelled`, which also hold the usage; nothing else is parsed.
 */
export function createResponsesStreamReader(): StreamReader {
  const reader: MutableStreamReader = {
    whole: false,
    usage: undefined,
    error: undefined,
    hasContent: false,
    malformed: false,
    read({ event, data }) {
      const kind = dataKind(data);
      if (kind === 'object') readEvent(eventType(event, data), data);
      else if (kind === 'broken') reader.malformed = true;
      return 'relay';
    },
  };

  function readEvent(type: string | undefined, data: string): void {
    if (type === undefined || type === 'error' || terminal.has(type)) readParsed(type, data);
    else if (!reader.hasContent) reader.hasContent = type.startsWith('response.') && !openings.has(type);
  }

  function readParsed(type: string | undefined, data: string): void {
    const parsed = parseObject(data);
    if (!parsed) {
      reader.malformed = true;
      return;
    }
    if (type === 'error' || (type === undefined && parsed.error)) {
      // flat by the specification; some servers nest it as the JSON replies do
      const error = asObject(parsed.error) ?? parsed;
      const ownType = error === parsed ? undefined : asText(error.type);
      reader.error ??= { type: asText(error.code) ?? ownType };
      return;
    }
    if (type === undefined) return;
    const response = asObject(parsed.response);
    reader.whole = true;
    reader.usage = toOpenAiUsage(response?.usage) ?? reader.usage;
    if (type === 'response.failed') reader.error ??= { type: asText(asObject(response?.error)?.code) };
    else reader.hasContent = true;
  }

  return reader;
}
