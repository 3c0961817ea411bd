/** The native addon and its test executable: built when their sources, the compiler settings or Node changed. */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { runtime, runtimeFolder } from './packages.mjs';
import { capture, LaunchError } from './process.mjs';
import { inTurn } from './turn.mjs';

const PRODUCTS = {
  penstock: 'build/Release/penstock.node',
  penstock_native_test: 'build/Release/penstock_native_test',
};

/** Builds the named targets of binding.gyp that are not up to date. A target that binding.gyp lacks is left out. */
export async function ensureAddon(root, targets) {
  const gyp = readFileSync(join(root, 'binding.gyp'), 'utf8');
  const wanted = targets.filter((target) => gyp.includes(`"${target}"`));
  const nodePackage = join(dirname(runtime(root)), '../package.json');
  const settings = digestOf([gyp, readFileSync(nodePackage), root]);
  const sources = digestOf([settings, ...listSources(join(root, 'native'), 'fuzz')]);
  const stale = () => wanted.filter((target) => !upToDate(root, target, sources));
  await inTurn(
    root,
    () => stale().length === 0,
    () => buildTargets(root, stale(), settings, sources),
  );
}

async function buildTargets(root, stale, settings, sources) {
  process.stderr.write(`penstock: building ${stale.join(', ')} ...\n`);
  if (!upToDate(root, 'settings', settings) || !existsSync(join(root, 'build/Makefile'))) {
    await nodeGyp(root, ['configure']);
    writeStamp(root, 'settings', settings);
  }
  for (const target of stale) rmSync(stampPath(root, target), { force: true });
  await nodeGyp(root, ['build', '--jobs', 'max', ...stale]);
  for (const target of stale) writeStamp(root, target, sources);
}

/** Every file under `folder` with its bytes, in a fixed order, without what lies in folders named `without`. */
export function listSources(folder, without) {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === without ? [] : listSources(path, without);
    return [path, readFileSync(path)];
  });
}

/** A digest of texts and buffers, in their order. */
export function digestOf(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}\0`).update(part);
  return hash.digest('hex');
}

function stampPath(root, name) {
  return join(root, 'build', `.stamp-${name}`);
}

/** Whether `name` was built with exactly this digest. */
export function upToDate(root, name, digest) {
  if (name in PRODUCTS && !existsSync(join(root, PRODUCTS[name]))) return false;
  const path = stampPath(root, name);
  return existsSync(path) && readFileSync(path, 'utf8') === digest;
}

/** Remembers that `name` is built. */
export function writeStamp(root, name, digest) {
  mkdirSync(join(root, 'build'), { recursive: true });
  writeFileSync(stampPath(root, name), digest);
}

/** node-gyp on Node 22, whose package also holds the headers: nothing is fetched. */
async function nodeGyp(root, args) {
  const node = runtime(root);
  const cli = join(root, 'node_modules/node-gyp/bin/node-gyp.js');
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}` };
  const options = [`--nodedir=${runtimeFolder(root)}`, '--loglevel=warn'];
  const { code, output } = await capture(node, [cli, ...args, ...options], { cwd: root, env });
  if (code === 0) return;
  throw new LaunchError(
    `node-gyp ${args[0]} failed:\n${output.trimEnd()}\n` +
      'The addon needs python3, make and g++ (C++20). Try again with: node bin/penstock.mjs build-addon',
  );
}
