import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { type GatewayError, type GatewayRequest, type HeaderMap, toGatewayError } from 'headgate';
import { trackSession } from './http2-sessions.ts';
import { countReaders, readNodeBody } from './node-body.ts';
import {
  callerGone,
  chunkedTooEarly,
  refuseHeaderCount,
  refuseHost,
  refuseTarget,
  severalHosts,
} from './request-checks.ts';
import type { NodeLimits } from './settings.ts';

/** A request as `node:http` or the compatibility API of `node:http2` gives it. */
export type NodeRequest = IncomingMessage | Http2ServerRequest;
/** A response as `node:http` or the compatibility API of `node:http2` gives it. */
export type NodeResponse = ServerResponse | Http2ServerResponse;

/** What a framework's adapter knows of one request beyond its message. */
export interface NodeDetails {
  /** Raw request target, if the framework has changed the request's own. */
  readonly url?: string;
  /** What the host application knows of the caller. */
  readonly host?: unknown;
  /** Returns the body, if the framework has read it and keeps it elsewhere than in `rawBody` or `body`. */
  readonly readParsedBody?: () => Promise<Uint8Array | undefined>;
  /** What failed in the host before the gateway was called; answered as an error. */
  readonly failure?: unknown;
  /** Called when the head of the reply was written; not called when there was none to write. */
  readonly onHead?: () => void;
}

/**
 * One request and its response. It is the `GatewayRequest` itself, with getters for whatever costs something:
 * this bridge allocates one object per request.
 */
export class NodeExchange implements GatewayRequest {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly limits: Required<NodeLimits>;
  readonly details: NodeDetails | undefined;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly isHttp2: boolean;
  declare readonly refusal?: GatewayError;
  declare readonly host?: unknown;
  /** The connection closed before the reply was whole. */
  gone = false;
  /** False once the connection cannot be used for another request. */
  reusable = true;
  /**
   * It has waited for its turn to end: what came in the same packet has been parsed, except in a turn with so many
   * requests that they do not wait. Then its body is waited for like any other.
   */
  arrived = false;
  bodyIsExclusive = false;
  /** Ends what `hold` began; undefined while nothing is held. */
  private heldUntil: NodeJS.Timeout | undefined = undefined;
  /** A byte of the reply was handed over. */
  begun = false;
  /** Called once when the caller goes away; set by whoever works for the caller at that time. */
  onGone: (() => void) | undefined = undefined;
  /** Destroys the connection of a caller who does not read; cleared when the response closes. */
  timer: NodeJS.Timeout | undefined = undefined;
  /** Continues the pump after a pause. */
  wake: (() => void) | undefined = undefined;
  private controller: AbortController | undefined = undefined;
  /** Called when the caller goes away. Most requests have one at a time, and need no list. */
  private listener: (() => void) | undefined = undefined;
  private others: (() => void)[] | undefined = undefined;

  constructor(
    request: NodeRequest,
    response: NodeResponse,
    limits: Required<NodeLimits>,
    details: NodeDetails | undefined,
  ) {
    // the compatibility API of http2 has the same interface as far as used here
    const incoming = request as IncomingMessage;
    const outgoing = response as ServerResponse;
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.limits = limits;
    this.details = details;
    this.method = incoming.method ?? 'GET';
    // originalUrl: what frameworks of the Express family keep when they strip a mount prefix
    const url: string =
      details?.url ?? (request as { originalUrl?: string }).originalUrl ?? incoming.url ?? '';
    const mark = url.indexOf('?');
    this.path = mark === -1 ? url : url.slice(0, mark);
    this.query = mark === -1 ? '' : url.slice(mark + 1);
    this.isHttp2 = incoming.httpVersionMajor === 2;
    const refusal =
      details?.failure === undefined
        ? refuseMessage(incoming, url, limits.maxHeaders)
        : toGatewayError(details.failure);
    if (refusal !== undefined) this.refusal = refusal;
    if (details?.host !== undefined) this.host = details.host;
    const owned = outgoing as Owned;
    if (owned[owner] === undefined) {
      owned[owner] = this;
      outgoing.on('close', closeOwner);
    } else {
      // it has another exchange already
      outgoing.on('close', () => this.close());
    }
    // a pipelined response has no socket yet, and gets no event when the connection dies before its turn
    if (this.isHttp2) trackSession(incoming);
    else if (outgoing.socket === null) this.watchSocket();
    // no event will tell of a caller who left while the host had the request
    if (incoming.socket?.destroyed) this.close();
  }

