import { BodyMemory } from '../body-memory.ts';
import type { Call, NamedModel } from '../call.ts';
import type { ConfiguredProvider, Credential, Target, TargetOverrides } from '../config/snapshot.ts';
import type { Arrival, Identified } from '../context.ts';
import { GatewayError } from '../errors.ts';
import { readMember } from '../json/scan.ts';
import { type JsonEdit, setMember, spliceJson, stripByteOrderMark } from '../json/splice.ts';
import { clampEdits } from '../limits/clamp.ts';
import type { GatewayRequest } from '../message.ts';
import { overlayTimeouts, type Timeouts } from '../routing/forwarding.ts';
import type { Candidate } from '../routing/plan.ts';
import type { Secret } from '../secrets/secret.ts';
import { whenGone } from '../when-gone.ts';
import { toBytes } from './bytes.ts';
import type { EgressRequest } from './egress.ts';
import { overrideBody, overrideHeaders } from './overrides.ts';
import { poolNameOf } from './pool-name.ts';
import { toRequestHeaders } from './request-headers.ts';

/** The request of one attempt, and whether the gateway asked for a usage event of its own. */
export interface UpstreamRequest {
  readonly request: AttemptRequest;
  readonly injectedUsage: boolean;
}

/**
 * Turns a call into the HTTP request for one candidate. The body stays as it came except for the fields that the
 * gateway owns and those that the target overrides.
 *
 * @param timeouts of the plan; the target's own win, and the provider's apply where neither is set
 * @param leftMs until the request must be answered; sent to a provider that has a header for it
 * @throws Error when the memory of the body has been given back
 */
export function toUpstreamRequest(
  arrival: Arrival & Identified,
  call: Call,
  { target, credential }: Candidate,
  secret: Secret,
  timeouts: Timeouts = {},
  leftMs?: number,
): UpstreamRequest {
  const { provider: entry, model } = target;
  call.memory?.check();
  const injectedUsage = needsUsage(call, entry.config.streamUsage);
  const edits = bodyEdits(arrival, call, target);
  let body = edits.length > 0 ? spliceJson(call.body, edits) : call.body;
  if (call.modelSpan && model !== undefined && model !== call.model) {
    body = spliceJson(call.body, [{ ...call.modelSpan, bytes: toBytes(model) }]);
  }
  return {
    injectedUsage,
    request: new AttemptRequest(
      arrival.request,
      entry,
      credential,
      secret,
      entry.basePath + entry.provider.path(call, model),
      body.length > 0 ? body : undefined,
      body === call.body ? call.memory : BodyMemory.of(body),
      body !== call.body,
      call.stream,
      target.overrides,
      overlayTimeouts(timeouts, target.overrides?.timeouts),
      leftMs,
    ),
  };
}

/**
 * The candidates that may be sent what the body names besides its own model: all of a batch's models must be served by their
 * provider, and so must those for a provider to call by itself, which the caller must be allowed to use.
 *
 * @throws GatewayError `unsupported_request` (400) when none is left
 */
export function servingNested<Of extends Candidate>(
  candidates: readonly Of[],
  arrival: Arrival & Identified,
  call: Call,
): readonly Of[] {
  if (!call.nestedModels?.length) return candidates;
  let refusal: unknown;
  const serving = candidates.filter(({ target }) => {
    try {
      bodyEdits(arrival, call, target);
      return true;
    } catch (error) {
      refusal ??= error;
      return false;
    }
  });
  if (serving.length === 0 && refusal) throw refusal;
  return serving;
}

/** What changes in a JSON body on its way to a target. */
function bodyEdits(arrival: Arrival & Identified, call: Call, target: Target): JsonEdit[] {
  if (!call.members) return [];
  const { provider, model, overrides } = target;
  const overridden = overrides?.body ? overrideBody(call, overrides.body) : [];
  return [
    ...jsonEdits(call, model, needsUsage(call, provider.config.streamUsage), arrival, provider.id),
    ...overridden,
    ...helperEdits(call, arrival, provider.id, overridden.length > 0 ? overrides?.body : undefined),
  ];
}

/** The request as the egress takes it; a class so that `signal` is made only when somebody asks. */
export class AttemptRequest implements EgressRequest {
  readonly origin: string;
  readonly path: string;
  readonly method: string;
  readonly headers: readonly string[];
  readonly body: Uint8Array | undefined;
  readonly lendBody: (() => () => void) | undefined;
  readonly streams: boolean;
  readonly pool: string;
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly #caller: GatewayRequest;
  /** The memory of a body written for this attempt alone. */
  #own: BodyMemory | undefined;
  #isCancelled = false;
  #onCancel: (() => void) | undefined;
  #controller: AbortController | undefined;
  #unfollow: (() => void) | undefined;
  #unwait: (() => void) | undefined;

