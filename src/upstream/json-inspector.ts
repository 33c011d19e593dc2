import type { Dialect } from '../dialects/dialect.ts';
import { GatewayError } from '../errors.ts';
import { createJsonObserver } from '../json/observer.ts';
import type { Inspector } from './inspector.ts';

/**
 * Follows a JSON reply, in any number of chunks: whether it is whole, and what it says of usage.
 *
 * @param maxBytes largest reply; more is an error.
 * @param metered false for replies whose usage has been counted before.
 */
export function createJsonInspector(dialect: Dialect, maxBytes: number, metered: boolean): Inspector {
  const observer = createJsonObserver({ capture: dialect.usageMembers });
  let size = 0;
  return {
    chunk(bytes) {
      size += bytes.length;
      if (size > maxBytes) {
        throw new GatewayError(
          'upstream_invalid_response',
          'The provider sent a reply larger than this gateway relays.',
        );
      }
      observer.feed(bytes);
      return bytes;
    },
    end() {
      const whole = observer.complete && !observer.failed;
      return {
        rest: undefined,
        error: whole
          ? undefined
          : new GatewayError(
              'upstream_invalid_response',
              'The provider sent a reply that is cut off or is not JSON.',
            ),
      };
    },
    usage: () => (metered ? dialect.readUsage((name) => observer.value(name)) : undefined),
    // a JSON document has no room for an error behind it: the connection is broken off instead
    errorTail: () => undefined,
  };
}

/** Lets any other body pass (audio, JSON Lines, …): its end is the end of the connection or the declared length. */
export const passingInspector: Inspector = {
  chunk: (bytes) => bytes,
  end: () => ({ rest: undefined, error: undefined }),
  usage: () => undefined,
  errorTail: () => undefined,
};
