import type { LookupFunction } from 'node:net';
import { LRUCache } from 'lru-cache';
import type { Dispatcher, Pool } from 'undici';
import { GatewayError } from '../errors.ts';
import { afterPromises, atEndOfTurn, Gathered, gather } from '../gather.ts';
import { ChunkQueue, type ChunkSource } from './chunk-queue.ts';
import { prepareConnection, readOptions, tellWhenWritten } from './connection.ts';
import type { Egress, EgressReply, EgressRequest } from './egress.ts';

/** What connections are made with. */
interface Library {
  readonly undici: typeof import('undici');
  readonly lookup: LookupFunction;
}

/** Nothing was sent: undici could not be loaded, perhaps for lack of descriptors. */
export const notLoadedCode = 'ERR_EGRESS_NOT_LOADED';

/**
 * The egress on Node: undici's `Pool.dispatch`, its lowest and fastest call, one pool per credential. No redirect is
 * followed and nothing decompressed. Names are resolved by `createGuardedLookup`.
 *
 * @param options.maxPools how many pools are kept; the least used is closed first, after its requests. @default 1_000
 */
export function createUndiciEgress(options: { readonly maxPools?: number } = {}): Egress {
  const maxPools = options.maxPools ?? 1_000;
  // bounded: with keys of their own, callers decide how many there are
  // by name, then by origin, nearly always one; both strings exist already, their concatenation would be new
  const pools = new LRUCache<string, Map<string, Pool>>({
    max: maxPools,
    dispose(byOrigin) {
      // after what is gathered for them
      afterPromises(() => {
        for (const pool of byOrigin.values()) void pool.close().catch(() => undefined);
      });
    },
  });
  // loaded later: it would be most of the package's import time
  let library: Library | undefined;
  const load = async () => {
    try {
      const [undici, { createGuardedLookup }] = await Promise.all([
        import('undici'),
        import('./guarded-lookup.ts'),
      ]);
      library ??= { undici, lookup: createGuardedLookup() };
    } catch (cause) {
      throw Object.assign(new Error('undici cannot be loaded.', { cause }), { code: notLoadedCode });
    }
  };

  // before the first requests, which may leave no descriptor to read it with. Earlier ones wait, or get the error
  setImmediate(() => load().catch(() => undefined));

  function poolFor({ undici, lookup }: Library, request: EgressRequest): Pool {
    let byOrigin = pools.get(request.pool);
    if (!byOrigin) {
      byOrigin = new Map();
      pools.set(request.pool, byOrigin);
    }
    let pool = byOrigin.get(request.origin);
    if (!pool) {
      const options = { timeout: request.connectTimeoutMs, allowH2: false, lookup, ...readOptions };
      const connect = undici.buildConnector(options);
      pool = new undici.Pool(request.origin, {
        connections: request.maxConnections,
        pipelining: 1,
        allowH2: false,
        connect: (options, done) =>
          connect(options, (...result) => {
            if (result[0] === null) prepareConnection(result[1]);
            done(...result);
          }),
      });
      byOrigin.set(request.origin, pool);
    }
    return pool;
  }

  return {
    send(request) {
      return library ? dispatch(poolFor(library, request), request) : load().then(() => this.send(request));
    },
    retain(inUse) {
      for (const name of [...pools.keys()]) {
        if (!inUse.has(name)) pools.delete(name);
      }
    },
    async close() {
      const closing = [...pools.values()].flatMap((byOrigin) =>
        Array.from(byOrigin.values(), (pool) => pool.destroy()),
      );
      pools.clear();
      await Promise.all(closing);
    },
  };
}

function dispatch(pool: Pool, request: EgressRequest): Promise<EgressReply> {
  return new Promise((resolve, reject) => {
    sendSoon(new ReplyHandler(pool, request, resolve, reject));
  });
}

const sendSoon = gather(afterPromises, (handler: ReplyHandler) => handler.send());
const tellSoon = gather(atEndOfTurn, (handler: ReplyHandler) => handler.tell());

/** More informational replies (1xx) than any provider sends before one reply. */
const maxInformational = 32;

function tooManyInformational(): Error {
  const error = new Error(`The provider sent more than ${maxInformational} informational replies.`);
  return Object.assign(error, { code: 'ERR_TOO_MANY_INFORMATIONAL' });
}

