import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { closeGracefully, toNodeHandler } from '../../../../adapters/node.ts';
import type { Scenario } from './scenario.ts';
import { onStage, type Stage, until } from './stage.ts';

async function listen(handler: Parameters<typeof createServer>[1]) {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    server,
    url,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function askAt({ site, dialect }: Stage, url: string, stream: boolean) {
  const { path, headers, body } = dialect.toRequest('the-model', stream);
  return site.client.send({
    url: `${url}${path}`,
    headers: { authorization: `Bearer ${site.key}`, ...headers },
    body: JSON.stringify(body),
  });
}

/** The host ends its server in the middle of it. */
export const hostCloses: Scenario = {
  title:
    'the host closes its server with a stream in flight: gracefully, the stream ends whole; by force, it is settled, and nothing is left open',
  async run() {
    return onStage({}, async (stage) => {
      const { site, upstreams, dialect, check } = stage;
      const [upstream] = upstreams;
      const graceful = await listen(toNodeHandler(site.gateway));
      upstream?.script({ do: 'slow', bytes: 400, everyMs: 20 });
      const whole = askAt(stage, graceful.url, true);
      await until(() => (upstream?.seen.length ?? 0) === 1);
      await closeGracefully(graceful.server, { drainMs: 5_000 });
      const read = dialect.readStream((await whole).body);
      check(read.isWhole, 'a graceful end cut the stream');
      const forced = await listen(toNodeHandler(site.gateway));
      upstream?.script({ do: 'stall', after: 2 });
      const cut = askAt(stage, forced.url, true).catch(() => undefined);
      await until(() => (upstream?.seen.length ?? 0) === 2 && (upstream?.seen[1]?.sentBytes ?? 0) > 0);
      await forced.close();
      await cut;
      check(await until(() => upstream?.seen[1]?.wasLeft === true), "the upstream's stream was not ended");
      check(await until(() => site.records.length === 2), `${site.records.length} records for 2 requests`);
      check(site.records[1]?.outcome === 'aborted', `the record says ${site.records[1]?.outcome}`);
    });
  },
};

/** The host's own code fails around the gateway. */
export const hostThrows: Scenario = {
  title:
    "the host's own code throws, before the gateway or in what it tells about the caller: 500, and nothing is held",
  async run() {
    return onStage({}, async (stage) => {
      const { site, upstreams, check } = stage;
      const handler = toNodeHandler(site.gateway, {
        host: () => {
          throw new Error('The session store is down.');
        },
      });
      const throwing = await listen(handler);
      const got = await askAt(stage, throwing.url, false);
      check(got.status === 500, `status ${got.status}, not 500`);
      check(!got.body.toString().includes('session store'), 'the text of the error reached the caller');
      await throwing.close();
      const plain = toNodeHandler(site.gateway);
      const before = await listen((request, response) => {
        try {
          if (request.headers['x-bad'] !== undefined) throw new Error('A middleware failed.');
          plain(request, response);
        } catch {
          response.writeHead(500).end();
        }
      });
      const bad = await site.client.send({ url: before.url, headers: { 'x-bad': '1' }, body: '{}' });
      check(bad.status === 500, `status ${bad.status}, not 500`);
      check((await askAt(stage, before.url, false)).status === 200, 'the next request was not answered');
      await before.close();
      check(upstreams[0]?.seen.length === 1, `${upstreams[0]?.seen.length} requests were sent, not 1`);
    });
  },
};

/** One gateway at two places. */
export const doubleMount: Scenario = {
  title:
    'one gateway mounted twice, one inside the other: each request is answered, recorded and charged once',
  async run() {
    return onStage({}, async (stage) => {
      const { site, upstreams, check } = stage;
      const one = toNodeHandler(site.gateway);
      const other = toNodeHandler(site.gateway);
      const twice = await listen((request, response) => {
        one(request, response);
        other(request, response);
      });
      const apart = await listen((request, response) => {
        (request.url?.startsWith('/a') ? one : other)(request, response);
      });
      for (const prefix of ['/a', '/b'])
        check((await askAt(stage, `${apart.url}${prefix}`, true)).status === 200, 'a mount did not answer');
      const got = await askAt(stage, twice.url, false);
      // both read the body and write the head; whoever comes second must not break the first
      check(got.isEnded, 'the reply was broken off');
      await until(() => site.journal.open === 0);
      const sent = upstreams[0]?.seen.length ?? 0;
      check(sent <= 3, `${sent} requests were sent for 3`);
      check(site.journal.settled.size <= 3, `${site.journal.settled.size} were charged for 3`);
      await twice.close();
      await apart.close();
    });
  },
};
