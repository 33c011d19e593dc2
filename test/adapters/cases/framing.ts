import assert from 'node:assert/strict';
import http from 'node:http';
import type { Socket } from 'node:net';
import { type AdapterCase, needsHttp1 } from '../support/case.ts';
import { until } from '../support/client.ts';
import { echo, partsBody, toReply } from '../support/stub-gateway.ts';

const code = (received: string): string => JSON.parse(received.slice(received.indexOf('{'))).error.code;

/** What node:http lets through although a proxy in front may read it otherwise. `{path}` is below the mount. */
const smuggled: readonly [name: string, head: string][] = [
  ['two Host lines', 'GET {path} HTTP/1.1\r\nHost: a\r\nHost: b'],
  ['two equal Host lines', 'GET {path} HTTP/1.1\r\nHost: a\r\nhOST: a'],
  ['an absolute target', 'GET http://evil.example{path} HTTP/1.1\r\nHost: a'],
  ['a Host with a path', 'GET {path} HTTP/1.1\r\nHost: a/b'],
  ['a Host with credentials', 'GET {path} HTTP/1.1\r\nHost: user@a'],
  ['a Host with a space', 'GET {path} HTTP/1.1\r\nHost: a b'],
  ['a Host that is a list', 'GET {path} HTTP/1.1\r\nHost: a, b'],
  ['a Host with a port that is none', 'GET {path} HTTP/1.1\r\nHost: a:80x'],
  ['an empty Host', 'GET {path} HTTP/1.1\r\nHost:'],
  ['201 headers', `GET {path} HTTP/1.1\r\nHost: a${'\r\nx: y'.repeat(199)}\r\nConnection: close`],
  ['2,001 headers', `GET {path} HTTP/1.1\r\nHost: a${'\r\nx: y'.repeat(2_000)}`],
];

