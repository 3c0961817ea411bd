/** What is done to valid requests: to their parts, where the framing stays sound, and to their bytes, where it does not. */

import type { Chance } from '../chance.ts';
import type { FuzzRequest } from './request.ts';

type Mutation = (request: FuzzRequest, chance: Chance) => void;

const VALUES = [
  ...['null', 'true', '""', '"x"', '[]', '{}', '[[]]', '{"a":1}', '[1,"a"]', '0', '-1', '1.5', '1e3', '-0', '1e400'],
  ...['256', '2147483648', '9007199254740993', '18446744073709551616', '1e-400', 'NaN', '-Infinity', 'nul', '01', '+1'],
  ...['"\\ud800"', '"\\u0000"', '"\ufeff"', '[9007199254740991,0]', '[0,9007199254740991]', '[1000000,1000000]'],
  ...['"BYTES"', '"FP16"', '"INT64"', '"INPUT1"', '"OUTPUT0"', '"__proto__"', '"constructor"', '{"__proto__":{}}'],
];
const MEMBERS = [
  ...['"id":"x"', '"id":7', '"data":[1]', '"data":null', '"shape":[1]', '"name":"INPUT0"', '"datatype":"FP32"'],
  ...['"parameters":{"timeout":1}', '"parameters":{"timeout":-1}', '"parameters":{"binary_data_size":16777216}'],
  ...['"parameters":{"binary_data_output":true}', '"parameters":{"priority":1}', '"inputs":[]', '"outputs":[]'],
  ...[
    '"parameters":{"shared_memory_region":"r"}',
    '"outputs":[{"name":"OUTPUT0","parameters":{"classification":1e9}}]',
  ],
  ...['"parameters":{"content_type":"base64"}', '"outputs":[{"name":"OUTPUT0","parameters":{"binary_data":true}}]'],
];
const TOKENS = [
  '[',
  ']',
  '{',
  '}',
  '"',
  ',',
  ':',
  '\\',
  '\\u',
  '[]',
  ' ',
  '\n',
  '\0',
  '\x7f',
  '\ufeff',
  'é',
  '1',
  '-',
  '.',
];
const HEAD_LENGTHS = ['', '0', '1', '-1', '1.5', 'x', '0x10', '1e2', ' 5', '2147483647', '2147483648', '99999999999'];
const HEADERS: readonly [string, string][] = [
  ['Content-Encoding', 'gzip'],
  ['Content-Encoding', 'deflate'],
  ['Content-Encoding', 'br'],
  ['Content-Encoding', 'gzip, gzip'],
  ['Content-Encoding', 'identity'],
  ['Accept-Encoding', 'gzip;q=1, deflate;q=0.5'],
  ['Accept-Encoding', 'identity;q=0, *;q=0'],
  ['Content-Type', 'image/png'],
  ['Origin', 'http://evil.example'],
  ['Origin', 'null'],
  ['X-Request-Id', 'mine-1'],
  ['X-Request-Id', 'x'.repeat(200)],
  ['X-Request-Id', '\xff\xfe'],
  ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
  ['traceparent', '00-zz'],
  ['Expect', '100-continue'],
  ['Connection', 'close'],
  ['Upgrade', 'websocket'],
  ['X-Request-Timeout-Ms', '1e9'],
  ['X-Long', 'y'.repeat(8000)],
];
const HOSTS = ['', 'evil.example', 'localhost:1', '[::1]:80', '127.0.0.1:99999', 'a b', '127.0.0.1@evil'];
const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'post', 'Get', 'X'];
const PATHS = [
  ...['/', '//', '/v2//models', '/v2/models/', '/v2/models//infer', '/v2/models/none/infer', '/v2/models/broken/infer'],
  ...['/v2/models/simple/versions/9/infer', '/v2/models/simple/versions//infer', '/v2/models/%73imple/infer'],
  ...['/v2/models/%/infer', '/v2/models/%00/infer', '/v2/models/..%2f..%2fetc/infer', '/v2/models/../../etc/passwd'],
  ...['/v2/models/simple/infer/', '/v2/models/simple/infer?x=1', '/v2/models/stats', '/metrics', '/v2/models/%ff'],
  ...[`/v2/models/${'m'.repeat(3000)}/infer`, '/v2/models/constructor/infer', '/v2/models/__proto__', '/V2/MODELS'],
  ...[
    '/v2/repository/index',
    '/v2/repository/models/simple/unload',
    '/v2/models/simple/infer#a',
    '/v2/models/id_fp32/ready',
  ],
];