  get headers(): HeaderMap {
    return this.incoming.headers;
  }

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.gone) this.controller.abort(callerGone());
    }
    return this.controller.signal;
  }

  get remoteAddress(): string {
    // undefined for a socket that is closed already, which reads like an absent property
    return this.incoming.socket?.remoteAddress as string;
  }

  get secure(): boolean {
    return (this.incoming.socket as { encrypted?: boolean } | null)?.encrypted === true;
  }

  whenGone(listener: () => void): () => void {
    if (this.gone) {
      listener();
      return noop;
    }
    if (this.listener === undefined) this.listener = listener;
    else if (this.others === undefined) this.others = [listener];
    else this.others.push(listener);
    return () => {
      if (this.listener === listener) {
        this.listener = undefined;
        return;
      }
      const index = this.others?.indexOf(listener) ?? -1;
      if (index >= 0) this.others?.splice(index, 1);
    };
  }

  readBody(maxBytes: number): Uint8Array | Promise<Uint8Array> {
    return readNodeBody(this, maxBytes);
  }

  /**
   * Holds the body back from its listeners, so that it does not flow past the gateway: until the gateway reads it or
   * somebody answers without it, and for no longer than `bodyTimeoutMs`.
   */
  hold(): void {
    if (countReaders(this.incoming) === 0) return;
    this.heldUntil = setTimeout(() => this.letGo(), this.limits.bodyTimeoutMs);
    this.incoming.pause();
  }

  /** Lets the body flow to its listeners. */
  letGo(): void {
    if (this.heldUntil === undefined) return;
    clearTimeout(this.heldUntil);
    this.heldUntil = undefined;
    this.incoming.resume();
  }

  /** The response is over: whole, or because the caller went away. */
  close(): void {
    if (this.timer !== undefined) clearTimeout(this.timer);
    // the host may have answered without reading it
    this.letGo();
    if (this.gone || this.isSent()) return;
    this.gone = true;
    this.controller?.abort(callerGone());
    const { listener, others = [] } = this;
    this.listener = undefined;
    this.others = undefined;
    listener?.();
    for (const other of others) other();
    const onGone = this.onGone;
    this.onGone = undefined;
    onGone?.();
  }

  private isSent(): boolean {
    const { incoming, outgoing } = this;
    // an HTTP/2 stream that was reset says that it is finished, too
    return this.isHttp2 ? outgoing.writableEnded && !incoming.aborted : outgoing.writableFinished;
  }

  private watchSocket(): void {
    const { socket } = this.incoming;
    const close = () => this.close();
    // each response that waits its turn listens: no leak to warn of
    socket.setMaxListeners(0).on('close', close);
    this.outgoing.on('close', () => socket.off('close', close));
  }
}

function noop(): void {}

/**
 * The exchange of a response, for the one listener that all share. A closure for each would hold the whole request, and
 * V8 may put it among the old objects at once, where it keeps what it holds alive until the next full collection.
 */
const owner = Symbol('headgate.exchange');

type Owned = ServerResponse & { [owner]?: NodeExchange };

function closeOwner(this: Owned): void {
  this[owner]?.close();
}

/** Refuses what `node:http` accepts although a proxy in front may read it differently. */
function refuseMessage(incoming: IncomingMessage, url: string, maxHeaders: number): GatewayError | undefined {
  const { rawHeaders, headers } = incoming;
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  const isHttp10 = incoming.httpVersionMajor === 1 && incoming.httpVersionMinor === 0;
  if (isHttp10 && headers['transfer-encoding'] !== undefined) return chunkedTooEarly();
  const authority = headers[':authority'] as string | undefined;
  if (hosts > 1 || (hosts === 1 && authority !== undefined && authority !== headers.host))
    return severalHosts();
  return (
    refuseTarget(incoming.method ?? 'GET', url) ??
    refuseHeaderCount(rawHeaders.length >> 1, maxHeaders) ??
    refuseHost(authority ?? headers.host)
  );
}
