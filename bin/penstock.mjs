#!/usr/bin/env node
/**
 * The launcher: makes a checkout ready (packages, addon) and runs a command on the Node 22 that npm brought.
 * Plain JavaScript without dependencies, for any Node from 18 on; it must never hold logic of the gateway itself.
 */

import { existsSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureAddon } from './launcher/addon.mjs';
import { fuzz } from './launcher/fuzz.mjs';
import { ensurePackages, runtime } from './launcher/packages.mjs';
import { LaunchError, run } from './launcher/process.mjs';
import { lint, test } from './launcher/suite.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** What each command needs before it runs; commands not named here go to src/main.ts, which knows the rest. */
const COMMANDS = {
  serve: { packages: 'production', addon: ['penstock'], run: gateway },
  check: { packages: 'production', addon: [], run: gateway },
  'build-addon': { packages: 'production', addon: ['penstock'], run: async () => 0 },
  build: { packages: 'full', addon: ['penstock'], run: emit },
  lint: { packages: 'full', addon: [], run: () => lint(ROOT) },
  test: { packages: 'full', addon: ['penstock', 'penstock_native_test'], run: (args) => test(ROOT, args) },
  fixtures: { packages: 'full', addon: [], run: script('test/support/fixtures/main.ts') },
  'bench-suite': { packages: 'full', addon: ['penstock'], run: script('bench/main.ts') },
  fuzz: { packages: 'full', addon: [], run: (args) => fuzz(ROOT, args) },
  profile: { packages: 'full', addon: ['penstock'], run: script('bench/profile.ts') },
  'check-cuda': { packages: 'full', addon: ['penstock'], run: script('bench/check-cuda.ts') },
};

/**
 * libuv's threads: the four that it has by itself, and one for each thread that decodes pictures (src/preprocess/decode-pool.ts).
 * It reads this once, when it is first used, which may be before any code of ours runs.
 */
const UV_THREADS = 4 + Math.min(8, cpus().length);

/** The gateway's own entry, from sources in a checkout and from dist/ in a release. */
function gateway(args, name) {
  const source = join(ROOT, 'src/main.ts');
  const entry = existsSync(source) ? source : join(ROOT, 'dist/src/main.js');
  return run(runtime(ROOT), [entry, name, ...args], {
    env: { UV_THREADPOOL_SIZE: String(UV_THREADS), ...process.env },
  });
}

function script(path) {
  return (args) => run(runtime(ROOT), [join(ROOT, path), ...args]);
}

function emit() {
  return run(runtime(ROOT), [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.build.json')]);
}

async function main(name = 'serve', ...args) {
  const other = { packages: 'production', addon: [], run: gateway };
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : other;
  await ensurePackages(ROOT, command.packages);
  if (command.addon.length > 0) await ensureAddon(ROOT, command.addon);
  return command.run(args, name);
}

main(...process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error) => {
    process.stderr.write(`penstock: ${error instanceof LaunchError ? error.message : error.stack}\n`);
    process.exit(error.exitCode ?? 70);
  },
);