/** Changes that keep the framing sound: they must be answered, exactly once. */
const SOUND: readonly Mutation[] = [
  (r, c) => replaceValue(r, c),
  (r, c) => replaceValue(r, c),
  (r, c) => insertMember(r, c),
  (r, c) => spliceJson(r, c, Buffer.from(c.pick(TOKENS))),
  (r, c) => spliceJson(r, c, c.bytes(c.upTo(3))),
  (r, c) => deepen(r, c),
  (r, c) => damageTail(r, c),
  (r, c) => {
    r.headLength = c.oneIn(4) ? null : c.oneIn(2) ? c.pick(HEAD_LENGTHS) : String(r.json.length + c.upTo(8) - 4);
  },
  (r, c) => void r.headers.push([...c.pick(HEADERS)]),
  (r, c) => {
    r.headers = [['Host', c.pick(HOSTS)]];
    // A missing or strange Host is what uWebSockets.js may drop without a word.
    r.sound = false;
  },
  (r, c) => {
    r.method = c.pick(METHODS);
  },
  (r, c) => {
    r.path = c.oneIn(2) ? c.pick(PATHS) : splicePath(r.path, c);
  },
  (r, c) => {
    if (r.framing !== 'none') r.framing = c.pick(['length', 'chunked']);
  },
];

