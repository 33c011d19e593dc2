import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^headgate$/, replacement: source('./src/index.ts') },
      { find: /^headgate\/testing$/, replacement: source('./src/testing/index.ts') },
      {
        find: /^headgate\/(file|sqlite|postgres|redis)$/,
        replacement: source('./src/stores/$1/$1-stores.ts'),
      },
      { find: /^headgate\/(node|express|fastify|hono|fetch)$/, replacement: source('./adapters/$1.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/servers/global-setup.ts'],
    // only against what hangs: no test is to fail because the machine has other things to do
    testTimeout: 120_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 60_000 } },
    // most tests wait for servers and clocks, not for the processor
    maxWorkers: 3,
  },
});
