import type { Dialect } from '../dialects/dialect.ts';
import { GatewayError } from '../errors.ts';
import type { Secret } from '../secrets/secret.ts';
import { toBuffer } from './bytes.ts';
import type { Inspector } from './inspector.ts';
import { scrub } from './scrub.ts';

/**
 * Follows a stream that is one JSON array, an element at a time: how Gemini streams when it is not asked for events.
 * Each element is read like an event of the dialect, and goes out when it is whole; an error ends the array, without
 * what it repeats of the credential. Decoded as latin1, for the reasons given in `event-inspector.ts`.
 *
 * @param maxElementBytes largest element; more is an error.
 * @param secret what the request was made with. @default nothing is removed from an error
 * @param alongside other header fields sent that may be credentials, too
 */
export function createArrayInspector(
  dialect: Dialect,
  maxElementBytes: number,
  secret?: Secret,
  alongside: Readonly<Record<string, Secret>> = {},
): Inspector {
  const reader = dialect.createStreamReader({ dropUsage: false });
  /** What has come of an unfinished element. */
  let element = '';
  let errorElement: string | undefined;
  let failure: GatewayError | undefined;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let closed = false;

  /** The part of a text that goes out. */
  function sift(text: string): string {
    let kept = '';
    /** Where the rest begins. */
    let from = 0;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      if (inString) {
        if (escaped) escaped = false;
        else if (code === 0x5c) escaped = true;
        else if (code === 0x22) inString = false;
      } else if (code === 0x22) {
        inString = true;
      } else if (code === 0x7b || code === 0x5b) {
        if (depth === 1) {
          kept += text.slice(from, index);
          from = index;
        }
        depth++;
      } else if (code === 0x7d || code === 0x5d) {
        depth--;
        if (depth === 1) {
          const whole = element + text.slice(from, index + 1);
          element = '';
          from = index + 1;
          reader.read({ data: whole });
          if (reader.error) {
            failure = new GatewayError('upstream_error', 'The provider reported an error in the stream.');
            errorElement = secret ? scrub(whole, secret, Object.values(alongside)) : whole;
            errorElement ??= dialect.renderError(failure, '').body;
            return kept;
          }
          kept += whole;
        }
        closed = depth === 0;
      }
    }
    if (depth <= 1) return kept + text.slice(from);
    element += text.slice(from);
    if (element.length > maxElementBytes) {
      throw new GatewayError(
        'upstream_invalid_response',
        'The provider sent an event larger than this gateway relays.',
      );
    }
    return kept;
  }

  return {
    get hasBegun() {
      return reader.hasContent || reader.whole || closed || failure !== undefined;
    },
    get isWhole() {
      return closed;
    },
    get failure() {
      return failure;
    },
    get errorType() {
      return reader.error?.type;
    },
    chunk(bytes) {
      if (failure) return bytes.subarray(0, 0);
      const text = toBuffer(bytes).toString('latin1');
      const kept = sift(text);
      return kept === text ? bytes : Buffer.from(kept, 'latin1');
    },
    end() {
      const error = closed
        ? undefined
        : new GatewayError('stream_incomplete', 'The provider ended the stream before it was complete.');
      return { rest: undefined, error: failure ?? error };
    },
    usage: () => reader.usage,
    // the array ends with it, as the provider's own would
    errorTail: () => (errorElement === undefined ? undefined : Buffer.from(`${errorElement}]`, 'latin1')),
  };
}
