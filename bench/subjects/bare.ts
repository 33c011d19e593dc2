/**
 * The proxy that everything is compared with: `node:http`, the body buffered and parsed, undici `Pool.dispatch`,
 * chunks written through with backpressure both ways, a caller that is gone ends the upstream request. Nothing else.
 */
import { createServer, type ServerResponse } from 'node:http';
import { type Dispatcher, Pool } from 'undici';
import { listenOptions, poolOptions, upstreamUrl } from './settings.ts';

const upstream = new URL(upstreamUrl);
const pool = new Pool(upstream.origin, poolOptions);
const hopByHop = new Set(['connection', 'host', 'content-length', 'transfer-encoding', 'keep-alive']);

type Headers = Record<string, string | string[] | undefined>;

function toEndToEnd(headers: Headers): Headers {
  const kept: Headers = {};
  for (const name in headers) {
    if (!hopByHop.has(name)) kept[name] = headers[name];
  }
  return kept;
}

function createRelay(response: ServerResponse): Dispatcher.DispatchHandler {
  return {
    onRequestStart(controller) {
      response.on('close', () => {
        if (!response.writableFinished) controller.abort(new Error('the caller is gone'));
      });
      response.on('drain', () => controller.resume());
    },
    onResponseStart(_controller, status, headers) {
      const kept = toEndToEnd(headers as Headers);
      const length = headers['content-length'];
      if (length !== undefined) kept['content-length'] = length;
      response.writeHead(status, kept);
    },
    onResponseData(controller, chunk) {
      if (!response.write(chunk)) controller.pause();
    },
    onResponseEnd() {
      response.end();
    },
    onResponseError() {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end();
    },
  };
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
    try {
      JSON.parse(body.toString());
    } catch {
      response.writeHead(400).end();
      return;
    }
    const path = upstream.pathname + request.url;
    pool.dispatch(
      { path, method: 'POST', headers: toEndToEnd(request.headers), body },
      createRelay(response),
    );
  });
});

server.listen(listenOptions);
