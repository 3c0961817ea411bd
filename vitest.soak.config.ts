import { defineConfig } from 'vitest/config';

// The slow tests, one file at a time: they install, load and measure, and must not disturb each other.
export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 1,
    include: ['test/soak/**/*.test.ts'],
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
