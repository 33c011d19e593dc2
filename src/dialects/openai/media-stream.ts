import type { Usage } from '../../message.ts';
import type { StreamReader } from '../dialect.ts';
import { EventReader } from '../event-reader.ts';
import { asObject, asText, eventType } from '../stream-data.ts';
import { toOpenAiUsage } from './usage.ts';

const terminal = new Set([
  'image_generation.completed',
  'image_edit.completed',
  'speech.audio.done',
  'transcript.text.done',
]);

/** Follows a stream of the image and audio endpoints: whole with the event that ends each, or with `[DONE]`. */
export function createMediaStreamReader(): StreamReader {
  return new MediaStreamReader();
}

class MediaStreamReader extends EventReader {
  usage: Usage | undefined = undefined;

  protected override readObject(event: string | undefined, data: string): 'relay' {
    const type = eventType(event, data);
    const ends = type !== undefined && terminal.has(type);
    if (type === undefined || type === 'error' || ends) this.#readParsed(type, data, ends);
    else this.hasContent ||= type.includes('.');
    return 'relay';
  }

  protected override readDone(): void {
    this.whole = true;
  }

  #readParsed(type: string | undefined, data: string, ends: boolean): void {
    const parsed = this.parse(data);
    if (!parsed) return;
    if (type === 'error' || parsed.error) {
      const error = asObject(parsed.error) ?? parsed;
      this.error ??= { type: asText(error.code) ?? (error === parsed ? undefined : asText(error.type)) };
    }
    if (!ends) return;
    this.whole = true;
    this.hasContent = true;
    this.usage = toOpenAiUsage(parsed.usage) ?? this.usage;
  }
}
