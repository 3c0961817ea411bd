import { defineConfig } from 'vitest/config';

// The forks pool: natives and ports want a process of their own, and vmForks cannot load the addon.
export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    include: ['test/**/*.test.ts'],
    exclude: ['test/soak/**', 'node_modules/**'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
