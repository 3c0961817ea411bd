/** The checks of the project: types, lint, C++ format, native tests, vitest; one line of totals at the end. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runtime } from './packages.mjs';
import { capture, LaunchError, run } from './process.mjs';
import { ensureSanitizedTests, kernelsOf, SANITIZER_OPTIONS, seedsOf } from './sanitized.mjs';

const CLANG_FORMAT = { 'linux-x64': 'linux_x64', 'darwin-x64': 'darwin_x64', 'darwin-arm64': 'darwin_x64' };

/** Checks types, lint and C++ format. Resolves with the exit code. */
export async function lint(root) {
  return summary(await staticChecks(root));
}

/** Everything; with arguments (a path, a name pattern) only vitest, which gets them. Resolves with the exit code. */
export async function test(root, args) {
  if (args.length > 0) return summary([await vitest(root, args)]);
  return summary([
    ...(await staticChecks(root)),
    await nativeTests(root),
    ...(await sanitizedTests(root)),
    await vitest(root, []),
  ]);
}

async function staticChecks(root) {
  const node = runtime(root);
  return [
    await check('tsc', node, [join(root, 'node_modules/typescript/bin/tsc'), '--noEmit', '-p', root], root),
    await check(
      'biome',
      node,
      [join(root, 'node_modules/@biomejs/biome/bin/biome'), 'check', '--error-on-warnings'],
      root,
    ),
    await clangFormat(root),
  ];
}

async function check(name, program, args, root) {
  const { code, output } = await capture(program, args, { cwd: root });
  report(name, code === 0, output);
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

function report(name, passed, output) {
  process.stdout.write(`${passed ? 'passed' : 'FAILED'}  ${name}\n${passed ? '' : `${output.trimEnd()}\n`}`);
}

async function clangFormat(root) {
  const folder = CLANG_FORMAT[`${process.platform}-${process.arch}`];
  if (folder === undefined) {
    process.stdout.write('skipped clang-format: its package has no binary for this machine\n');
    return { passed: 0, failed: 0 };
  }
  const files = readdirSync(join(root, 'native'), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(cc|h)$/.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  const program = join(root, 'node_modules/clang-format/bin', folder, 'clang-format');
  return check('clang-format', program, ['--dry-run', '-Werror', ...files], root);
}

async function nativeTests(root) {
  const program = join(root, 'build/Release/penstock_native_test');
  if (!existsSync(program)) {
    report('native tests', false, `${program} is missing`);
    return { passed: 0, failed: 1 };
  }
  return executable('native tests', program, [], root);
}

/** The native tests once more under sanitizers, and every seed of every fuzz target replayed. */
async function sanitizedTests(root) {
  try {
    const programs = await ensureSanitizedTests(root);
    const results = [await executable('native tests, sanitized', programs.tests, [], root)];
    for (const kernel of kernelsOf(root)) {
      results.push(await executable(`fuzz seeds, ${kernel}`, programs.replay(kernel), [seedsOf(root, kernel)], root));
    }
    return results;
  } catch (error) {
    if (!(error instanceof LaunchError)) throw error;
    report('native tests, sanitized', false, error.message);
    return [{ passed: 0, failed: 1 }];
  }
}

/** A program that ends with "N passed, N failed". */
async function executable(name, program, args, root) {
  const { code, output } = await capture(program, args, { cwd: root, env: { ...process.env, ...SANITIZER_OPTIONS } });
  const counts = /(\d+) passed, (\d+) failed\s*$/.exec(output);
  report(name, code === 0, output);
  const passed = counts === null ? Number(code === 0) : Number(counts[1]);
  return { passed, failed: Math.max(Number(counts?.[2] ?? 0), Number(code !== 0)) };
}

async function vitest(root, args) {
  const results = join(root, 'build/vitest.json');
  mkdirSync(join(root, 'build'), { recursive: true });
  rmSync(results, { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${results}`];
  const cli = join(root, 'node_modules/vitest/vitest.mjs');
  const code = await run(runtime(root), [cli, 'run', '--root', root, ...reporters, ...args]);
  return { ...count(results, code) };
}

/** A file that does not even load has no failed test in it: it counts as one. */
function count(results, code) {
  if (!existsSync(results)) return { passed: 0, failed: 1 };
  const report = JSON.parse(readFileSync(results, 'utf8'));
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((result) => result.status === 'failed'),
  );
  const failed = report.numFailedTests + broken.length;
  return { passed: report.numPassedTests, failed: Math.max(failed, Number(code !== 0)) };
}

function summary(results) {
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const failed = results.reduce((sum, result) => sum + result.failed, 0);
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}
