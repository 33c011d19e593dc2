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
  'image_generation.completed',
  'image_edit.completed',
  'speech.audio.done',
  'transcript.text.done',
]);

/** Follows a stream of the image and audio endpoints: whole with the event that ends each, or with `[DONE]`. */
export function createMediaStreamReader(): StreamReader {
  const reader: MutableStreamReader = {
    whole: false,
    usage: undefined,
    error: undefined,
    hasContent: false,
    malformed: false,
    read({ event, data }) {
      const kind = dataKind(data);
      if (kind === 'object') readEvent(eventType(event, data), data);
      else if (kind === 'done') reader.whole = true;
      else if (kind === 'broken') reader.malformed = true;
      return 'relay';
    },
  };

  function readEvent(type: string | undefined, data: string): void {
    const ends = type !== undefined && terminal.has(type);
    if (type !== undefined && type !== 'error' && !ends) {
      reader.hasContent ||= type.includes('.');
      return;
    }
    const parsed = parseObject(data);
    if (!parsed) {
      reader.malformed = true;
      return;
    }
    if (type === 'error' || parsed.error) {
      const error = asObject(parsed.error) ?? parsed;
      reader.error ??= { type: asText(error.code) ?? (error === parsed ? undefined : asText(error.type)) };
    }
    if (!ends) return;
    reader.whole = true;
    reader.hasContent = true;
    reader.usage = toOpenAiUsage(parsed.usage) ?? reader.usage;
  }

  return reader;
}
