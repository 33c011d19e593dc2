import { type GatewayError, type GatewayRequest, type HeaderMap, toGatewayError } from 'headgate';
import {
  bodyAlreadyRead,
  bodyTimeout,
  bodyTooLarge,
  callerGone,
  refuseEncoding,
  refuseHeaderCount,
  refuseHost,
  toDeclaredLength,
} from './request-checks.ts';
import type { AdapterLimits } from './settings.ts';

/** What a framework's adapter knows of one request beyond the `Request` itself. */
export interface FetchDetails {
  /** What the host application knows of the caller. */
  readonly host?: unknown;
  /** Address of the peer; the `Request` does not say. */
  readonly remoteAddress?: string | undefined;
  /** Returns the body, if the framework has read it and keeps it. */
  readonly readParsedBody?: () => Promise<Uint8Array | undefined>;
  /** Headers that the host has set for the response; kept unless the gateway sets them. */
  readonly responseHeaders?: Headers;
  /** What failed in the host before the gateway was called; answered as an error. */
  readonly failure?: unknown;
}

/** A WHATWG `Request` as the core takes it. */
export class FetchExchange implements GatewayRequest {
  readonly request: Request;
  readonly limits: Required<AdapterLimits>;
  readonly details: FetchDetails | undefined;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: HeaderMap;
  readonly secure: boolean;
  declare readonly refusal?: GatewayError;
  declare readonly host?: unknown;
  declare readonly remoteAddress?: string;
  gone = false;
  /** Called once when the caller goes away. */
  onGone: (() => void) | undefined = undefined;
  private readonly controller = new AbortController();
  private readonly abort = () => this.leave();

  constructor(request: Request, limits: Required<AdapterLimits>, details: FetchDetails | undefined) {
    this.request = request;
    this.limits = limits;
    this.details = details;
    this.method = request.method;
    const { url } = request;
    // the runtime has normalised the URL already; it is cut here, not parsed again
    const start = url.indexOf('/', url.indexOf('://') + 3);
    const hash = url.indexOf('#');
    const target = start === -1 ? '/' : url.slice(start, hash === -1 ? url.length : hash);
    const mark = target.indexOf('?');
    this.path = mark === -1 ? target : target.slice(0, mark);
    this.query = mark === -1 ? '' : target.slice(mark + 1);
    this.secure = url.startsWith('https:');

    const headers: Record<string, string> = Object.create(null);
    let count = 0;
    for (const [name, value] of request.headers) {
      headers[name] = value;
      count++;
    }
    this.headers = headers;
    const refusal =
      details?.failure === undefined
        ? (refuseHeaderCount(count, limits.maxHeaders) ?? refuseHost(headers.host))
        : toGatewayError(details.failure);
    if (refusal !== undefined) this.refusal = refusal;
    if (details?.host !== undefined) this.host = details.host;
    if (details?.remoteAddress !== undefined) this.remoteAddress = details.remoteAddress;
    if (request.signal.aborted) this.leave();
    else request.signal.addEventListener('abort', this.abort);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** The caller is gone. */
  leave(): void {
    if (this.gone) return;
    this.gone = true;
    this.finish();
    this.controller.abort(callerGone());
    this.onGone?.();
  }

  /** The reply is over; stops listening. */
  finish(): void {
    this.request.signal.removeEventListener('abort', this.abort);
  }

  async readBody(maxBytes: number): Promise<Uint8Array> {
    const { request, details } = this;
    if (this.gone) throw callerGone();
    if (request.bodyUsed || request.body?.locked) {
      const bytes = await details?.readParsedBody?.();
      if (bytes === undefined) throw bodyAlreadyRead();
      if (bytes.length > maxBytes) throw bodyTooLarge(maxBytes);
      return bytes;
    }
    const refusal = refuseEncoding(this.headers);
    if (refusal !== undefined) throw refusal;
    if (toDeclaredLength(this.headers) > maxBytes) throw bodyTooLarge(maxBytes);
    if (request.body === null) return new Uint8Array(0);
    return this.collect(request.body.getReader(), maxBytes);
  }

  private async collect(
    reader: ReadableStreamDefaultReader<Uint8Array>,
    maxBytes: number,
  ): Promise<Uint8Array> {
    const { bodyTimeoutMs } = this.limits;
    const chunks: Uint8Array[] = [];
    let length = 0;
    let failure: GatewayError | undefined;
    const stop = (error: GatewayError) => {
      failure ??= error;
      // settles the pending read; whether the source can be told no longer matters
      reader.cancel(error).catch(() => {});
    };
    const timer = setTimeout(() => stop(bodyTimeout(bodyTimeoutMs)), bodyTimeoutMs);
    this.onGone = () => stop(callerGone());
    try {
      while (failure === undefined) {
        const step = await reader.read();
        if (step.done) break;
        length += step.value.length;
        if (length > maxBytes) stop(bodyTooLarge(maxBytes));
        else chunks.push(step.value);
      }
    } catch (cause) {
      failure ??= callerGone(cause);
    } finally {
      clearTimeout(timer);
      this.onGone = undefined;
    }
    if (failure !== undefined) throw failure;
    return chunks.length === 1 ? (chunks[0] as Uint8Array) : concat(chunks, length);
  }
}

function concat(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}
