import { type Fault, findFault, type SseFormatFault } from './faults.ts';
import { type CutHow, encodeFrames, type Frame, type StreamBody, type StreamFormat } from './frame.ts';
import { falsifyUsage } from './usage-fault.ts';

const pieceBytes = 65_536;

/** Make the frames of a stream misbehave and encode them. `toError` gives the dialect's in-stream error. */
export function* applyFrameFaults(
  body: StreamBody,
  faults: readonly Fault[],
  toError: () => Frame,
): Generator<Frame> {
  let frames = body.frames;
  const usage = findFault(faults, 'usage');
  if (usage !== undefined) {
    frames = falsifyFrames(frames, usage.usage);
  }
  const malformed = findFault(faults, 'malformed-chunk');
  if (malformed !== undefined) {
    frames = insertAfter(frames, malformed.afterChunks, (next) => [
      { ...(next.event === undefined ? {} : { event: next.event }), data: '{"broken": tru' },
    ]);
  }
  const error = findFault(faults, 'stream-error');
  if (error !== undefined) {
    const after = error.afterOpening === true ? 'opening' : error.afterChunks;
    frames = stopAfter(frames, after, () => [toError()]);
  }
  const giant = findFault(faults, 'giant-line');
  if (giant !== undefined) {
    frames = stopAfter(frames, giant.afterChunks ?? 0, () => giantLine(giant.bytes));
  }
  const tiny = findFault(faults, 'tiny-lines');
  if (tiny !== undefined) {
    frames = stopAfter(frames, tiny.afterChunks ?? 0, () => tinyLines(tiny.count));
  }
  const cut = findFault(faults, 'cut');
  if (cut !== undefined) {
    frames = stopAfter(frames, cut.afterChunks, (next) => [toCutFrame(cut.how, next)]);
  }
  if (findFault(faults, 'truncated-json') !== undefined) {
    frames = truncate(frames, body.format);
  }
  const format = findFault(faults, 'sse-format');
  if (format !== undefined && body.format === 'sse') {
    yield* encodeOddly(frames, format, body.lineEnding);
  } else {
    yield* encodeFrames({ ...body, frames });
  }
}

/** A body that is not streamed, as raw chunks, for the faults that cut or slow it. */
export function* toRawFrames(bytes: Buffer, size: number): Generator<Frame> {
  for (let start = 0; start < bytes.length; start += size) {
    yield { raw: bytes.subarray(start, start + size), isContent: true };
  }
}

/** `bytes` bytes of one letter, in pieces, never all in memory. */
export function* toPadding(bytes: number, letter: string): Generator<Frame> {
  const piece = Buffer.alloc(Math.min(pieceBytes, bytes), letter);
  for (let left = bytes; left > 0; left -= piece.length) {
    yield { raw: left < piece.length ? piece.subarray(0, left) : piece };
  }
}

function* stopAfter(
  frames: Iterable<Frame>,
  after: number | 'opening',
  toLast: (next: Frame | undefined) => Iterable<Frame>,
): Generator<Frame> {
  let content = 0;
  for (const frame of frames) {
    const isOver = after === 'opening' ? frame.isContent === true : after === 0 || content === after;
    if (isOver) {
      yield* toLast(frame);
      return;
    }
    yield frame;
    content += frame.isContent === true ? 1 : 0;
  }
  yield* toLast(undefined);
}

function* insertAfter(
  frames: Iterable<Frame>,
  after: number,
  toExtra: (next: Frame) => Iterable<Frame>,
): Generator<Frame> {
  let content = 0;
  let isDone = false;
  for (const frame of frames) {
    if (!isDone && content === after) {
      isDone = true;
      yield* toExtra(frame);
    }
    yield frame;
    content += frame.isContent === true ? 1 : 0;
  }
}

function toCutFrame(how: CutHow, next: Frame | undefined): Frame {
  // The half of the chunk that is sent before a FIN in its middle.
  const rest = next?.raw ?? Buffer.from(`data: ${next?.data ?? ''}`);
  return { cut: how, raw: rest.subarray(0, Math.ceil(rest.length / 2)) };
}

function* truncate(frames: Iterable<Frame>, format: StreamFormat): Generator<Frame> {
  for (const frame of frames) {
    if (frame.isContent === true && frame.data !== undefined) {
      const half = frame.data.slice(0, Math.ceil(frame.data.length / 2));
      yield { raw: Buffer.from(format === 'sse' ? `data: ${half}` : half) };
      yield { raw: Buffer.alloc(0), cut: 'clean-end' };
      return;
    }
    yield frame;
  }
}

function* giantLine(bytes: number): Generator<Frame> {
  yield { raw: Buffer.from('data: ') };
  yield* toPadding(bytes, 'x');
  yield { raw: Buffer.alloc(0), cut: 'clean-end' };
}

function* tinyLines(count: number): Generator<Frame> {
  const line = 'data: x\n';
  const perPiece = pieceBytes / line.length;
  const piece = Buffer.from(line.repeat(Math.min(count, perPiece)));
  for (let left = count; left > 0; left -= perPiece) {
    yield { raw: left < perPiece ? piece.subarray(0, left * line.length) : piece };
  }
  yield { raw: Buffer.alloc(0), cut: 'clean-end' };
}

function* falsifyFrames(frames: Iterable<Frame>, how: Parameters<typeof falsifyUsage>[1]): Generator<Frame> {
  for (const frame of frames) {
    const text = frame.data === undefined ? undefined : falsifyUsage(frame.data, how);
    if (text === undefined) {
      yield frame;
    } else if (text !== '') {
      yield { ...frame, data: text };
    }
  }
}

function* encodeOddly(frames: Iterable<Frame>, format: SseFormatFault, usual: string): Generator<Frame> {
  const endings = format.lineEnding === 'mixed' ? ['\n', '\r\n', '\r'] : [format.lineEnding ?? usual];
  let line = 0;
  const nextEnding = () => endings[line++ % endings.length] ?? '\n';
  let isFirst = true;
  for (const frame of frames) {
    if (frame.data === undefined) {
      yield frame;
      continue;
    }
    const lines: string[] = [];
    if (format.unknownEvents === true) {
      lines.push('event: telemetry.unheard_of', 'data: {"type":"telemetry.unheard_of"}', '');
    }
    if (format.comments === true) {
      lines.push(': keep-alive');
    }
    if (format.extraFields === true) {
      lines.push(`id: ${line}`, 'retry: 3000');
    }
    if (frame.event !== undefined) {
      lines.push(`event: ${frame.event}`);
    }
    lines.push(...toDataLines(frame.data, format.multiLineData === true), '');
    // A bare CR followed by LF would read as one CRLF: the blank line takes the ending of the line before it.
    let text = isFirst && format.bom === true ? '\uFEFF' : '';
    let ending = '';
    for (const entry of lines) {
      ending = entry === '' ? ending : nextEnding();
      text += entry + ending;
    }
    isFirst = false;
    yield { ...frame, raw: Buffer.from(text) };
  }
}

function toDataLines(data: string, isMultiLine: boolean): string[] {
  if (!isMultiLine || !data.startsWith('{')) {
    return data.split('\n').map((line) => `data: ${line}`);
  }
  const value: unknown = JSON.parse(data);
  return JSON.stringify(value, null, 1)
    .split('\n')
    .map((line) => `data: ${line}`);
}
