import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { extraResponse } from './broken-reply.ts';
import { encodeBody } from './encode-body.ts';
import { type Fault, findFault } from './faults.ts';
import type { CutHow, Frame } from './frame.ts';
import { applyFrameFaults, toPadding, toRawFrames } from './frame-faults.ts';
import type { Reply, TallyEntry } from './types.ts';
import { falsifyUsage } from './usage-fault.ts';

const rawPieceBytes = 64;
const headerPieceBytes = 4_096;
// Long enough for a client on loopback to read what came before a reset, which discards what is unread.
const resetGraceMs = 30;

/** One reply on its way out. */
export interface Delivery {
  readonly response: ServerResponse;
  readonly faults: readonly Fault[];
  readonly entry: TallyEntry | undefined;
  readonly chunkDelayMs: number;
  /** Aborted when the connection is gone, whoever closed it. */
  readonly gone: AbortSignal;
  /** Call before closing the connection, so that the request does not count as aborted. */
  readonly closing: () => void;
  readonly toStreamError: () => Frame;
}

/** Send a reply, with its faults. Resolves when it ended, was cut, or the client went away. */
export async function deliver(delivery: Delivery, reply: Reply): Promise<void> {
  const { response, faults, entry } = delivery;
  writeInformational(delivery);
  response.statusCode = reply.status;
  for (const [name, value] of Object.entries(reply.headers)) {
    response.setHeader(name, value);
  }
  padHeaders(response, faults);
  const cut = findFault(faults, 'cut');
  if (cut?.how === 'clean-end-close-delimited') {
    response.useChunkedEncodingByDefault = false;
    response.setHeader('connection', 'close');
  }
  const isStream = !Buffer.isBuffer(reply.body);
  const frames = rechunk(toFrames(delivery, reply), faults);
  if (isStream) {
    response.flushHeaders();
  } else if (entry !== undefined) {
    // A whole body exists only once all of it was generated.
    addTokens(entry, reply);
  }
  let finished = true;
  for (const frame of frames) {
    if (delivery.gone.aborted) {
      return;
    }
    if (frame.cut !== undefined) {
      finished = await performCut(delivery, frame.cut, frame.raw ?? Buffer.alloc(0));
      break;
    }
    if (isStream && frame.isContent === true && delivery.chunkDelayMs > 0) {
      await pause(delivery.chunkDelayMs, delivery.gone);
    }
    await write(delivery, frame.raw ?? Buffer.alloc(0));
    if (isStream && entry !== undefined && frame.outputTokens !== undefined) {
      entry.generatedTokens += frame.outputTokens;
      entry.billedOutputTokens = entry.generatedTokens;
    }
    await betweenWrites(delivery, faults);
  }
  if (!finished || delivery.gone.aborted) {
    return;
  }
  if (entry !== undefined && cut === undefined) {
    addTokens(entry, reply);
    entry.complete = true;
  }
  endReply(delivery);
}

/** A timer that ends early, without an error, when the connection is gone. */
export async function pause(ms: number, gone: AbortSignal): Promise<void> {
  try {
    await setTimeout(ms, undefined, { signal: gone });
  } catch {
    // The connection is gone; the caller looks at the signal.
  }
}

/** Resolves when the connection is gone. */
export async function untilGone(gone: AbortSignal): Promise<void> {
  if (!gone.aborted) {
    await once(gone, 'abort');
  }
}

function toFrames(delivery: Delivery, reply: Reply): Iterable<Frame> {
  const { response, faults } = delivery;
  const encoded = findFault(faults, 'encoded');
  if (!Buffer.isBuffer(reply.body)) {
    const frames = applyFrameFaults(reply.body, faults, delivery.toStreamError);
    if (encoded === undefined) {
      return frames;
    }
    const whole = Buffer.concat(Array.from(frames, (frame) => frame.raw ?? Buffer.alloc(0)));
    const result = encodeBody(whole, encoded);
    response.setHeader('content-encoding', result.contentEncoding);
    return [{ raw: result.body, isContent: true }];
  }
  let body = reply.body;
  const usage = findFault(faults, 'usage');
  if (usage !== undefined) {
    body = Buffer.from(falsifyUsage(body.toString(), usage.usage) ?? body);
  }
  const huge = findFault(faults, 'huge-json');
  if (huge !== undefined) {
    return growJson(body, huge.bytes);
  }
  if (findFault(faults, 'truncated-json') !== undefined) {
    body = body.subarray(0, Math.ceil(body.length / 2));
  }
  if (encoded !== undefined) {
    const result = encodeBody(body, encoded);
    response.setHeader('content-encoding', result.contentEncoding);
    body = result.body;
  }
  return toBufferFrames(response, body, faults);
}