export const framingCases: readonly AdapterCase[] = [
  {
    name: 'requests in a pipeline are answered in their order, also when the first takes longest',
    exempt: needsHttp1,
    async run({ talk, gateway, mount }) {
      gateway.answer = async (request) => {
        const index = Number(request.query);
        await new Promise((resolve) => setTimeout(resolve, (4 - index) * 10));
        return toReply(200, index % 2 === 0 ? `<${index}>` : partsBody('<', String(index), '>'));
      };
      const requests = [0, 1, 2, 3, 4].map(
        (index) =>
          `GET ${mount.prefix}/v1/x?${index} HTTP/1.1\r\nHost: a\r\n${index === 4 ? 'Connection: close\r\n' : ''}\r\n`,
      );
      const received = await talk(requests.join(''));
      const order = [...received.matchAll(/<(\d)>|<\r\n1\r\n(\d)\r\n/g)].map((match) => match[1] ?? match[2]);
      assert.deepEqual(order, ['0', '1', '2', '3', '4']);
      assert.equal(received.split('HTTP/1.1 200 ').length, 6);
    },
  },
  {
    name: 'one connection serves many requests, with bodies and without, streamed or not, and keeps no listener',
    exempt: needsHttp1,
    async run({ gateway, running, mount }) {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const warnings: Error[] = [];
      const onWarning = (warning: Error) => warnings.push(warning);
      process.on('warning', onWarning);
      let socket: Socket | undefined;
      const onConnection = (opened: Socket) => {
        socket = opened;
      };
      running.server.once('connection', onConnection);
      gateway.answer = async (request) => {
        void request.signal;
        const { body } = await echo(request);
        return toReply(
          200,
          request.query === 'stream' ? partsBody(Buffer.from(body as Uint8Array).toString(), '!') : body,
        );
      };
      const count = mount.family === 'node' ? 10_000 : 400;
      const counts: number[] = [];
      try {
        for (let index = 0; index < count; index++) {
          const body = index % 3 === 0 ? '' : `body ${index}`;
          const stream = index % 2 === 0;
          const text = await post(
            agent,
            running.port,
            `${mount.prefix}/v1/x${stream ? '?stream' : ''}`,
            body,
          );
          assert.equal(text, stream ? `${body}!` : body);
          if (index === 20 || index === count - 1) counts.push(countListeners(socket));
          if (index % 1_000 === 0) gateway.seen.length = 0;
        }
      } finally {
        agent.destroy();
        process.off('warning', onWarning);
        running.server.off('connection', onConnection);
      }
      assert.deepEqual(warnings, []);
      assert.equal(counts[0], counts[1]);
      assert.ok((counts[0] ?? 0) > 0);
    },
  },
  {
    name: 'a connection is kept after replies that did not wait for the request to be read',
    exempt: needsHttp1,
    async run({ talk, gateway, mount }) {
      gateway.answer = (request) => toReply(200, `<${request.query}>`);
      const line = (method: string, index: number, rest: string) =>
        `${method} ${mount.prefix}/v1/x?${index} HTTP/1.1\r\nHost: a\r\n${rest}`;
      const received = await talk(
        line('GET', 0, '\r\n') +
          line('POST', 1, 'Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc') +
          line('DELETE', 2, '\r\n') +
          line('GET', 3, 'Connection: close\r\n\r\n'),
      );
      const order = [...received.matchAll(/<(\d)>/g)].map((match) => match[1]);
      assert.deepEqual(order, ['0', '1', '2', '3']);
      assert.equal(received.match(/connection: close/gi)?.length, 1);
    },
  },
  {
    name: 'Expect: 100-continue is answered before the body, and the reply follows',
    exempt: needsHttp1,
    async run({ converse, mount }) {
      const conversation = converse(
        `POST ${mount.prefix}/v1/x HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n`,
      );
      await until(
        () => conversation.received.startsWith('HTTP/1.1 100 Continue\r\n\r\n'),
        'the server asked for the body',
      );
      conversation.socket.write('abc');
      await until(() => conversation.received.endsWith('abc'), 'the body came back');
      assert.match(conversation.received, /\r\n\r\nHTTP\/1\.1 200 /);
      conversation.socket.destroy();
    },
  },
  {
    name: 'an expectation that nobody knows is answered with 417',
    exempt: needsHttp1,
    async run({ talk, gateway, mount }) {
      const received = await talk(
        `POST ${mount.prefix}/v1/x HTTP/1.1\r\nHost: a\r\nExpect: bogus\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc`,
      );
      assert.match(received, /^HTTP\/1\.1 417 /);
      assert.equal(gateway.seen.length, 0);
    },
  },
  ...smuggled.map(
    ([name, head]): AdapterCase => ({
      name: `a request with ${name} is refused`,
      exempt: (mount) =>
        needsHttp1(mount) ??
        (mount.overFetch && /target|two|201/.test(name)
          ? 'a Request does not show it; the server in front has to refuse it'
          : undefined),
      async run({ talk, gateway, mount }) {
        const target = head.replace('{path}', `${mount.prefix}/v1/models`);
        const received = await talk(
          `${target}${target.includes('Connection') ? '' : '\r\nConnection: close'}\r\n\r\n`,
        );
        // node itself answers 431 to very many headers, and node-server 400 to some hosts, before anyone is asked
        assert.match(received, /^HTTP\/1\.1 4(?:00|31) /);
        if (gateway.seen.length > 0) assert.equal(code(received), 'malformed_request');
        else
          assert.ok(
            mount.family === 'hono' || mount.overFetch || name.startsWith('2,001'),
            'nobody was asked',
          );
      },
    }),
  ),
  {
    name: 'a request of HTTP/1.0 with a transfer-encoding is refused with 400',
    exempt: (mount) =>
      needsHttp1(mount) ?? (mount.overFetch ? 'a Request does not say which version it came in' : undefined),
    async run({ talk, gateway, mount }) {
      const received = await talk(
        `POST ${mount.prefix}/v1/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
      );
      assert.match(received, /^HTTP\/1\.1 400 /);
      assert.deepEqual(gateway.errors, ['malformed_request']);
    },
  },
  {
    name: 'the hosts that real clients name are not refused',
    exempt: needsHttp1,
    async run({ talk, mount }) {
      for (const host of [
        'a',
        'a.example:8080',
        'my_service.local',
        '127.0.0.1:1',
        '[::1]:8080',
        'xn--e1afmkfd.example.',
      ]) {
        const received = await talk(
          `GET ${mount.prefix}/v1/models HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
        );
        assert.match(received, /^HTTP\/1\.1 200 /, host);
      }
    },
  },
];

function post(agent: http.Agent, port: number, path: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.request({
      agent,
      port,
      path,
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    });
    request.end(body);
  });
}

function countListeners(socket: Socket | undefined): number {
  let count = 0;
  for (const name of socket?.eventNames() ?? []) count += socket?.listenerCount(name) ?? 0;
  return count;
}