class ReplyHandler extends Gathered implements Dispatcher.DispatchHandler {
  readonly #pool: Pool;
  #request: EgressRequest | undefined;
  #resolve: ((reply: EgressReply) => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;
  #reply: EgressReply | undefined;
  #queue: ChunkQueue | undefined;
  #informational = 0;
  #passing: PassingBody | undefined;
  #forgetCaller: (() => void) | undefined;

  constructor(
    pool: Pool,
    request: EgressRequest,
    resolve: (reply: EgressReply) => void,
    reject: (error: unknown) => void,
  ) {
    super();
    this.#pool = pool;
    this.#request = request;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  send(): void {
    const request = this.#request as EgressRequest;
    const { body } = request;
    const passes = body !== undefined && (request.streams || body.length >= leastPassingBytes);
    try {
      if (passes) this.#passing = new PassingBody(body, request.lendBody?.());
      this.#pool.dispatch(
        {
          path: request.path,
          method: request.method as Dispatcher.HttpMethod,
          headers: passes
            ? [...request.headers, 'content-length', String(body.length)]
            : (request.headers as string[]),
          // undici's types leave iterables out
          body: this.#passing ? (this.#passing as unknown as Uint8Array) : (body ?? null),
          headersTimeout: request.headersTimeoutMs,
          bodyTimeout: request.idleTimeoutMs,
        },
        this,
      );
    } catch (error) {
      this.#passing?.giveUp();
      this.#reject?.(error);
    }
  }

  tell(): void {
    this.#resolve?.(this.#reply as EgressReply);
    // these hold the promise, which holds the reply for as long as there is a handler
    this.#reply = this.#resolve = this.#reject = undefined;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    const request = this.#request as EgressRequest;
    this.#forgetCaller = request.whenGone(abortOf(controller));
    // no longer needed, and it holds the body
    this.#request = undefined;
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) {
      // each of them restarts the headers timeout
      this.#informational++;
      if (this.#informational > maxInformational) controller.abort(tooManyInformational());
      return;
    }
    // as bytes they keep all that came with them
    controller.rawHeaders = null;
    this.#queue = new ChunkQueue(new ReplySource(controller));
    this.#reply = { status, headers, body: this.#queue };
    tellSoon(this);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#queue?.push(chunk);
  }

  onResponseEnd(): void {
    this.#forgetCaller?.();
    this.#queue?.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#forgetCaller?.();
    this.#passing?.giveUp();
    if (this.#queue) this.#queue.end(error);
    else this.#reject?.(error);
  }
}

/** When the reply is not a stream, fewer bytes are not worth the microsecond it takes. */
const leastPassingBytes = 4_096;

/** A body that is handed out once and not kept: undici holds a body given as bytes for as long as the reply lasts. */
class PassingBody implements AsyncIterableIterator<Uint8Array> {
  #bytes: Uint8Array | undefined;
  #onRead: (() => void) | undefined;

  /** @param onRead called when the memory of the bytes is no longer read */
  constructor(bytes: Uint8Array, onRead: (() => void) | undefined) {
    this.#bytes = bytes;
    this.#onRead = onRead;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const bytes = this.#bytes;
    if (bytes === undefined) return Promise.resolve({ done: true, value: undefined });
    const onRead = this.#onRead;
    this.#bytes = this.#onRead = undefined;
    return Promise.resolve({
      done: false,
      value: onRead === undefined ? bytes : tellWhenWritten(bytes, onRead),
    });
  }

  /** Nobody will read it any more. */
  giveUp(): void {
    this.#onRead?.();
    this.#bytes = this.#onRead = undefined;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

// a function of its own: its closure must not hold the request
function abortOf(controller: Dispatcher.DispatchController): () => void {
  return () => controller.abort(new GatewayError('caller_gone', 'The caller has gone away.'));
}

class ReplySource implements ChunkSource {
  readonly #controller: Dispatcher.DispatchController;

  constructor(controller: Dispatcher.DispatchController) {
    this.#controller = controller;
  }

  pause(): void {
    this.#controller.pause();
  }

  resume(): void {
    this.#controller.resume();
  }

  cancel(): void {
    this.#controller.abort(new Error('The reply is not wanted any more.'));
  }
}
