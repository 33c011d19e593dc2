import type { Call } from '../call.ts';
import type { Arrival } from '../context.ts';
import { GatewayError } from '../errors.ts';
import { readMember } from '../json/scan.ts';
import { type JsonEdit, setMember, spliceJson, stripByteOrderMark } from '../json/splice.ts';
import type { Candidate } from '../routing/plan.ts';
import { toBytes } from './bytes.ts';
import type { EgressRequest } from './egress.ts';
import { toRequestHeaders } from './request-headers.ts';

/** The request of one attempt, and whether the gateway asked for a usage event of its own. */
export interface UpstreamRequest {
  readonly request: EgressRequest;
  readonly injectedUsage: boolean;
}

/** Turns a call into the HTTP request for one candidate. The body stays as it came but for the fields the gateway owns. */
export function toUpstreamRequest(
  arrival: Arrival,
  call: Call,
  { target, credential }: Candidate,
): UpstreamRequest {
  const { provider: entry, model } = target;
  const injectedUsage = needsUsage(call, entry.config.streamUsage);
  const edits = call.members ? jsonEdits(call, target.model, injectedUsage, arrival, entry.id) : [];
  let body = edits.length > 0 ? spliceJson(call.body, edits) : call.body;
  if (call.modelSpan && model !== undefined && model !== call.model) {
    body = spliceJson(call.body, [{ ...call.modelSpan, bytes: toBytes(model) }]);
  }
  return {
    injectedUsage,
    request: {
      origin: entry.origin,
      path: entry.basePath + entry.provider.path(call, model),
      method: arrival.request.method,
      headers: toRequestHeaders(arrival.request.headers, entry, credential),
      body: body.length > 0 ? body : undefined,
      signal: arrival.request.signal,
      pool: credential.pool,
      maxConnections: entry.config.maxConnections,
      connectTimeoutMs: entry.config.connectTimeoutMs,
      headersTimeoutMs: entry.config.headersTimeoutMs,
      idleTimeoutMs: entry.config.idleTimeoutMs,
    },
  };
}

/** OpenAI's chat and completion streams tell their usage only when asked. */
function needsUsage(call: Call, allowed: boolean): boolean {
  const { dialect } = call.endpoint;
  return (
    allowed &&
    call.stream &&
    !call.wantsStreamUsage &&
    (dialect === 'openai-chat' || dialect === 'openai-completions')
  );
}

function jsonEdits(
  call: Call,
  model: string | undefined,
  injectUsage: boolean,
  arrival: Arrival,
  provider: string,
): JsonEdit[] {
  const { members, body } = call;
  if (!members) return [];
  const edits = stripByteOrderMark(members);
  if (model === undefined) return edits;
  if (call.batchModels) {
    const edit = batchEdit(call, arrival, provider);
    if (edit) edits.push(edit);
  } else if (model !== call.model && members.get('model')) {
    const prefix = call.endpoint.family === 'gemini' ? 'models/' : '';
    edits.push(setMember(members, 'model', prefix + model));
  }
  if (injectUsage) {
    const given = members.get('stream_options') ? readMember(body, members, 'stream_options') : undefined;
    edits.push(
      setMember(members, 'stream_options', { ...(given as object | undefined), include_usage: true }),
    );
  }
  return edits;
}

/**
 * Gives every request of a batch its upstream name. All of them must be at home at the batch's provider; when every name
 * is the provider's own already, the bytes stay as they are.
 */
function batchEdit(call: Call, { snapshot }: Arrival, provider: string): JsonEdit | undefined {
  const names = new Map<string, string>();
  for (const name of call.batchModels ?? []) {
    const target = snapshot.findModel(name)?.targets.find((candidate) => candidate.provider.id === provider);
    if (target?.model === undefined) {
      throw new GatewayError(
        'unsupported_request',
        `The model ${JSON.stringify(name)} is not served by the same provider as the first model of this batch. Send one batch for each provider.`,
        { param: 'requests' },
      );
    }
    names.set(name, target.model);
  }
  if (!call.members || [...names].every(([name, upstream]) => name === upstream)) return undefined;
  const requests = readMember(call.body, call.members, 'requests') as { params: { model: string } }[];
  for (const { params } of requests) params.model = names.get(params.model) ?? params.model;
  return setMember(call.members, 'requests', requests);
}
