import { defineConfig, type Options } from 'tsup';

const shared: Options = {
  format: ['esm', 'cjs'],
  target: 'node22',
  platform: 'node',
  dts: true,
  splitting: true,
  sourcemap: true,
  treeshake: true,
  // the adapters use the package through its own name, as anybody does: one copy of the core, whatever is imported
  external: ['headgate', /^headgate\//],
};

export default defineConfig([
  { ...shared, entry: { index: 'src/index.ts', testing: 'src/testing/index.ts' }, clean: true },
  {
    ...shared,
    entry: {
      node: 'adapters/node.ts',
      express: 'adapters/express.ts',
      fastify: 'adapters/fastify.ts',
      hono: 'adapters/hono.ts',
      fetch: 'adapters/fetch.ts',
    },
  },
  // the command line is a program, not a library: one format, and its YAML parser comes along
  { ...shared, format: ['esm'], dts: false, entry: { cli: 'src/cli/bin.ts' }, noExternal: ['yaml'] },
]);
