import { fileURLToPath } from 'node:url';
import { defineConfig, type Options } from 'tsup';

const shared: Options = {
  target: 'node22',
  platform: 'node',
  splitting: true,
  sourcemap: true,
  treeshake: true,
  // the adapters use the package through its own name, as anybody does: one copy of the core, whatever is imported
  external: ['headgate', /^headgate\//],
  // what is used of zod comes along: loading all of it with its languages takes longer than everything else together;
  // the command line's YAML parser does too, so that nobody has to install it
  noExternal: ['zod', 'yaml'],
};

// the ES module of yaml: its CommonJS one calls require(), which a bundled ES module has not
const esmYaml: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'esm-yaml',
  setup(build) {
    const path = fileURLToPath(new URL('./node_modules/yaml/browser/index.js', import.meta.url));
    build.onResolve({ filter: /^yaml$/ }, () => ({ path }));
  },
};

const core = { index: 'src/index.ts', testing: 'src/testing/index.ts' };

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
    clean: true,
    esbuildPlugins: [esmYaml],
  },
  // the ES modules are the ones to read and step through; these are only to run
  { ...shared, format: 'cjs', dts: { entry: core }, entry: core, minifyWhitespace: true },
  { ...shared, format: ['esm', 'cjs'], dts: true, entry: adapters },
]);
