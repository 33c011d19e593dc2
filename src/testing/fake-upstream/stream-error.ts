import type { StreamErrorFault } from './faults.ts';
import type { Frame } from './frame.ts';
import { isObject } from './json.ts';
import { toErrorBody } from './provider-error.ts';
import type { UpstreamFamily } from './types.ts';

/** The error that the provider puts into a stream after a 200. */
export function toStreamError(family: UpstreamFamily, path: string, fault: StreamErrorFault): Frame {
  const status = fault.status ?? (family === 'anthropic' ? 529 : 503);
  const detail = fault.message === undefined ? {} : { message: fault.message };
  const body = toErrorBody(family, status, detail);
  if (family === 'anthropic') {
    return { event: 'error', data: JSON.stringify(body) };
  }
  if (family !== 'openai' || !path.endsWith('/responses')) {
    return { data: JSON.stringify(body) };
  }
  const error = isObject(body) && isObject(body.error) ? body.error : {};
  const message = error.message;
  if (fault.form === 'failed') {
    const response = {
      id: 'resp_failed',
      object: 'response',
      created_at: 0,
      status: 'failed',
      error: { code: 'server_error', message },
      incomplete_details: null,
      output: [],
      usage: null,
    };
    return {
      event: 'response.failed',
      data: JSON.stringify({ type: 'response.failed', sequence_number: 9_999, response }),
    };
  }
  const data = { type: 'error', sequence_number: 9_999, code: 'server_error', message, param: null };
  return { event: 'error', data: JSON.stringify(data) };
}
