import { composeMessage } from './anthropic.ts';
import { toPage } from './anthropic-page.ts';
import { type JsonObject, toArray, toObject, toText } from './json.ts';
import { toErrorBody, toErrorReply } from './provider-error.ts';
import { toIdHeaders, toJsonReply } from './reply.ts';
import type { StoredBatch } from './state.ts';
import type { Exchange, Reply } from './types.ts';

const dayMs = 86_400_000;

/**
 * `POST /v1/messages/batches`. The batch starts `in_progress`; the first `GET` of it finds it ended, with a
 * `results_url` that points to this upstream, as the real API's points to the real API.
 */
export function createBatch(exchange: Exchange, body: JsonObject): Reply {
  const requests = toArray(body.requests).map(toObject);
  if (requests.length === 0) {
    return toErrorReply(exchange, 'anthropic', 400, { message: 'requests: Field required' });
  }
  const now = Date.now();
  const id = `msgbatch_01${exchange.state.nextId(22)}`;
  const batch = {
    id,
    type: 'message_batch',
    processing_status: 'in_progress',
    request_counts: { processing: requests.length, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
    ended_at: null,
    created_at: new Date(now).toISOString(),
    expires_at: new Date(now + dayMs).toISOString(),
    archived_at: null,
    cancel_initiated_at: null,
    results_url: null,
  };
  exchange.state.batches.set(id, { batch, results: requests.map((request) => toResult(exchange, request)) });
  return toJsonReply(batch, toIdHeaders(exchange, 'anthropic'));
}

/** `GET /v1/messages/batches`, newest first. */
export function listBatches(exchange: Exchange): Reply {
  const batches = [...exchange.state.batches.entries()].map(([, stored]) => stored.batch);
  return toPage(exchange, batches.reverse());
}

/** `GET`, `POST …/cancel`, `GET …/results` or `DELETE` of one batch. */
export function handleBatch(
  exchange: Exchange,
  id: string,
  action: 'get' | 'cancel' | 'results' | 'delete',
): Reply {
  const stored = exchange.state.batches.get(id);
  const headers = toIdHeaders(exchange, 'anthropic');
  if (stored === undefined) {
    return toErrorReply(exchange, 'anthropic', 404, { message: `Batch ${id} not found` });
  }
  switch (action) {
    case 'get':
      endBatch(exchange, stored);
      return toJsonReply(stored.batch, headers);
    case 'cancel': {
      if (stored.batch.processing_status === 'in_progress') {
        const cancelled = { processing_status: 'canceling', cancel_initiated_at: new Date().toISOString() };
        stored.batch = { ...stored.batch, ...cancelled };
      }
      return toJsonReply(stored.batch, headers);
    }
    case 'results':
      return toResults(exchange, stored);
    default: {
      if (stored.batch.processing_status !== 'ended') {
        const message = `Batch ${id} cannot be deleted because it has not ended`;
        return toErrorReply(exchange, 'anthropic', 400, { message });
      }
      exchange.state.batches.delete(id);
      return toJsonReply({ id, type: 'message_batch_deleted' }, headers);
    }
  }
}

function endBatch(exchange: Exchange, stored: StoredBatch): void {
  if (stored.batch.processing_status === 'ended') {
    return;
  }
  const isCancelled = stored.batch.processing_status === 'canceling';
  const errored = stored.results.filter((line) => toObject(line.result).type === 'errored').length;
  const total = stored.results.length;
  stored.batch = {
    ...stored.batch,
    processing_status: 'ended',
    ended_at: new Date().toISOString(),
    request_counts: isCancelled
      ? { processing: 0, succeeded: 0, errored: 0, canceled: total, expired: 0 }
      : { processing: 0, succeeded: total - errored, errored, canceled: 0, expired: 0 },
    results_url: `${exchange.baseUrl}/v1/messages/batches/${String(stored.batch.id)}/results`,
  };
}

function toResults(exchange: Exchange, stored: StoredBatch): Reply {
  if (stored.batch.results_url === null) {
    const message = 'Batch results are not available until the batch has ended';
    return toErrorReply(exchange, 'anthropic', 404, { message });
  }
  const isCancelled = stored.batch.cancel_initiated_at !== null;
  const lines = stored.results.map((line) =>
    JSON.stringify(isCancelled ? { ...line, result: { type: 'canceled' } } : line),
  );
  return {
    status: 200,
    headers: { 'content-type': 'application/x-jsonl', ...toIdHeaders(exchange, 'anthropic') },
    body: Buffer.from(`${lines.join('\n')}\n`),
  };
}

function toResult(exchange: Exchange, request: JsonObject): JsonObject {
  const params = toObject(request.params);
  const id = toText(request.custom_id) ?? '';
  if (params.model === undefined || params.max_tokens === undefined) {
    const error = toErrorBody('anthropic', 400, {
      message: 'max_tokens: Field required',
      type: 'invalid_request_error',
    });
    return { custom_id: id, result: { type: 'errored', error } };
  }
  return { custom_id: id, result: { type: 'succeeded', message: composeMessage(exchange, params).message } };
}
