/** Programs under AddressSanitizer and UBSan: the native tests and the seeds' replay (g++), and the fuzzers (clang). */

import { mkdirSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { digestOf, listSources, upToDate, writeStamp } from './addon.mjs';
import { capture, LaunchError } from './process.mjs';

const FLAGS = [
  '-std=c++20',
  '-O1',
  '-g1',
  '-ffp-contract=off',
  '-fno-omit-frame-pointer',
  '-Wall',
  '-Wextra',
  '-Wpedantic',
];
const SANITIZERS = 'address,undefined';
const REPLAY = 'replay.cc';

/** Leaks are not looked for: the kernels own no memory, and the search needs rights that many containers do not give. */
export const SANITIZER_OPTIONS = { ASAN_OPTIONS: 'detect_leaks=0', UBSAN_OPTIONS: 'print_stacktrace=1' };

/** The kernels that have a fuzz target. */
export function kernelsOf(root) {
  return sourcesIn(join(root, 'native/test/fuzz'))
    .map((path) => basename(path))
    .filter((name) => name !== REPLAY)
    .map((name) => name.replace(/\.cc$/, ''));
}

/** The folder of a fuzz target's seeds. */
export function seedsOf(root, kernel) {
  return join(root, 'native/test/fuzz/corpus', kernel);
}

/** Builds the native tests and a replay per fuzz target, unless they are up to date. Resolves with their paths. */
export async function ensureSanitizedTests(root) {
  const folder = join(root, 'build/sanitized');
  const programs = { tests: join(folder, 'kernels_test'), replay: (kernel) => join(folder, `replay_${kernel}`) };
  const digest = digestOf([root, ...FLAGS, ...listSources(join(root, 'native'), 'corpus')]);
  if (upToDate(root, 'sanitized', digest)) return programs;
  process.stderr.write('penstock: building the native tests with sanitizers ...\n');
  mkdirSync(folder, { recursive: true });
  const kernels = await compile(root, folder, sourcesIn(join(root, 'native/kernels')));
  const watchers = await compile(root, folder, sourcesIn(join(root, 'native/process')));
  const targets = kernelsOf(root);
  const tests = await compile(root, folder, sourcesIn(join(root, 'native/test')));
  const sources = [REPLAY, ...targets.map((kernel) => `${kernel}.cc`)];
  const fuzz = sources.map((name) => join(root, 'native/test/fuzz', name));
  const [replay, ...inputs] = await compile(root, folder, fuzz);
  await gcc(root, [...tests, ...kernels, ...watchers, '-o', programs.tests]);
  for (const [i, kernel] of targets.entries()) {
    await gcc(root, [inputs[i], replay, ...kernels, '-o', programs.replay(kernel)]);
  }
  writeStamp(root, 'sanitized', digest);
  return programs;
}

/** Builds the libFuzzer program of one kernel with `clang`, unless it is up to date. Resolves with its path. */
export async function ensureFuzzer(root, kernel, clang) {
  const folder = join(root, 'build/fuzz', kernel);
  const program = join(folder, 'fuzzer');
  const digest = digestOf([root, clang, ...FLAGS, ...listSources(join(root, 'native'), 'corpus')]);
  if (upToDate(root, `fuzz-${kernel}`, digest)) return program;
  process.stderr.write(`penstock: building the fuzzer of ${kernel} ...\n`);
  mkdirSync(folder, { recursive: true });
  const sources = [join(root, 'native/test/fuzz', `${kernel}.cc`), ...sourcesIn(join(root, 'native/kernels'))];
  const sanitizers = [`-fsanitize=fuzzer,${SANITIZERS}`, '-fno-sanitize-recover=all'];
  await compiler(root, clang, [...FLAGS, ...sanitizers, ...sources, '-o', program]);
  writeStamp(root, `fuzz-${kernel}`, digest);
  return program;
}

function sourcesIn(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith('.cc'));
  return names.sort().map((name) => join(folder, name));
}

/** Compiles each source to an object in `folder`, as many at a time as there are cores. */
async function compile(root, folder, sources) {
  const objects = sources.map((source) => join(folder, `${basename(source, '.cc')}.${parentOf(source)}.o`));
  const waiting = sources.map((source, i) => ['-Werror', '-c', source, '-o', objects[i]]);
  const work = async () => {
    for (let args = waiting.shift(); args !== undefined; args = waiting.shift()) await gcc(root, args);
  };
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, work));
  return objects;
}

/** A kernel and its fuzz target have one name: the folder tells their objects apart. */
function parentOf(source) {
  return basename(join(source, '..'));
}

function gcc(root, args) {
  return compiler(root, 'g++', [...FLAGS, `-fsanitize=${SANITIZERS}`, '-fno-sanitize-recover=all', ...args]);
}

async function compiler(root, program, args) {
  const { code, output } = await capture(program, args, { cwd: root });
  if (code !== 0) throw new LaunchError(`${program} failed:\n${output.trimEnd()}`);
}
