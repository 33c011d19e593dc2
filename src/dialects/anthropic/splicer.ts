import {
  addCounts,
  type Splice,
  type StreamSplicer,
  toPrefixFilter,
  withoutTrailingBlanks,
} from '../splicer.ts';
import { asObject, dataKind, eventType, type Members, parseObject } from '../stream-data.ts';

/** Splices streams of the Messages API: one block of text, still open. */
export function createAnthropicSplicer(): StreamSplicer {
  let text = '';
  let isPlain = true;

  function deliver(type: string | undefined, event: Members): void {
    if (type === 'message_start' || type === 'ping') return;
    if (type === 'content_block_start') {
      const block = asObject(event.content_block);
      if (event.index === 0 && block?.type === 'text') text += String(block.text ?? '');
      else isPlain = false;
    } else if (type === 'content_block_delta') {
      const delta = asObject(event.delta);
      if (delta?.type === 'text_delta' && typeof delta.text === 'string') text += delta.text;
      else isPlain = false;
    } else {
      isPlain = false;
    }
  }

  return {
    delivered(data) {
      const event = dataKind(data) === 'object' ? parseObject(data) : undefined;
      if (event) deliver(eventType(undefined, data), event);
      else if (data.trim() !== '') isPlain = false;
    },
    get text() {
      return isPlain && text !== '' ? text : undefined;
    },
    continuation(body) {
      const messages = body('messages');
      if (!Array.isArray(messages)) return undefined;
      const { kept } = withoutTrailingBlanks(text);
      const last = asObject(messages.at(-1));
      if (last?.role !== 'assistant') {
        return { messages: [...messages, { role: 'assistant', content: kept }] };
      }
      if (typeof last.content !== 'string') return undefined;
      return { messages: [...messages.slice(0, -1), { ...last, content: last.content + kept }] };
    },
    splice(mode, spent): Splice {
      const prefix = toPrefixFilter(mode, text);
      /** How much further on the blocks of the other stream are than they say; unknown before its first one. */
      let shift: number | undefined;
      const render = (type: string, event: Members) => `event: ${type}\ndata: ${JSON.stringify(event)}\n\n`;
      return {
        get isReady() {
          return mode === 'continue' || prefix.isDone;
        },
        event({ event: name, data }) {
          const event = dataKind(data) === 'object' ? parseObject(data) : undefined;
          const type = event && eventType(name, data);
          if (!event || type === undefined) return '';
          if (type === 'message_start') return '';
          if (type === 'ping') return render(type, event);
          if (type === 'content_block_start' && shift === undefined) {
            const isText = asObject(event.content_block)?.type === 'text';
            if (!isText && !this.isReady) return undefined;
            shift = isText ? 0 : 1;
            if (isText) return '';
            // the block that is still open ends where it broke
            return (
              render('content_block_stop', { type: 'content_block_stop', index: 0 }) +
              render(type, { ...event, index: 1 })
            );
          }
          const index = typeof event.index === 'number' ? { index: event.index + (shift ?? 0) } : {};
          const delta = asObject(event.delta);
          if (
            type === 'content_block_delta' &&
            delta?.type === 'text_delta' &&
            typeof delta.text === 'string'
          ) {
            const fresh = prefix.take(delta.text);
            if (fresh === undefined || fresh === '') return fresh;
            return render(type, { ...event, ...index, delta: { ...delta, text: fresh } });
          }
          if (!this.isReady) return undefined;
          const usage = asObject(event.usage);
          const told = usage && {
            usage: addCounts(usage, {
              input_tokens: spent?.inputTokens,
              output_tokens: spent?.outputTokens,
            }),
          };
          return render(type, { ...event, ...index, ...told });
        },
      };
    },
  };
}
