import type { StreamReader } from '../dialect.ts';
import {
  asObject,
  asText,
  dataKind,
  eventType,
  type Members,
  type MutableStreamReader,
  parseObject,
} from '../stream-data.ts';
import { mergeAnthropicUsage, toAnthropicUsage } from './usage.ts';

/**
 * Follows a stream of the Messages API. It is whole with `message_stop`. Only `message_start`, `message_delta`
 * and `error` are parsed; pings and events invented later pass by.
 */
export function createAnthropicStreamReader(): StreamReader {
  let counts: Members | undefined;

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
    switch (type) {
      case 'content_block_delta':
      case 'content_block_stop':
        reader.hasContent = true;
        return;
      case 'message_stop':
        reader.whole = true;
        return;
      case 'message_start':
      case 'message_delta':
      case 'error':
      case undefined:
        readParsed(type, data);
        return;
    }
  }

  function readParsed(type: string | undefined, data: string): void {
    const parsed = parseObject(data);
    if (!parsed) {
      reader.malformed = true;
    } else if (type === 'error' || parsed.error) {
      reader.error ??= { type: asText(asObject(parsed.error)?.type) };
    } else {
      const holder = type === 'message_start' ? asObject(parsed.message) : parsed;
      counts = mergeAnthropicUsage(counts, holder?.usage);
      reader.usage = toAnthropicUsage(counts);
    }
  }

  return reader;
}