  constructor(
    caller: GatewayRequest,
    entry: ConfiguredProvider,
    credential: Credential,
    secret: Secret,
    path: string,
    body: Uint8Array | undefined,
    memory: BodyMemory | undefined,
    isOwn: boolean,
    streams: boolean,
    overrides: TargetOverrides | undefined,
    { connectMs, headersMs, idleMs }: Timeouts,
    leftMs: number | undefined,
  ) {
    const { config, provider } = entry;
    this.origin = entry.origin;
    this.path = path;
    this.method = caller.method;
    let headers = toRequestHeaders(caller.headers, entry, credential, secret);
    if (leftMs !== undefined && provider.deadline)
      headers = overrideHeaders(headers, provider.deadline(leftMs));
    this.headers = overrides?.headers ? overrideHeaders(headers, overrides.headers) : headers;
    this.body = body;
    this.lendBody = memory?.hold();
    if (isOwn) this.#own = memory;
    this.streams = streams;
    const pool = poolNameOf(credential, secret);
    // a pool has one connect timeout
    this.pool =
      connectMs === undefined || connectMs === config.connectTimeoutMs ? pool : `${pool}~${connectMs}`;
    this.maxConnections = config.maxConnections;
    this.connectTimeoutMs = connectMs ?? config.connectTimeoutMs;
    this.headersTimeoutMs = headersMs ?? config.headersTimeoutMs;
    this.idleTimeoutMs = idleMs ?? config.idleTimeoutMs;
    this.#caller = caller;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.stopWaiting();
      const controller = new AbortController();
      this.#controller = controller;
      if (this.#isCancelled) controller.abort();
      this.#follow(() =>
        controller.abort(
          new GatewayError('caller_gone', 'The caller has gone away.', { cause: this.#caller.signal.reason }),
        ),
      );
    }
    return this.#controller.signal;
  }

  /** Whether the egress has begun with it: a request ended before that cannot have cost anything. */
  get isTaken(): boolean {
    return this.#onCancel !== undefined || this.#controller !== undefined;
  }

  /** Calls `listener` when the caller leaves before the egress has begun with it: no connection may be free. */
  wait(listener: () => void): void {
    this.#unwait = whenGone(this.#caller, listener);
  }

  /** The egress has begun, or it failed. */
  stopWaiting(): void {
    this.#unwait?.();
    this.#unwait = undefined;
  }

  whenGone(listener: () => void): () => void {
    this.stopWaiting();
    this.#onCancel = listener;
    if (this.#isCancelled) listener();
    return this.#follow(listener);
  }

  #follow(listener: () => void): () => void {
    const forget = whenGone(this.#caller, listener);
    const before = this.#unfollow;
    this.#unfollow = before ? () => [before(), forget()] : forget;
    return forget;
  }

  /** The caller's leaving no longer ends it: whoever reads the reply decides what becomes of it. */
  outliveCaller(): void {
    this.#unfollow?.();
  }

  /** The reply has begun: a body of its own is not sent again. */
  answered(): void {
    this.#own?.end();
    this.#own = undefined;
  }

  /** Ends it, although the caller is still there. */
  cancel(): void {
    this.#isCancelled = true;
    this.#controller?.abort();
    this.#onCancel?.();
  }
}

/** OpenAI's chat and completion streams report their usage only when asked. */
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
  arrival: Arrival & Identified,
  provider: string,
): JsonEdit[] {
  const { members, body, nestedModels = [] } = call;
  if (!members) return [];
  const edits = [...stripByteOrderMark(members), ...clampEdits(call)];
  if (model === undefined) return edits;
  const nested = nestedModels.filter(({ path }) => path === 'model');
  if (call.batchModels) {
    const names = upstreamNames(call.batchModels, arrival, provider);
    edits.push(...nested.flatMap((found) => renamed(found, names.get(found.model))));
  } else if (model !== call.model) {
    if (members.has('model')) edits.push(setMember(members, 'model', wireName(call, model)));
    // Gemini's batches and token counts carry whole requests, each repeating the name
    edits.push(...nested.flatMap((found) => renamed(found, wireName(call, model))));
  }
  if (injectUsage) {
    const given = members.has('stream_options') ? readMember(body, members, 'stream_options') : undefined;
    edits.push(
      setMember(members, 'stream_options', { ...(given as object | undefined), include_usage: true }),
    );
  }
  return edits;
}

function helperEdits(
  { nestedModels = [] }: Call,
  { snapshot, policy, runtime }: Arrival & Identified,
  provider: string,
  overridden: object = {},
): JsonEdit[] {
  return nestedModels.flatMap((found) => {
    const { path } = found;
    if (path === 'model' || Object.hasOwn(overridden, path.split('.')[0] as string)) return [];
    const model = snapshot.resolveModel(found.model, policy, runtime.now())?.model;
    const target = model?.targets.find((candidate) => candidate.provider.id === provider);
    if (target) return renamed(found, target.model);
    const shown = JSON.stringify(found.model.slice(0, 100));
    const why = model
      ? 'is not served by the provider of this request'
      : 'does not exist or is not in your access profile';
    throw new GatewayError(
      'unsupported_request',
      `\`${path}\`: the model ${shown} ${why}. Name another one, or none.`,
      { param: path },
    );
  });
}

/** In bodies Gemini spells a model as a resource name. */
function wireName(call: Call, model: string): string {
  return call.endpoint.family === 'gemini' && !model.startsWith('tunedModels/') ? `models/${model}` : model;
}

function renamed({ start, end, model }: NamedModel, name: string | undefined): JsonEdit[] {
  return name === undefined || name === model ? [] : [{ start, end, bytes: toBytes(JSON.stringify(name)) }];
}

/** Upstream names of a batch's models. The batch's provider must serve all of them. */
function upstreamNames(
  models: readonly string[],
  { snapshot, policy, runtime }: Arrival & Identified,
  provider: string,
): Map<string, string> {
  const names = new Map<string, string>();
  for (const name of models) {
    // as the caller gets it: with the versions that its profile pins
    const model = snapshot.resolveModel(name, policy, runtime.now())?.model;
    const target = model?.targets.find((candidate) => candidate.provider.id === provider);
    if (target?.model === undefined) {
      throw new GatewayError(
        'unsupported_request',
        `The model ${JSON.stringify(name)} is not served by the same provider as the first model of this batch. Send one batch for each provider.`,
        { param: 'requests' },
      );
    }
    names.set(name, target.model);
  }
  return names;
}
