import type { Dialect } from '../dialects/dialect.ts';
import { GatewayError } from '../errors.ts';
import { toBuffer } from './bytes.ts';
import type { Inspector } from './inspector.ts';

/**
 * Follows a stream that is one JSON array, an element at a time: how Gemini streams when it is not asked for events.
 * Each element is read as an event of the dialect would be. Decoded as latin1, for the reasons given in `event-inspector.ts`.
 *
 * @param maxElementBytes largest element; more is an error.
 */
export function createArrayInspector(dialect: Dialect, maxElementBytes: number): Inspector {
  const reader = dialect.createStreamReader({ dropUsage: false });
  let element = '';
  let depth = 0;
  let inString = false;
  let escaped = false;
  let closed = false;

  function scan(text: string): void {
    let start = 0;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (inString) {
        if (escaped) escaped = false;
        else if (code === 0x5c) escaped = true;
        else if (code === 0x22) inString = false;
      } else if (code === 0x22) {
        inString = true;
      } else if (code === 0x7b || code === 0x5b) {
        if (depth === 1) start = index;
        depth++;
      } else if (code === 0x7d || code === 0x5d) {
        depth--;
        if (depth === 1) {
          reader.read({ data: element + text.slice(start, index + 1) });
          element = '';
        }
        closed = depth === 0;
      }
    }
    if (depth > 1) element += text.slice(start);
    if (element.length > maxElementBytes) {
      throw new GatewayError(
        'upstream_invalid_response',
        'The provider sent an event larger than this gateway relays.',
      );
    }
  }

  return {
    get hasBegun() {
      return reader.hasContent || reader.whole || closed || reader.error !== undefined;
    },
    get isWhole() {
      return closed;
    },
    failure: undefined,
    get errorType() {
      return reader.error?.type;
    },
    chunk(bytes) {
      scan(toBuffer(bytes).toString('latin1'));
      return bytes;
    },
    end() {
      if (reader.error) return { rest: undefined, error: providerError() };
      const error = closed
        ? undefined
        : new GatewayError('stream_incomplete', 'The provider ended the stream before it was complete.');
      return { rest: undefined, error };
    },
    usage: () => reader.usage,
    errorTail: () => undefined,
  };
}

function providerError(): GatewayError {
  return new GatewayError('upstream_error', 'The provider reported an error in the stream.');
}
