import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../..', import.meta.url));
const bin = (name: string) => join(root, 'node_modules/.bin', name);
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const subpaths = Object.keys(manifest.exports).filter((path) => path !== './package.json');
const frameworks = ['express', 'fastify', 'hono'];

/** What each subpath is for: one name that it must export. */
const landmarks: Readonly<Record<string, string>> = {
  '.': 'createGateway',
  './node': 'toNodeHandler',
  './express': 'toExpressHandler',
  './fastify': 'headgate',
  './hono': 'toHonoHandler',
  './fetch': 'toGatewayRequest',
  './file': 'createFileStores',
  './sqlite': 'createSqliteStores',
  './postgres': 'createPostgresStores',
  './redis': 'createRedisStores',
  './testing': 'createFakeUpstream',
};

let folder = '';
let tarball = '';
let installed = '';

/** Runs a script in a project that has the packed package installed, with Node that has no loader but its own. */
async function inProject(script: string, type: 'module' | 'commonjs' = 'module'): Promise<string> {
  const { stdout } = await run(process.execPath, [`--input-type=${type}`, '--eval', script], {
    cwd: join(folder, 'project'),
  });
  return stdout.trim();
}

beforeAll(async () => {
  if (!existsSync(join(root, 'dist/index.js')))
    throw new Error('There is no build: run "npm test", which makes one.');
  folder = mkdtempSync(join(tmpdir(), 'headgate-package-'));
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
    cwd: root,
    maxBuffer: 1 << 24,
  });
  const packed = Object.values(JSON.parse(stdout))[0] as { filename: string };
  tarball = join(folder, packed.filename);
  // installed as npm would, but for the dependencies: those are the ones of this project
  const modules = join(folder, 'project/node_modules');
  installed = join(modules, 'headgate');
  mkdirSync(installed, { recursive: true });
  await run('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1']);
  const needed = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)];
  for (const name of needed) {
    const link = join(modules, name);
    mkdirSync(join(link, '..'), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), link);
  }
});

afterAll(() => {
  if (folder) rmSync(folder, { recursive: true });
});

