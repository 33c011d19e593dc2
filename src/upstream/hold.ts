import { concatBytes } from './bytes.ts';
import type { EgressBody } from './egress.ts';
import { EventInspector } from './event-inspector.ts';
import { type AttemptFailure, toBrokenReply, toInvalidReply, toStreamFailure } from './failure.ts';
import type { Inspector } from './inspector.ts';

const over: IteratorResult<never> = { done: true, value: undefined };

/** A stream that has shown what it is worth: what came so far, and where the rest comes from. */
export interface HeldStream {
  /** Inspected, and not passed on yet. */
  readonly bytes: Uint8Array;
  /** Undefined when `bytes` is all of it. */
  readonly rest: AsyncIterator<Uint8Array> | undefined;
}

/**
 * Reads a stream until there is something for the caller, so that one that brings an error, nonsense or nothing can
 * still be tried elsewhere unseen. The first content goes on at once.
 *
 * @param maxBytes what is held at the most; a stream that is longer than this without content goes out as it is
 * @param untilWhole waits for the end in place of the first content
 * @param began told of the first content
 * @throws AttemptFailure when there is nothing to go out
 */
export async function holdStream(
  body: EgressBody,
  inspector: Inspector,
  maxBytes: number,
  untilWhole: boolean,
  began: () => void,
): Promise<HeldStream> {
  const iterator = body[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    let step: IteratorResult<Uint8Array>;
    try {
      step = await iterator.next();
    } catch (error) {
      if (!inspector.isWhole) throw toBrokenReply(error);
      // nothing more was to come
      step = over;
    }
    if (step.done) {
      const { rest, error } = inspector.end();
      if (error) throw failureOf(inspector, error);
      checkEmpty(inspector);
      if (rest) held.push(rest);
      return { bytes: concatBytes(held), rest: undefined };
    }
    try {
      const passed = inspector.chunk(step.value);
      size += passed.length;
      if (passed.length > 0) held.push(passed);
    } catch (error) {
      body.cancel();
      throw failureOf(inspector, error);
    }
    if (inspector.failure || inspector.errorType !== undefined) {
      body.cancel();
      throw failureOf(inspector, inspector.failure);
    }
    if (inspector.hasBegun) began();
    const isReady = inspector.hasBegun && !untilWhole;
    if (isReady || size > maxBytes) {
      if (inspector.isWhole) checkEmpty(inspector);
      return { bytes: concatBytes(held), rest: iterator };
    }
  }
}

function failureOf(inspector: Inspector, error: unknown): AttemptFailure {
  return toStreamFailure(error, inspector.errorType);
}

function checkEmpty(inspector: Inspector): void {
  if (inspector instanceof EventInspector && inspector.isEmpty && !inspector.usage()?.outputTokens) {
    throw toInvalidReply('The provider sent a stream with nothing in it.', 'empty stream', { again: true });
  }
}
