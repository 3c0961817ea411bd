/**
 * The house rules that a compiler does not know, as a reader of sources: each rule answers with `file:line: what`.
 * It reads lines, not a syntax tree: the formatter guarantees where declarations begin and end.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** Rooms from top to bottom, as ARCHITECTURE.md "Layers" has them. Imports point down; equals do not import each other. */
const LAYERS: readonly (readonly string[])[] = [
  ['main', 'cli'],
  ['gateway'],
  ['http', 'stream'],
  ['pipeline'],
  ['auth', 'routing', 'codec', 'preprocess', 'batching', 'registry', 'workers'],
  ['native', 'config', 'metrics', 'logging', 'load'],
  ['core'],
];

/** The one place that may import each third-party library; piscina has two, in rooms that must not know each other. */
const IMPORTERS: Readonly<Record<string, string | readonly string[]>> = {
  autocannon: 'load/closed-loop.ts',
  'hdr-histogram-js': 'load/histogram.ts',
  'uWebSockets.js': 'http/',
  jose: 'auth/',
  'onnxruntime-node': 'workers/session.ts',
  piscina: ['workers/', 'preprocess/decode-'],
  pino: 'logging/logger.ts',
  'pino-pretty': 'logging/logger.ts',
  'prom-client': 'metrics/metrics.ts',
  sharp: 'preprocess/decode-thread.ts',
  yaml: 'config/document.ts',
  zod: 'config/',
};

/** What is decided here hangs on the events that it is told and on nothing else, so that a simulator can drive it. */
const PURE_ROOM = 'batching/';

/** Who tells it: the one that may wait. */
const DRIVER = 'batching/driver.ts';

