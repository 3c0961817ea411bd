/**
 * `npm run fuzz -- NAME SECONDS [--seed N]`: one kernel under libFuzzer, or one of the fuzzers written in TypeScript.
 * `npm run fuzz -- http 1 --replay FILE` sends one request of a finding again.
 */

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureAddon } from './addon.mjs';
import { runtime } from './packages.mjs';
import { capture, LaunchError, run } from './process.mjs';
import { ensureFuzzer, kernelsOf, SANITIZER_OPTIONS, seedsOf } from './sanitized.mjs';

/** The fuzzers that test/fuzz/main.ts runs. */
const SCRIPTS = ['http', 'differential'];

/** Longest input that libFuzzer makes: every loop and limit of the kernels is met well below. */
const MOST_BYTES = 4096;

/** Fuzzes for the time given. Resolves with the exit code: not 0 where something was found. */
export async function fuzz(root, args) {
  const names = [...kernelsOf(root), ...SCRIPTS];
  const { name, seconds, options } = understand(args, names);
  if (SCRIPTS.includes(name)) {
    await ensureAddon(root, ['penstock']);
    return run(runtime(root), [join(root, 'test/fuzz/main.ts'), name, seconds, ...options]);
  }
  return fuzzKernel(root, name, seconds, options[1]);
}

function understand(args, names) {
  const [name, seconds, ...options] = args;
  const known = names.includes(name) && /^[1-9]\d{0,6}$/.test(seconds ?? '');
  if (known && (options.length === 0 || areOptions(name, ...options))) return { name, seconds, options };
  throw new LaunchError(
    'usage: npm run fuzz -- NAME SECONDS [--seed N], or: npm run fuzz -- http 1 --replay FILE; ' +
      `NAME is one of ${names.join(', ')}`,
    64,
  );
}

function areOptions(name, option, value, ...more) {
  if (value === undefined || more.length > 0) return false;
  return option === '--seed' ? /^\d{1,9}$/.test(value) : option === '--replay' && name === 'http';
}

async function fuzzKernel(root, kernel, seconds, seed) {
  const program = await ensureFuzzer(root, kernel, await ensureClang());
  const folder = join(root, 'build/fuzz', kernel);
  const [found, crashes] = [join(folder, 'corpus'), join(folder, 'crashes')];
  for (const path of [found, crashes]) mkdirSync(path, { recursive: true });
  const options = [`-max_total_time=${seconds}`, `-max_len=${MOST_BYTES}`, '-timeout=10', '-rss_limit_mb=1024'];
  if (kernel === 'json_lift') options.push(`-dict=${join(root, 'native/test/fuzz/json.dict')}`);
  if (seed !== undefined) options.push(`-seed=${seed}`);
  options.push(`-artifact_prefix=${crashes}/`, '-print_final_stats=1', found, seedsOf(root, kernel));
  const code = await run(program, options, { cwd: root, env: { ...process.env, ...SANITIZER_OPTIONS } });
  if (code !== 0) {
    process.stderr.write(
      `penstock: ${kernel} has a finding in ${crashes}: make it a file of ${seedsOf(root, kernel)} and a case of ` +
        'native/test/kernels_test.cc or images_test.cc\n',
    );
  }
  return code;
}

/** clang++ with libFuzzer: found, or installed from Debian where that is allowed. Resolves with its name. */
async function ensureClang() {
  if (await hasFuzzer()) return 'clang++';
  const mayInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  if (!mayInstall)
    throw new LaunchError('clang++ with libFuzzer is missing; install: clang libclang-rt-dev (Debian)', 69);
  process.stderr.write('penstock: installing clang ...\n');
  await apt(['update']);
  await apt(['install', '-y', '--no-install-recommends', 'clang']);
  const version = await clangVersion();
  if (!(await hasFuzzer())) await apt(['install', '-y', '--no-install-recommends', `libclang-rt-${version}-dev`]);
  if (await hasFuzzer()) return 'clang++';
  throw new LaunchError('clang++ is installed, but cannot link a fuzzer: its compiler-rt is missing', 69);
}

async function apt(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { code, output } = await capture('apt-get', args, { env });
  if (code !== 0) throw new LaunchError(`apt-get ${args.join(' ')} failed:\n${output.trimEnd()}`, 69);
}

async function clangVersion() {
  const { output } = await capture('clang++', ['--version']);
  return /version (\d+)/.exec(output)?.[1] ?? '';
}

/** Whether clang++ is there with the library that a fuzzer is linked with. */
async function hasFuzzer() {
  try {
    const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
    const library = `libclang_rt.fuzzer-${machine}.a`;
    const { code, output } = await capture('clang++', [`--print-file-name=${library}`]);
    // Where it has none, it answers with the bare name.
    return code === 0 && existsSync(output.trim());
  } catch (error) {
    if (error instanceof LaunchError) return false;
    throw error;
  }
}
