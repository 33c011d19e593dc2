/** How a streamed body is put on the wire. */
export type StreamFormat = 'sse' | 'json-array' | 'bytes';

/** How a stream stops before its protocol says it is over. */
export type CutHow = 'reset' | 'fin-mid-chunk' | 'clean-end' | 'clean-end-close-delimited' | 'stall';

/** One unit of a streamed reply: an event, an array element, or raw bytes. */
export interface Frame {
  /** The SSE `event:` name; none for bare `data:` lines. */
  readonly event?: string;
  /** The payload, encoded as the stream's format says. */
  readonly data?: string;
  /** Bytes to write exactly as they are, in place of `data`. */
  readonly raw?: Buffer;
  /** Output tokens generated once this frame is sent. */
  readonly outputTokens?: number;
  /** Whether the frame carries text, tool arguments or thinking. */
  readonly isContent?: boolean;
  /** Stop here, like this. */
  readonly cut?: CutHow;
}

/** A streamed body. `frames` is lazy, so that thousands of paced streams stay small. */
export interface StreamBody {
  readonly format: StreamFormat;
  readonly lineEnding: '\n' | '\r\n';
  readonly frames: Iterable<Frame>;
}

/** An SSE stream body with line feeds, as OpenAI and Anthropic send. */
export function toSseBody(frames: Iterable<Frame>): StreamBody {
  return { format: 'sse', lineEnding: '\n', frames };
}

/** One event as bytes of a `text/event-stream`. */
export function encodeSse(frame: Frame, lineEnding: string): Buffer {
  const lines: string[] = [];
  if (frame.event !== undefined) {
    lines.push(`event: ${frame.event}`);
  }
  for (const line of (frame.data ?? '').split('\n')) {
    lines.push(`data: ${line}`);
  }
  return Buffer.from(`${lines.join(lineEnding)}${lineEnding}${lineEnding}`);
}

/** Encode the frames of a body one by one; a cut frame passes through untouched. */
export function* encodeFrames(body: StreamBody): Generator<Frame> {
  let count = 0;
  for (const frame of body.frames) {
    if (frame.data === undefined) {
      yield frame;
      if (frame.cut !== undefined) {
        return;
      }
      continue;
    }
    if (body.format === 'json-array') {
      yield { ...frame, raw: Buffer.from(`${count === 0 ? '[' : ',\r\n'}${frame.data}`) };
    } else {
      yield { ...frame, raw: encodeSse(frame, body.lineEnding) };
    }
    count += 1;
  }
  if (body.format === 'json-array') {
    yield { raw: Buffer.from(count === 0 ? '[]' : ']') };
  }
}