/** Ways to learn the time or chance that nobody told, and to wait. Names in comments are none. */
const UNTOLD = /^(?!\s*(?:\/?\*|\/\/)).*(?:\bDate\b|\bperformance\b|\bMath\.random\b|\bprocess\.|\bcrypto\b|'node:)/;
const WAITS = /^(?!\s*(?:\/?\*|\/\/)).*\b(?:setTimeout|setInterval|setImmediate|queueMicrotask|await)\b/;

const MAX_FILE_LINES = 500;
const MAX_FUNCTION_LINES = 70;
const BANNED_NAME = /(^|[^a-z])(utils?|helpers?|misc|common|managers?)([^a-z]|$)/i;
const BANNED_CLASS = /\bclass \w*(Util|Helper|Misc|Manager)s?\b/;

interface Source {
  /** Relative to the folder of all sources, with forward slashes. */
  readonly path: string;
  readonly lines: readonly string[];
}

type Rule = (source: Source) => readonly string[];

/** Everything wrong under `root` (a folder like src/), as `path:line: what`. */
export function inspectSources(root: string): string[] {
  const sources = readSources(root, '.ts');
  const rules: readonly Rule[] = [
    layers,
    libraries,
    documentation,
    markers,
    sizes,
    functionSizes,
    names,
    state,
    purity,
  ];
  return sources.flatMap((source) => rules.flatMap((rule) => rule(source)));
}

/** Every comment of a TypeScript or C++ file under `root` that runs on: the formatter breaks code, not comments. */
export function inspectComments(root: string): string[] {
  return ['.ts', '.cc', '.h']
    .flatMap((extension) => readSources(root, extension))
    .flatMap((source) => matching(source, /^(?=.{141})\s*(\/\/|\/?\*)/, 'a comment beyond column 140'));
}

/** Every C++ file under `root` that includes Node-API: kernels are plain C++. */
export function inspectKernels(root: string): string[] {
  return [...readSources(root, '.cc'), ...readSources(root, '.h')].flatMap((source) =>
    matching(source, /#\s*include\s*[<"](napi|node_api|js_native_api)/, 'a kernel must not include Node-API'),
  );
}

function readSources(root: string, extension: string): Source[] {
  return readdirSync(root, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(extension))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => ({
      path: relative(root, file).replaceAll('\\', '/'),
      lines: readFileSync(file, 'utf8').split('\n'),
    }));
}

function matching({ path, lines }: Source, pattern: RegExp, what: string): string[] {
  return lines.flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${what}`] : []));
}

/** Every module named by an import, an export-from or a dynamic import, with its line. */
function imports({ lines }: Source): { readonly line: number; readonly module: string }[] {
  return lines.flatMap((text, i) => {
    const found = /(?:^(?:import|export)\b.*|^\}.*)\bfrom '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/.exec(text);
    const module = found?.[1] ?? found?.[2] ?? found?.[3];
    return module === undefined ? [] : [{ line: i + 1, module }];
  });
}

function roomOf(path: string): string {
  return (path.split('/')[0] as string).replace(/\.ts$/, '');
}

function rankOf(room: string): number {
  return LAYERS.findIndex((rooms) => rooms.includes(room));
}

function layers(source: Source): string[] {
  const room = roomOf(source.path);
  if (rankOf(room) < 0) return [`${source.path}:1: room '${room}' is in no layer`];
  return imports(source).flatMap(({ line, module }) => {
    if (!module.startsWith('.')) return [];
    const other = roomOf(join(dirname(source.path), module));
    const down = rankOf(other) > rankOf(room) || other === room || (room === 'main' && other === 'cli');
    return down ? [] : [`${source.path}:${line}: '${room}' must not import '${other}'`];
  });
}

/** The package of a module specifier, without the path inside it. */
function packageOf(module: string): string {
  return module
    .split('/')
    .slice(0, module.startsWith('@') ? 2 : 1)
    .join('/');
}

function libraries(source: Source): string[] {
  return imports(source).flatMap(({ line, module }) => {
    if (module.startsWith('.') || module.startsWith('node:')) return [];
    const places = [IMPORTERS[packageOf(module)] ?? []].flat();
    if (places.length === 0) return [`${source.path}:${line}: library '${module}' has no place in the house`];
    if (places.some((place) => source.path.startsWith(place))) return [];
    return [`${source.path}:${line}: only ${places.join(' and ')} may import '${module}'`];
  });
}

function documentation(source: Source): string[] {
  const { path, lines } = source;
  const head = lines[0]?.startsWith('/**') ? [] : [`${path}:1: no head comment`];
  const bare = lines.flatMap((line, i) => {
    const declared = /^export (?:default )?(?:async )?(?:abstract )?(?:function|class|const|interface|type)\b/.test(
      line,
    );
    return declared && !lines[i - 1]?.endsWith('*/') ? [`${path}:${i + 1}: an export without docstring`] : [];
  });
  return [...head, ...bare, ...matching(source, /^export (\*|\{.*\} from)/, 're-exports: no barrels in src/')];
}

function markers(source: Source): string[] {
  return [
    ...matching(source, /\b(FIXME|TODO|XXX)\b/, 'a marker of unfinished work'),
    ...matching(source, /\bas any\b/, 'any'),
    ...matching(source, /@ts-(ignore|nocheck|expect-error)/, 'a silenced compiler'),
  ];
}

function sizes({ path, lines }: Source): string[] {
  return lines.length > MAX_FILE_LINES + 1 ? [`${path}:${MAX_FILE_LINES}: over ${MAX_FILE_LINES} lines`] : [];
}

const STATEMENT = /^\s*(\}|if|for|while|switch|do|else|try|catch|return)\b/;
const FUNCTION_HEAD = /\bfunction\b.*\{$|=> \{$|^\s*\).*\{$|^\s+(?:(?:static|async|get|set|override) )*[#\w]+\(.*\{$/;

function functionSizes({ path, lines }: Source): string[] {
  return lines.flatMap((line, i) => {
    if (STATEMENT.test(line) || !FUNCTION_HEAD.test(line)) return [];
    const indent = line.length - line.trimStart().length;
    const length = lines.slice(i + 1).findIndex((l) => l.startsWith(`${' '.repeat(indent)}}`)) + 2;
    return length > MAX_FUNCTION_LINES ? [`${path}:${i + 1}: a function of ${length} lines`] : [];
  });
}

function names(source: Source): string[] {
  const file = BANNED_NAME.test(source.path) ? [`${source.path}:1: a name that says nothing`] : [];
  return [...file, ...matching(source, BANNED_CLASS, 'a class name that says nothing')];
}

function state(source: Source): string[] {
  return matching(source, /^(export )?(let|var)\b/, 'state of the module');
}

function purity(source: Source): string[] {
  if (!source.path.startsWith(PURE_ROOM)) return [];
  const untold = matching(source, UNTOLD, 'a clock or chance of its own in what is told both');
  if (source.path === DRIVER) return untold;
  return [...untold, ...matching(source, WAITS, 'a wait in what only answers to events')];
}
