import { rmSync } from 'node:fs';
import { defineConfig, type Options } from 'tsup';

// once, before any of the builds below begins: they run side by side, and `clean` in one could take what another wrote
rmSync(new URL('./dist', import.meta.url), { recursive: true, force: true });

const shared: Options = {
  target: 'node22',
  platform: 'node',
  splitting: true,
  sourcemap: true,
  treeshake: true,
  // the adapters use the package through its own name, as anybody does: one copy of the core, whatever is imported
  external: ['headgate', /^headgate\//],
  // what is used of zod comes along: loading all of it with its languages takes longer than everything else together
  noExternal: ['zod'],
};

// The command line's YAML parser is somebody else's code, loaded only for YAML files: a file of its own, minified.
const separateYaml: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'separate-yaml',
  setup(build) {
    build.onResolve({ filter: /^yaml$/ }, () => ({ path: './yaml.js', external: true }));
  },
};
// its ES module: the CommonJS one calls require(), which a bundled ES module has not
const yaml: Options = {
  format: 'esm',
  target: 'node22',
  entry: { yaml: 'node_modules/yaml/browser/index.js' },
  minify: true,
  banner: { js: '/*! yaml, ISC License, Copyright Eemeli Aro <eemeli@gmail.com> */' },
};

const core = {
  index: 'src/index.ts',
  testing: 'src/testing/index.ts',
  file: 'src/stores/file/file-stores.ts',
  sqlite: 'src/stores/sqlite/sqlite-stores.ts',
  postgres: 'src/stores/postgres/postgres-stores.ts',
  redis: 'src/stores/redis/redis-stores.ts',
};

const adapters = {
  node: 'adapters/node.ts',
  express: 'adapters/express.ts',
  fastify: 'adapters/fastify.ts',
  hono: 'adapters/hono.ts',
  fetch: 'adapters/fetch.ts',
};

export default defineConfig([
  {
    ...shared,
    format: 'esm',
    dts: { entry: core },
    entry: { ...core, cli: 'src/cli/bin.ts' },
    esbuildPlugins: [separateYaml],
  },
  yaml,
  // the ES modules are the ones to read and step through; these are only to run
  { ...shared, format: 'cjs', dts: { entry: core }, entry: core, minifyWhitespace: true },
  { ...shared, format: ['esm', 'cjs'], dts: true, entry: adapters },
]);
