import type { IncomingMessage, ServerResponse } from 'node:http';
import { toStatusReply, writeBrokenHead } from './broken-reply.ts';
import { type Delivery, deliver, pause, untilGone } from './deliver.ts';
import type { FaultScript } from './fault-script.ts';
import { type Fault, findFault } from './faults.ts';
import { toErrorReply } from './provider-error.ts';
import { nowMs, type Recorder } from './recorder.ts';
import { route, toFamily } from './route.ts';
import type { UpstreamState } from './state.ts';
import { toStreamError } from './stream-error.ts';
import type {
  Exchange,
  FakeUpstreamOptions,
  RecordedRequest,
  Reply,
  TallyEntry,
  UpstreamFamily,
} from './types.ts';

const defaultMaxBodyBytes = 67_108_864;
const defaultTokensPerChunk = 2;

/** What an exchange needs from its upstream. */
export interface ExchangeSettings {
  readonly options: FakeUpstreamOptions;
  readonly recorder: Recorder;
  readonly script: FaultScript;
  readonly state: UpstreamState;
  readonly baseUrl: string;
  readonly isClosing: () => boolean;
}

/** Record one request, answer it, and note how it ended. Rejects only when what was scripted throws. */
export async function handleExchange(
  settings: ExchangeSettings,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { recorder, options } = settings;
  const request = recorder.open(message);
  const gone = new AbortController();
  let isOurs = false;
  response.once('finish', () => {
    request.complete = true;
    recorder.notify();
  });
  response.once('close', () => {
    if (!isOurs && !response.writableFinished && !settings.isClosing()) {
      request.aborted = true;
      request.closedAtMs = nowMs();
    }
    gone.abort();
    recorder.notify();
  });
  const body = await readBody(message, options.maxBodyBytes ?? defaultMaxBodyBytes);
  if (body === undefined) {
    return;
  }
  recorder.setBody(request, body.bytes);
  const family = toFamily(request);
  const faults = settings.script.take(request);
  const delivery: Delivery = {
    response,
    faults,
    entry: undefined,
    chunkDelayMs: options.chunkDelayMs ?? 0,
    gone: gone.signal,
    closing: () => {
      isOurs = true;
      request.complete = true;
    },
    toStreamError: () => toStreamError(family, request.path, findFault(faults, 'stream-error') ?? emptyError),
  };
  for (const fault of faults) {
    await pause(fault.delayMs ?? 0, gone.signal);
  }
  if (gone.signal.aborted || (await failConnection(delivery))) {
    return;
  }
  const exchange: Exchange = {
    request,
    options,
    state: settings.state,
    baseUrl: settings.baseUrl,
    tokensPerChunk: options.tokensPerChunk ?? defaultTokensPerChunk,
  };
  const reply = body.isTooLarge ? toErrorReply(exchange, family, 413) : answer(exchange, family, faults);
  const entry = toTallyEntry(request, family, reply);
  if (entry !== undefined) {
    recorder.addTally(entry);
  }
  await deliver({ ...delivery, entry }, reply);
}

const emptyError = { kind: 'stream-error', afterChunks: 0 } as const;

async function readBody(
  message: IncomingMessage,
  maxBytes: number,
): Promise<{ bytes: Buffer; isTooLarge: boolean } | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size <= maxBytes) {
        chunks.push(chunk);
      }
    }
  } catch {
    // The client went away while it sent the body.
    return undefined;
  }
  return { bytes: Buffer.concat(chunks), isTooLarge: size > maxBytes };
}

/** Returns whether the fault ended the exchange. */
async function failConnection(delivery: Delivery): Promise<boolean> {
  const { response, faults, gone, closing } = delivery;
  const { socket } = response;
  const connection = findFault(faults, 'connection');
  const broken = findFault(faults, 'broken-head');
  if (connection !== undefined) {
    closing();
    if (connection.how === 'reset') {
      socket?.resetAndDestroy();
    } else {
      socket?.end();
    }
    return true;
  }
  if (findFault(faults, 'stall') !== undefined) {
    await untilGone(gone);
    return true;
  }
  if (broken !== undefined && socket !== null) {
    closing();
    writeBrokenHead(socket, broken.how);
    return true;
  }
  return false;
}

function answer(exchange: Exchange, family: UpstreamFamily, faults: readonly Fault[]): Reply {
  const redirect = findFault(faults, 'redirect');
  if (redirect !== undefined) {
    return { status: redirect.status, headers: { location: redirect.location }, body: Buffer.alloc(0) };
  }
  const status = findFault(faults, 'status');
  if (status !== undefined) {
    return toStatusReply(exchange, family, status);
  }
  try {
    return route(exchange, family);
  } catch (cause) {
    // A `reply` option that throws, or a path that cannot be decoded: tell the test's author.
    return toErrorReply(exchange, family, 500, { message: `The fake upstream failed: ${String(cause)}` });
  }
}

function toTallyEntry(
  request: RecordedRequest,
  family: UpstreamFamily,
  reply: Reply,
): TallyEntry | undefined {
  if (reply.billed === undefined) {
    return undefined;
  }
  const { model, usage } = reply.billed;
  const { inputTokens, cachedTokens, cacheWriteTokens, cacheWrite1hTokens } = usage;
  return {
    request,
    family,
    model,
    usage,
    generatedTokens: 0,
    billedInputTokens: inputTokens + cachedTokens + cacheWriteTokens + cacheWrite1hTokens,
    billedOutputTokens: 0,
    complete: false,
  };
}
