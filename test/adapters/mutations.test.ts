import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { type Adapters, adapterCases, type Mount, mounts, runCase } from './cases.ts';
import { startMount } from './support/run-case.ts';

// The cases are worth what they notice. Here the adapters are broken on purpose, in a copy of their source, and
// the cases have to fail.

const source = fileURLToPath(new URL('../../adapters/', import.meta.url));

interface Mutation {
  readonly name: string;
  readonly mount: Mount['name'];
  readonly file: string;
  /** Must occur in the file, so that a mutation can not silently become none. */
  readonly find: string;
  readonly replace: string;
  /** The cases that have to fail, by the beginning of their names. */
  readonly caughtBy: readonly string[];
}

const mutations: readonly Mutation[] = [
  {
    name: 'the mount path is lost in express',
    mount: 'express after express.json()',
    file: 'bridge/node-exchange.ts',
    find: '(request as { originalUrl?: string }).originalUrl ?? ',
    replace: '',
    caughtBy: ['the path reaches the gateway with its mount prefix'],
  },
  {
    name: 'the mount path is lost in fastify',
    mount: 'fastify under a prefix after a hook that sets cookies',
    file: 'fastify.ts',
    find: "request.raw.url ?? ''",
    replace: "(request.raw.url ?? '').slice('/api/llm'.length)",
    caughtBy: ['the path reaches the gateway with its mount prefix'],
  },
  {
    name: 'the mount path is lost in hono',
    mount: 'hono on node-server under a base path after a middleware that sets cookies',
    file: 'hono.ts',
    find: "url: incoming.url ?? ''",
    replace: "url: (incoming.url ?? '').slice('/api/llm'.length)",
    caughtBy: ['the path reaches the gateway with its mount prefix'],
  },
  {
    name: 'the path is normalised',
    mount: 'node:http',
    file: 'bridge/node-exchange.ts',
    find: 'this.path = mark === -1 ? url : url.slice(0, mark);',
    replace: "this.path = new URL(url, 'http://a').pathname;",
    caughtBy: ['a path that is written in a tricky way'],
  },
  {
    name: 'an abort is not propagated on node',
    mount: 'node:http',
    file: 'bridge/node-exchange.ts',
    find: 'this.controller?.abort(callerGone());',
    replace: '',
    caughtBy: ['a caller who leaves during a stream aborts', 'a caller who leaves before the reply aborts'],
  },
  {
    name: 'whoever asked to be called is not told of an abort on node',
    mount: 'node:http',
    file: 'bridge/node-exchange.ts',
    find: 'listener?.();',
    replace: '',
    caughtBy: ['a caller who leaves is told of to who asked to be called'],
  },
  {
    name: 'the second one who asked to be called is not told of an abort on node',
    mount: 'node:http',
    file: 'bridge/node-exchange.ts',
    find: 'for (const other of others) other();',
    replace: '',
    caughtBy: ['a caller who leaves is told of to who asked to be called'],
  },
  {
    name: 'the producer of a stream is not told that the caller left',
    mount: 'node:http',
    file: 'bridge/node-pump.ts',
    find: 'void stopIterator(this.#source);',
    replace: '',
    caughtBy: ['a caller who leaves during a stream aborts'],
  },
  {
    name: 'an abort is not propagated over fetch',
    mount: 'fetch',
    file: 'bridge/fetch-exchange.ts',
    find: 'this.controller.abort(callerGone());',
    replace: '',
    caughtBy: ['a caller who leaves during a stream aborts', 'a caller who leaves before the reply aborts'],
  },
  {
    name: 'repeated set-cookie is lost on node',
    mount: 'node:http',
    file: 'bridge/node-reply.ts',
    find: 'toCookieList(outgoing.getHeader(name), value)',
    replace: 'String(value)',
    caughtBy: ['repeated set-cookie stays apart'],
  },
  {
    name: 'the cookies of the host are replaced',
    mount: 'express under two prefixes after a middleware that sets cookies',
    file: 'bridge/reply-fields.ts',
    find: 'return cookies.concat(value);',
    replace: 'return cookies.slice(0, 0).concat(value);',
    caughtBy: ['repeated set-cookie stays apart'],
  },
  {
    name: 'repeated set-cookie is lost over fetch',
    mount: 'fetch',
    file: 'bridge/fetch-reply.ts',
    find: 'headers.append(name, part)',
    replace: 'headers.set(name, part)',
    caughtBy: ['repeated set-cookie stays apart'],
  },
  {
    name: 'a parsed body is ignored in express',
    mount: 'express after express.json()',
    file: 'bridge/node-body.ts',
    find: 'const held = rawBody ?? body ??',
    replace: 'if (rawBody === undefined) return empty;\n  const held = rawBody ??',
    caughtBy: ['a JSON body reaches the gateway with its meaning'],
  },
  {
    name: 'a body that the host kept is ignored in express',
    mount: 'express after express.json() that keeps rawBody',
    file: 'bridge/node-body.ts',
    find: 'const held = rawBody ?? body ??',
    replace: 'const held = body ??',
    caughtBy: ['a JSON body reaches the gateway byte for byte'],
  },
  {
    name: 'a parsed body is ignored in hono',
    mount: 'hono on node-server after a middleware that read the JSON',
    file: 'hono.ts',
    find: 'readParsedBody: () => readParsedBody(context),',
    replace: '',
    caughtBy: ['a JSON body reaches the gateway with its meaning'],
  },
  {
    name: 'backpressure is ignored',
    mount: 'node:http',
    file: 'bridge/node-pump.ts',
    find: 'else whenDrained(exchange, () => this.#pull());',
    replace: 'else this.#pull();',
    caughtBy: ['a caller who does not read pauses the producer'],
  },
  {
    name: 'a broken stream ends cleanly',
    mount: 'node:http',
    file: 'bridge/node-pump.ts',
    find: 'breakOff(exchange);',
    replace: 'exchange.outgoing.end();',
    caughtBy: ['a stream that breaks after its first chunk'],
  },
  {
    name: 'two hosts are let through',
    mount: 'node:http',
    file: 'bridge/node-exchange.ts',
    find: 'hosts > 1',
    replace: 'hosts > 9',
    caughtBy: ['a request with two Host lines', 'a request with two equal Host lines'],
  },
  {
    name: 'a large body is read before it is refused, and its connection kept',
    mount: 'node:http',
    file: 'bridge/node-body.ts',
    find: 'length > maxBytes) fail(',
    replace: 'length > 64 * maxBytes) fail(',
    caughtBy: ['a body in chunks that come one by one'],
  },
];

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