/** Changes to the bytes, behind which nobody knows where a request ends. */
const UNSOUND: readonly Mutation[] = [
  (r, c) => change(r, (bytes) => flip(bytes, c)),
  (r, c) => change(r, (bytes) => bytes.subarray(0, c.upTo(bytes.length))),
  (r, c) =>
    replaceText(
      r,
      /Content-Length: (\d+)/,
      `Content-Length: ${c.pick(['0', '1', '-1', '9e9', '99999999999999999999', '12 34', ''])}`,
    ),
  (r, c) => replaceText(r, /Content-Length: (\d+)/, `Content-Length: $1\r\nContent-Length: ${c.upTo(100)}`),
  (r) => replaceText(r, /Content-Length: (\d+)/, 'Content-Length: $1\r\nTransfer-Encoding: chunked'),
  (r, c) =>
    replaceText(
      r,
      /Transfer-Encoding: chunked/,
      `Transfer-Encoding: ${c.pick(['gzip', 'chunked, gzip', 'CHUNKED', ''])}`,
    ),
  (r, c) =>
    replaceText(r, /\r\n\r\n([0-9a-f]+)\r\n/, `\r\n\r\n${c.pick(['fffffffff', '-1', '$1;a=b', '0', 'x', '+5'])}\r\n`),
  (r, c) =>
    replaceText(r, / HTTP\/1\.1/, c.pick([' HTTP/1.0', ' HTTP/2.0', ' HTTP/1.1 ', '', ' http/1.1', ' HTTP/9.9'])),
  (r, c) => replaceText(r, /\r\n/, c.pick(['\n', '\r', '\r\n ', '\r\n: x\r\n', '\r\nA : b\r\n', '\r\nA\0: b\r\n'])),
  (r) => replaceText(r, /Host: [^\r]*\r\n/, ''),
  (r) => replaceText(r, /Host: ([^\r]*)/, 'Host: $1\r\nHost: other'),
  (r, c) => replaceText(r, /\r\n\r\n/, `\r\n${'A: b\r\n'.repeat(1 + c.upTo(200))}\r\n`),
  (r, c) => replaceText(r, / \//, c.pick([' http://127.0.0.1/', ' *', ' ', '  /', ' \\'])),
  (r) => change(r, (bytes) => Buffer.concat([bytes, bytes])),
  (r, c) => {
    r.sound = false;
    r.leavesAfter = c.upTo(600);
  },
];

/** Share of the requests that lose their framing: each of them costs the time of waiting for nothing. */
const UNSOUND_ONE_IN = 5;

/** Changes a valid request in up to three ways; some stay as they are. */
export function mutate(request: FuzzRequest, chance: Chance): void {
  const changes = chance.upTo(3);
  if (changes === 0) return;
  request.untouched = false;
  for (let i = 0; i < changes; i++) chance.pick(SOUND)(request, chance);
  if (chance.oneIn(UNSOUND_ONE_IN)) chance.pick(UNSOUND)(request, chance);
}

/** Some value of the document, found by the character before it, becomes another one. */
function replaceValue(request: FuzzRequest, chance: Chance): void {
  const text = request.json.toString('latin1');
  const starts = [...text.matchAll(/[:[,](?=["\d[{tfn-])/g)].map((match) => match.index + 1);
  if (starts.length === 0) return;
  const start = chance.pick(starts);
  const length = /^("(?:[^"\\]|\\.)*"|[-+\w.]+|\[[^[\]{}]*\]|.)/.exec(text.slice(start))?.[0].length ?? 1;
  splice(request, start, length, Buffer.from(chance.pick(VALUES)));
}

function insertMember(request: FuzzRequest, chance: Chance): void {
  const opens = [...request.json.toString('latin1').matchAll(/\{/g)].map((match) => match.index + 1);
  if (opens.length > 0) splice(request, chance.pick(opens), 0, Buffer.from(`${chance.pick(MEMBERS)},`));
}

function spliceJson(request: FuzzRequest, chance: Chance, insert: Buffer): void {
  splice(request, chance.upTo(request.json.length), chance.upTo(4), insert);
}

/** Where the length of the head was right, it is kept right: what lies behind is what is to be tried. */
function splice(request: FuzzRequest, start: number, remove: number, insert: Buffer): void {
  const { json } = request;
  const right = request.headLength === String(json.length);
  request.json = Buffer.concat([json.subarray(0, start), insert, json.subarray(start + remove)]);
  if (right) request.headLength = String(request.json.length);
}

function deepen(request: FuzzRequest, chance: Chance): void {
  const depth = chance.pick([1, 2, 97, 99, 100, 101, 129, 5000]);
  const at = request.json.indexOf('[', chance.upTo(request.json.length));
  const close = at < 0 ? -1 : request.json.indexOf(']', at);
  if (close < 0) return;
  const inner = request.json.subarray(at, close + 1);
  const nested = Buffer.concat([Buffer.alloc(depth, '['), inner, Buffer.alloc(chance.oneIn(3) ? 0 : depth, ']')]);
  splice(request, at, inner.length, nested);
}

function damageTail(request: FuzzRequest, chance: Chance): void {
  const { tail } = request;
  const at = chance.upTo(tail.length);
  const insert = chance.pick([
    Buffer.alloc(0),
    chance.bytes(1),
    Buffer.alloc(4, 0xff),
    chance.bytes(64),
    Buffer.alloc(70_000),
  ]);
  request.tail = Buffer.concat([tail.subarray(0, at), insert, tail.subarray(at + chance.upTo(5))]);
}

/** Visible characters only: others are no request line. */
function splicePath(path: string, chance: Chance): string {
  const at = 1 + chance.upTo(path.length - 1);
  return (
    path.slice(0, at) +
    chance.pick(['%', '%2f', '/', '..', '?', ';', '~', '"', '<', '%C3%A9']) +
    path.slice(at + chance.upTo(3))
  );
}

function change(request: FuzzRequest, how: (bytes: Buffer) => Buffer): void {
  request.sound = false;
  request.raw.push(how);
}

function replaceText(request: FuzzRequest, what: RegExp, by: string): void {
  change(request, (bytes) => Buffer.from(bytes.toString('latin1').replace(what, by), 'latin1'));
}

/** A bit or a byte, mostly in the head. */
function flip(bytes: Buffer, chance: Chance): Buffer {
  const changed = Buffer.from(bytes);
  for (let i = chance.upTo(2); i >= 0; i--) {
    const at = chance.upTo(Math.min(bytes.length - 1, chance.oneIn(3) ? bytes.length : 120));
    changed[at] = chance.oneIn(2) ? (changed[at] as number) ^ (1 << chance.upTo(7)) : chance.upTo(255);
  }
  return changed;
}
