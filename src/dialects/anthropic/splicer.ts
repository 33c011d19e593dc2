import type { ReadRequest, StreamSplicer } from '../splicer.ts';
import { asObject, type Members } from '../stream-data.ts';
import {
  addCounts,
  createTextSplicer,
  type Splicing,
  type TextStream,
  withUnfinishedTurn,
} from '../text-splicer.ts';

/** Splices streams of the Messages API: one block of text, still open. */
export function createAnthropicSplicer(request: ReadRequest): StreamSplicer {
  return createTextSplicer({ textOf, rewriter, continuation });

  function continuation(text: string): Members | undefined {
    const messages = withUnfinishedTurn(request('messages'), text);
    return messages && { messages };
  }
}

const textOf: TextStream['textOf'] = (event, type) => {
  switch (type) {
    case 'message_start':
    case 'ping':
      return '';
    case 'content_block_start': {
      const block = asObject(event.content_block);
      return event.index === 0 && block?.type === 'text' ? String(block.text ?? '') : undefined;
    }
    case 'content_block_delta':
      return deltaOf(event);
    default:
      return undefined;
  }
};

/** The text of a delta; undefined when it brings anything else. */
function deltaOf(event: Members): string | undefined {
  const delta = asObject(event.delta);
  return delta?.type === 'text_delta' && typeof delta.text === 'string' ? delta.text : undefined;
}

function rewriter(splicing: Splicing): ReturnType<TextStream['rewriter']> {
  /** What to add to the block indexes of the other stream; unknown before its first block. */
  let shift: number | undefined;

  function begin(event: Members): string | undefined {
    const isText = asObject(event.content_block)?.type === 'text';
    if (!isText && !splicing.isReady) return undefined;
    shift = isText ? 0 : 1;
    if (isText) return '';
    // the block that is still open ends where it broke
    const end = render('content_block_stop', { type: 'content_block_stop', index: 0 });
    return end + render('content_block_start', { ...event, index: 1 });
  }

  return (event, type) => {
    if (type === undefined || type === 'message_start') return '';
    if (type === 'ping') return render(type, event);
    if (type === 'content_block_start' && shift === undefined) return begin(event);
    const index = typeof event.index === 'number' ? { index: event.index + (shift ?? 0) } : {};
    const text = type === 'content_block_delta' ? deltaOf(event) : undefined;
    if (text !== undefined) {
      const fresh = splicing.fresh(text);
      if (fresh === undefined || fresh === '') return fresh;
      return render(type, { ...event, ...index, delta: { ...asObject(event.delta), text: fresh } });
    }
    if (!splicing.isReady) return undefined;
    return render(type, { ...event, ...index, ...toldUsage(event, splicing) });
  };
}

function toldUsage({ usage }: Members, { spent }: Splicing): Members {
  const counts = asObject(usage);
  if (!counts) return {};
  return {
    usage: addCounts(counts, { input_tokens: spent?.inputTokens, output_tokens: spent?.outputTokens }),
  };
}

function render(type: string, event: Members): string {
  return `event: ${type}\ndata: ${JSON.stringify(event)}\n\n`;
}
