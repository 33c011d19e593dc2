import type { GatewayReply, HeaderMap } from 'headgate';
import type { FetchExchange } from './fetch-exchange.ts';
import { framingFields, isSoundField } from './reply-fields.ts';

/** A reply as a `Response`. Its body is pulled chunk by chunk; cancelling it tells the gateway that the caller is gone. */
export function toFetchResponse(exchange: FetchExchange, reply: GatewayReply): Response {
  const { status, body } = reply;
  const headers = toHeaders(reply.headers, exchange.details?.responseHeaders);
  const isBodiless = [204, 205, 304].includes(status);
  const isHead = exchange.method === 'HEAD';
  if (body instanceof Uint8Array) {
    exchange.finish();
    if (!isBodiless && !(isHead && headers.has('content-length')))
      headers.set('content-length', String(body.length));
    return new Response(isBodiless || isHead ? null : (body as Uint8Array<ArrayBuffer>), { status, headers });
  }
  const iterator = body[Symbol.asyncIterator]();
  if (isBodiless || isHead || exchange.gone) {
    exchange.finish();
    void stopIterator(iterator);
    return new Response(null, { status, headers });
  }
  return new Response(toStream(exchange, iterator), { status, headers });
}

function toHeaders(fields: HeaderMap, before: Headers | undefined): Headers {
  const headers = new Headers(before);
  for (const name in fields) {
    const value = fields[name];
    if (value === undefined || framingFields.has(name) || name === 'connection') continue;
    // the core promises sound fields: others come from a custom stage, and are left out
    if (!isSoundField(name, value)) continue;
    if (typeof value === 'string' && name !== 'set-cookie') {
      headers.set(name, value);
      continue;
    }
    if (name !== 'set-cookie') headers.delete(name);
    for (const part of typeof value === 'string' ? [value] : value) headers.append(name, part);
  }
  return headers;
}

function toStream(exchange: FetchExchange, iterator: AsyncIterator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        exchange.onGone = () => {
          controller.error(exchange.signal.reason);
          void stopIterator(iterator);
        };
      },
      async pull(controller) {
        try {
          const step = await iterator.next();
          if (exchange.gone) return;
          if (step.done !== true) {
            controller.enqueue(step.value);
            return;
          }
          exchange.finish();
          controller.close();
        } catch (error) {
          exchange.finish();
          if (!exchange.gone) controller.error(error);
        }
      },
      async cancel() {
        exchange.onGone = undefined;
        exchange.leave();
        await stopIterator(iterator);
      },
    },
    // nothing is produced before the caller asks for it
    { highWaterMark: 0 },
  );
}

async function stopIterator(iterator: AsyncIterator<Uint8Array>): Promise<void> {
  try {
    await iterator.return?.();
  } catch {
    // it was told; nobody is left to see its failure
  }
}