function toBufferFrames(response: ServerResponse, body: Buffer, faults: readonly Fault[]): Iterable<Frame> {
  const wrong = findFault(faults, 'wrong-content-length');
  if (wrong !== undefined) {
    response.setHeader('content-length', Math.max(0, body.length + wrong.by));
    return [{ raw: body }, { raw: Buffer.alloc(0), cut: 'clean-end' }];
  }
  const cut = findFault(faults, 'cut');
  if (cut === undefined) {
    response.setHeader('content-length', body.length);
    return [{ raw: body }];
  }
  if (cut.how === 'reset' || cut.how === 'stall') {
    response.setHeader('content-length', body.length);
  }
  response.flushHeaders();
  const frames = { format: 'bytes', lineEnding: '\n', frames: toRawFrames(body, rawPieceBytes) } as const;
  return applyFrameFaults(frames, [cut], () => ({}));
}

function* growJson(body: Buffer, bytes: number): Generator<Frame> {
  const text = body.toString().trimEnd();
  yield { raw: Buffer.from(`${text.slice(0, -1)},"padding":"`) };
  yield* toPadding(bytes, 'x');
  yield { raw: Buffer.from('"}') };
}

function* rechunk(frames: Iterable<Frame>, faults: readonly Fault[]): Generator<Frame> {
  const size = findFault(faults, 'split')?.everyBytes ?? findFault(faults, 'slow-body')?.bytes;
  for (const frame of frames) {
    if (
      size === undefined ||
      frame.cut !== undefined ||
      frame.raw === undefined ||
      frame.raw.length <= size
    ) {
      yield frame;
      continue;
    }
    const { raw, outputTokens, isContent } = frame;
    for (let start = 0; start < raw.length; start += size) {
      const isLast = start + size >= raw.length;
      yield {
        raw: raw.subarray(start, start + size),
        ...(start === 0 && isContent === true ? { isContent } : {}),
        ...(isLast && outputTokens !== undefined ? { outputTokens } : {}),
      };
    }
  }
}

async function write(delivery: Delivery, bytes: Buffer): Promise<void> {
  if (bytes.length === 0 || delivery.gone.aborted || delivery.response.write(bytes)) {
    return;
  }
  try {
    await once(delivery.response, 'drain', { signal: delivery.gone });
  } catch {
    // The connection is gone; the loop looks at the signal.
  }
}

async function betweenWrites(delivery: Delivery, faults: readonly Fault[]): Promise<void> {
  const slow = findFault(faults, 'slow-body');
  if (slow !== undefined) {
    await pause(slow.intervalMs, delivery.gone);
  } else if (findFault(faults, 'split') !== undefined) {
    // A turn of the event loop between writes keeps them apart on the wire.
    await setImmediate();
  }
}

/** Returns whether the reply is still to be ended in the usual way. */
async function performCut(delivery: Delivery, how: CutHow, rest: Buffer): Promise<boolean> {
  const { response, gone } = delivery;
  const { socket } = response;
  switch (how) {
    case 'stall':
      await untilGone(gone);
      return false;
    case 'reset':
      await pause(resetGraceMs, gone);
      delivery.closing();
      socket?.resetAndDestroy();
      return false;
    case 'fin-mid-chunk': {
      const announced = (rest.length + 1_024).toString(16);
      delivery.closing();
      socket?.end(Buffer.concat([Buffer.from(`${announced}\r\n`), rest]));
      return false;
    }
    default:
      break;
  }
  if (response.hasHeader('content-length')) {
    // On a kept connection Node waits for the announced bytes; only closing ends the reply.
    delivery.closing();
    socket?.end();
    return false;
  }
  return true;
}

function endReply(delivery: Delivery): void {
  const { response } = delivery;
  const extra = findFault(delivery.faults, 'extra-response');
  const { socket } = response;
  if (extra !== undefined && socket !== null) {
    response.once('finish', () => {
      // Not `pause`: the exchange is over, and only the connection lives on.
      void setTimeout(extra.afterMs ?? 0).then(() => socket.destroyed || socket.write(extraResponse));
    });
  }
  response.end();
}

function addTokens(entry: TallyEntry, reply: Reply): void {
  const usage = reply.billed?.usage;
  if (usage !== undefined) {
    entry.generatedTokens = usage.outputTokens + usage.reasoningTokens;
    entry.billedOutputTokens = entry.generatedTokens;
  }
}

function writeInformational(delivery: Delivery): void {
  const fault = findFault(delivery.faults, 'informational');
  const names = { 100: 'Continue', 102: 'Processing', 103: 'Early Hints' } as const;
  const status = fault?.status ?? 103;
  for (let index = 0; index < (fault?.count ?? 0); index += 1) {
    delivery.response.socket?.write(`HTTP/1.1 ${status} ${names[status]}\r\n\r\n`);
  }
}

function padHeaders(response: ServerResponse, faults: readonly Fault[]): void {
  const bytes = findFault(faults, 'huge-headers')?.bytes ?? 0;
  for (let start = 0; start < bytes; start += headerPieceBytes) {
    response.setHeader(
      `x-padding-${start / headerPieceBytes}`,
      'x'.repeat(Math.min(headerPieceBytes, bytes - start)),
    );
  }
}