/** The adapters, built from a copy of their source in which one place was changed. */
async function mutate({ file, find, replace }: Mutation): Promise<Adapters> {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-mutant-'));
  folders.push(folder);
  for (const name of await readdir(source, { recursive: true })) {
    if (!name.endsWith('.ts')) continue;
    let text = await readFile(join(source, name), 'utf8');
    if (name === file) {
      expect(text, `the place to break in ${file}`).toContain(find);
      text = text.replace(find, () => replace);
    }
    // the subpaths of the package would lead back to the sound ones
    text = text.replaceAll(/'headgate\/(node|fetch)'/g, "'./$1.ts'");
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  const load = (name: string) => import(/* @vite-ignore */ pathToFileURL(join(folder, name)).href);
  const modules = await Promise.all(['node.ts', 'express.ts', 'fastify.ts', 'hono.ts', 'fetch.ts'].map(load));
  return Object.assign({}, ...modules) as Adapters;
}

describe('the shared cases', () => {
  it.each(mutations)('notice when $name', async (mutation) => {
    const mount = mounts.find((candidate) => candidate.name === mutation.mount);
    if (mount === undefined) throw new TypeError(`There is no mount "${mutation.mount}".`);
    const suspects = adapterCases.filter(
      (adapterCase) =>
        adapterCase.exempt?.(mount) === undefined &&
        mutation.caughtBy.some((beginning) => adapterCase.name.startsWith(beginning)),
    );
    expect(suspects.length).toBe(mutation.caughtBy.length);
    const started = await startMount(await mutate(mutation), mount);
    try {
      for (const suspect of suspects) {
        await expect(runCase(suspect, started), suspect.name).rejects.toThrow();
      }
    } finally {
      await started.running.close();
    }
  });

  it('pass on a copy of the adapters in which nothing was changed', async () => {
    const untouched = { file: 'node.ts', find: 'toNodeHandler', replace: 'toNodeHandler' };
    const [mount] = mounts;
    const started = await startMount(await mutate(untouched as Mutation), mount as Mount);
    const names = mutations
      .filter((mutation) => mutation.mount === mount?.name)
      .flatMap(({ caughtBy }) => caughtBy);
    try {
      for (const adapterCase of adapterCases) {
        if (names.some((name) => adapterCase.name.startsWith(name))) await runCase(adapterCase, started);
      }
    } finally {
      await started.running.close();
    }
  });
});