const filesOf = (path: string): string[] =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** The modules that a built file imports, its own chunks followed; names of packages. */
function importsOf(file: string, seen = new Set<string>()): Set<string> {
  const found = new Set<string>();
  if (seen.has(file)) return found;
  seen.add(file);
  const source = readFileSync(file, 'utf8');
  // names only: minified code has texts that look like imports
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\(\s*)["']([@\w./:-]+)["']/g;
  for (const [, name = ''] of source.matchAll(pattern)) {
    if (name.startsWith('.')) {
      const next = file.endsWith('.d.ts') ? name.replace(/\.js$/, '.d.ts') : name;
      for (const one of importsOf(join(file, '..', next), seen)) found.add(one);
    } else found.add(name);
  }
  return found;
}

describe('the packed package', () => {
  it('has no line so long that whoever misspells an option has the terminal filled with it', () => {
    const lengths = filesOf(join(installed, 'dist'))
      .filter((path) => path.endsWith('.js'))
      .flatMap((path) => readFileSync(path, 'utf8').split('\n'))
      .map(({ length }) => length);
    expect(Math.max(...lengths)).toBeLessThan(10_000);
  });

  it('is small: at most 400 KB, without source maps, tests or sources', () => {
    expect(statSync(tarball).size).toBeLessThanOrEqual(400_000);
    const names = filesOf(installed).map((file) => file.slice(installed.length + 1));
    expect(
      names.filter((name) =>
        /\.map$|(^|\/)(src|test|bench|examples|node_modules)\/|\.env|\.npmrc/.test(name),
      ),
    ).toEqual([]);
    expect(names).toEqual(expect.arrayContaining(['package.json', 'LICENSE', 'README.md']));
    expect(names.filter((name) => /\.(ts|js|cjs|cts)$/.test(name) && !name.startsWith('dist/'))).toEqual([]);
  });

  it('runs nothing when it is installed', () => {
    for (const script of ['preinstall', 'install', 'postinstall', 'prepare']) {
      expect(manifest.scripts).not.toHaveProperty(script);
    }
    expect(Object.keys(manifest.dependencies).length).toBeLessThanOrEqual(10);
  });

  it('names a file for every entry of its manifest', () => {
    const files = JSON.stringify([
      manifest.exports,
      manifest.main,
      manifest.module,
      manifest.types,
      manifest.bin,
    ]);
    for (const [, path = ''] of files.matchAll(/"(\.\/dist\/[^"]+)"/g)) {
      expect([path, existsSync(join(installed, path))]).toEqual([path, true]);
    }
    expect(Object.keys(landmarks)).toEqual(expect.arrayContaining(subpaths));
  });

  it.each(subpaths)('can be imported and required at %s, with the same names', async (subpath) => {
    const name = `headgate${subpath.slice(1)}`;
    const shown = 'JSON.stringify(Object.keys(loaded).filter((key) => key !== "default").sort())';
    const imported = JSON.parse(await inProject(`import * as loaded from '${name}'; console.log(${shown})`));
    const required = JSON.parse(
      await inProject(`const loaded = require('${name}'); console.log(${shown})`, 'commonjs'),
    );
    expect(imported).toEqual(required);
    expect(imported).toContain(landmarks[subpath]);
  });

  it('recognises its errors and keys across the two builds in one process', async () => {
    const output = await inProject(`
      import { createRequire } from 'node:module';
      import { GatewayError, isGatewayError, createKey, createRuntime } from 'headgate';
      const other = createRequire(import.meta.url)('headgate');
      const { key } = createKey(createRuntime(), { environment: 'live' });
      console.log(JSON.stringify([
        other.GatewayError === GatewayError,
        isGatewayError(new other.GatewayError('invalid_key', 'x')),
        other.isGatewayError(new GatewayError('invalid_key', 'x')),
        other.parseKey(key) !== undefined,
      ]));
    `);
    expect(JSON.parse(output).slice(1)).toEqual([true, true, true]);
  });

  it('serves a request through the built core', async () => {
    const output = await inProject(`
      import { createGateway } from 'headgate';
      import { createFakeUpstream } from 'headgate/testing';
      const upstream = await createFakeUpstream();
      const gateway = createGateway(
        {
          providers: { openai: { type: 'openai', apiKey: 'x', baseUrl: upstream.url + '/v1' } },
          models: { 'gpt-4.1': { targets: ['openai'] } },
          profiles: { standard: {} },
          teams: { t: { profile: 'standard' } },
        },
        { keyResolver: { resolve: () => ({ kid: 'k', team: 't', environment: 'live' }), forget() {} } },
      );
      const body = new TextEncoder().encode(JSON.stringify({ model: 'gpt-4.1', messages: [] }));
      const reply = await gateway.handle({
        method: 'POST', path: '/v1/chat/completions', query: '', signal: new AbortController().signal,
        headers: { 'content-type': 'application/json' }, readBody: async () => body,
      });
      await gateway.close();
      await upstream.close();
      console.log(reply.status, gateway.records.length);
    `);
    expect(output).toBe('200 1');
  });

  it.each(['index.js', 'index.cjs'])(
    'has a core (%s) that names no framework and no client of a store',
    (file) => {
      const found = [...importsOf(join(installed, 'dist', file))].filter((name) => !isBuiltin(name));
      // its own name is the fetch adapter, loaded by who calls gateway.fetch
      // jose is loaded by who lets tokens in
      const allowed = new Set(['headgate', 'jose', ...Object.keys(manifest.dependencies)]);
      const names = found.map((name) =>
        name
          .split('/')
          .slice(0, name.startsWith('@') ? 2 : 1)
          .join('/'),
      );
      expect(names.filter((name) => !allowed.has(name))).toEqual([]);
      expect(names.length).toBeGreaterThan(2);
    },
  );

  it('loads neither undici, nor OpenTelemetry, nor any framework when the core is imported', async () => {
    const output = await inProject(`
      import { registerHooks } from 'node:module';
      const seen = [];
      registerHooks({
        resolve(specifier, context, next) {
          const found = next(specifier, context);
          seen.push(found.url);
          return found;
        },
      });
      const { createGateway } = await import('headgate');
      createGateway({ providers: { openai: { type: 'openai', apiKey: 'x' } }, models: { m: { targets: ['openai'] } } });
      console.log(JSON.stringify(seen));
    `);
    const seen: string[] = JSON.parse(output);
    expect(seen.some((url) => url.includes('lru-cache'))).toBe(true);
    const heavy = seen.filter((url) =>
      /node_modules\/(undici|@opentelemetry|express|fastify|hono|yaml|msw)\//.test(url),
    );
    expect(heavy).toEqual([]);
  });

  it('loads no module of Node that only some gateways need when the core is imported', async () => {
    const output = await inProject(`
      const before = new Set(process.moduleLoadList);
      await import('headgate');
      console.log(process.moduleLoadList.filter((name) => !before.has(name)).join('\\n'));
    `);
    const loaded = output.split('\n').filter((name) => name.startsWith('NativeModule '));
    expect(loaded).toContain('NativeModule crypto');
    const costly = [
      'dns',
      'net',
      'zlib',
      'v8',
      'worker_threads',
      'internal/fs/watchers',
      'internal/fs/promises',
    ];
    expect(loaded.filter((name) => costly.includes(name.slice('NativeModule '.length)))).toEqual([]);
  });

  it('starts a span for the first request after a tracer provider was registered', async () => {
    const output = await inProject(`
      import { trace } from '@opentelemetry/api';
      import { createGateway } from 'headgate';
      const gateway = createGateway({ providers: { openai: { type: 'openai', apiKey: 'x' } }, models: { m: { targets: ['openai'] } } });
      const names = [];
      const span = trace.wrapSpanContext({ traceId: '1'.repeat(32), spanId: '1'.repeat(16), traceFlags: 0 });
      trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan: (name) => names.push(name) && span }) });
      await gateway.fetch(new Request('http://localhost/v1/models'));
      console.log(JSON.stringify(names));
    `);
    expect(JSON.parse(output)).toEqual(['list-models']);
  });

  it.each(subpaths)('has types at %s that no framework is needed for but its own', (subpath) => {
    const types: string = manifest.exports[subpath].import.types;
    const own = subpath.slice(2);
    const found = [...importsOf(join(installed, types))];
    expect(found.filter((name) => frameworks.includes(name) && name !== own)).toEqual([]);
    expect(found.filter((name) => /^(undici|opossum|lru-cache|p-retry|msw|yaml)$/.test(name))).toEqual([]);
  });

  it('passes publint', async () => {
    await expect(run(bin('publint'), ['run', installed, '--strict'])).resolves.toBeDefined();
  });

  it('has types that resolve for ESM and CommonJS alike', { timeout: 300_000 }, async () => {
    // node16 and bundlers; the resolution of Node 10 knows no "exports", and no supported Node uses it
    const result = await run(
      bin('attw'),
      [tarball, '--profile', 'node16', '--format', 'json', '--no-emoji'],
      {
        maxBuffer: 1 << 26,
        env: { ...process.env, HOME: folder },
      },
    ).catch((error: { stdout: string; stderr: string }) => error);
    const { problems, analysis } = JSON.parse(result.stdout);
    expect(problems ?? analysis?.problems ?? {}).toEqual(expect.anything());
    const all = Object.values<{ kind?: string; resolutionKind?: string }[]>(problems ?? {}).flat();
    expect(all.filter(({ resolutionKind }) => resolutionKind !== 'node10')).toEqual([]);
  });

  it('gives CommonJS the types of every value and every type, generic ones among them', {
    timeout: 300_000,
  }, async () => {
    const project = join(folder, 'project');
    const source = `
      import headgate = require('headgate');
      import { createFileStores } from 'headgate/file';
      import { toNodeHandler } from 'headgate/node';
      const gateway: headgate.Gateway = headgate.createGateway({ providers: {}, models: {} });
      export const failed: headgate.GatewayError = new headgate.GatewayError('invalid_key', 'x');
      export type Named = headgate.Stage<headgate.Arrival, { readonly name: string }>['name'];
      export const stores: headgate.Stores = createFileStores({ directory: '.' });
      export const handler = toNodeHandler(gateway);
      // @ts-expect-error a number is no configuration
      headgate.createGateway(1);
    `;
    writeFileSync(join(project, 'uses.cts'), source);
    const strict = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'es2024'];
    const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
    const compile = (module: string) =>
      run(bin('tsc'), [...strict, ...types, '--module', module, 'uses.cts'], { cwd: project }).catch(
        ({ stdout }: { stdout: string }) => ({ stdout }),
      );
    for (const module of ['node16', 'nodenext']) expect((await compile(module)).stdout).toBe('');
  });

  it('starts as a program', async () => {
    const { stdout } = await run(process.execPath, [join(installed, manifest.bin.headgate), '--version']);
    expect(stdout).toContain(manifest.version);
  });
});
