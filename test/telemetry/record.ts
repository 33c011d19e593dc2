import type { RequestRecord } from 'headgate';

/** A finished record with this id. */
export const record = (id: string, more: Partial<RequestRecord> = {}): RequestRecord => ({
  id,
  startedAtMs: 1,
  durationMs: 2,
  operation: 'chat',
  dialect: 'openai-chat',
  stream: false,
  attempts: [],
  outcome: 'complete',
  status: 200,
  costNanoUsd: null,
  requestBytes: 0,
  replyBytes: 0,
  snapshot: 'v1',
  ...more,
});
