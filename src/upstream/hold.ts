import type { Secret } from '../secrets/secret.ts';
import { concatBytes, toBytes } from './bytes.ts';
import type { EgressReply } from './egress.ts';
import { EventInspector } from './event-inspector.ts';
import { type AttemptFailure, toBrokenReply, toInvalidReply, toStreamFailure } from './failure.ts';
import type { Inspector } from './inspector.ts';
import { passingInspector } from './json-inspector.ts';

const over: IteratorResult<never> = { done: true, value: undefined };

/** A stream that has proved usable: what came so far, and where the rest comes from. */
export interface HeldStream {
  /** Inspected, and not passed on yet. */
  readonly bytes: Uint8Array;
  /** Undefined when `bytes` is all of it. */
  readonly rest: AsyncIterator<Uint8Array> | undefined;
}

/**
 * Reads a stream until there is something for the caller, so that one that brings an error, garbage or nothing can
 * still be retried elsewhere unseen. The first content goes out at once.
 *
 * @param secret of the request
 * @param maxBytes the most that is held; a stream that is longer without content goes out as it is
 * @param untilWhole waits for the end instead of the first content
 * @param began called at the first content
 * @throws AttemptFailure when there is nothing to send out
 */
export async function holdStream(
  reply: EgressReply,
  secret: Secret,
  inspector: Inspector,
  maxBytes: number,
  untilWhole: boolean,
  began: () => void,
): Promise<HeldStream> {
  const { body } = reply;
  const iterator = body[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    let step: IteratorResult<Uint8Array>;
    try {
      step = await iterator.next();
    } catch (error) {
      if (!inspector.isWhole) throw toBrokenReply(error);
      // nothing was missing
      step = over;
    }
    if (step.done) {
      const { rest, error } = inspector.end();
      if (error) throw toFailure(error, inspector, reply, secret);
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
      throw toFailure(error, inspector, reply, secret);
    }
    if (inspector.failure || inspector.errorType !== undefined) {
      body.cancel();
      throw toFailure(inspector.failure, inspector, reply, secret);
    }
    if (inspector.hasBegun) began();
    const isReady = inspector.hasBegun && !untilWhole;
    if (isReady || size > maxBytes) {
      if (inspector.isWhole) checkEmpty(inspector);
      return { bytes: concatBytes(held), rest: iterator };
    }
  }
}

function toFailure(
  error: unknown,
  inspector: Inspector,
  { headers }: EgressReply,
  secret: Secret,
): AttemptFailure {
  const body = inspector instanceof EventInspector ? inspector.errorBody : undefined;
  return toStreamFailure(error, inspector.errorType, body, {
    status: 400,
    headers,
    bytes: body && toBytes(JSON.stringify(body)),
    rest: undefined,
    inspector: passingInspector,
    secret,
  });
}

function checkEmpty(inspector: Inspector): void {
  if (inspector instanceof EventInspector && inspector.isEmpty) {
    throw toInvalidReply('The provider sent a stream with nothing in it.', 'empty stream', { again: true });
  }
}
