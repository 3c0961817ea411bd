import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HttpAnswer, MAX_CODE_LENGTH, MAX_HEAD_BYTES } from '../../src/load/http-answer.ts';

const RUNS = 600;

/** Everything there is to know after `bytes`, cut at `cuts`, and, where `closed`, the end of the connection. */
function read(bytes: Buffer, cuts: readonly number[] = [], closed = false, answer = new HttpAnswer()) {
  answer.begin();
  const edges = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < edges.length; i++) {
    const piece = bytes.subarray(edges[i - 1], edges[i]);
    // A buffer that is used again for every read, as sockets do.
    const shared = Buffer.from(piece);
    answer.feed(shared, shared.length);
    shared.fill(0x7f);
  }
  if (closed) answer.close();
  const { status, errorCode, retryAfter, closing, done, malformed } = answer;
  return malformed ? { malformed } : { status, errorCode, retryAfter, closing, done, malformed };
}

const text = (answer: string) => read(Buffer.from(answer, 'latin1'));

const header = fc.oneof(
  fc.constantFrom(
    'Content-Length: 5',
    'content-length:0',
    'Transfer-Encoding: chunked',
    'Connection: close',
    'Retry-After: 1',
  ),
  fc.constantFrom(
    'X-Error-Code: OVERLOADED',
    'CONNECTION: Keep-Alive',
    'Date: now',
    'X-Error-Code:',
    'transfer-encoding: gzip',
  ),
  fc.constantFrom('no colon', ' folded: x', 'Content-Length: 7', 'Content-Length: 1e3', 'name : x'),
);
const status = fc.constantFrom(
  'HTTP/1.1 200 OK',
  'HTTP/1.1 503',
  'HTTP/1.0 429 x',
  'HTTP/1.1 100 Continue',
  'HTTP/1.1 204 No',
  'HTTP/2 200',
);
const body = fc.constantFrom(
  '',
  'hello',
  '5\r\nhello\r\n0\r\n\r\n',
  '3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n',
  'zz\r\n',
  '\r\n',
  'hellomore',
);
const head = fc.tuple(status, fc.array(header, { maxLength: 4 })).map(([s, h]) => [s, ...h, '', ''].join('\r\n'));
const answers = fc.oneof(
  fc
    .tuple(fc.array(head, { minLength: 1, maxLength: 3 }), body)
    .map(([heads, b]) => Buffer.from(heads.join('') + b, 'latin1')),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n'), bytes])),
);

describe('an HTTP answer', () => {
  test('is the same however its bytes are cut', () => {
    const property = fc.property(
      answers,
      fc.array(fc.nat(1000), { maxLength: 12 }),
      fc.boolean(),
      (bytes, raw, closed) => {
        const cuts = raw.map((cut) => cut % (bytes.length + 1));
        const whole = read(bytes, [], closed);
        expect(read(bytes, cuts, closed)).toEqual(whole);
        expect(
          read(
            bytes,
            Array.from(bytes, (_, i) => i),
            closed,
          ),
        ).toEqual(whole);
      },
    );
    fc.assert(property, { numRuns: RUNS });
  });

  test('leaves nothing behind for the next one on its connection', () => {
    const property = fc.property(answers, answers, (before, bytes) => {
      const used = new HttpAnswer();
      read(before, [], false, used);
      expect(read(bytes, [], false, used)).toEqual(read(bytes));
    });
    fc.assert(property, { numRuns: RUNS });
  });

  test.each([
    ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', { status: 200, closing: false }],
    ['no body', 'HTTP/1.1 204 No Content\r\n\r\n', { status: 204, closing: false }],
    [
      'chunks',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\nA;n=v\r\n0123456789\r\n1\r\nx\r\n0\r\nT: v\r\n\r\n',
      { status: 200 },
    ],
    [
      'chunks before a length',
      'HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      { status: 200 },
    ],
    ['bare line ends', 'HTTP/1.1 200 OK\ncontent-length: 1\n\nx', { status: 200 }],
    [
      'interim answers before',
      'HTTP/1.1 100 Continue\r\nX-Error-Code: NO\r\n\r\nHTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
      { status: 200, errorCode: '' },
    ],
    [
      'a refusal',
      'HTTP/1.1 503 Busy\r\nx-ERROR-code:  OVERLOADED \r\nretry-after: 1\r\nContent-Length: 2\r\n\r\nno',
      { status: 503, errorCode: 'OVERLOADED', retryAfter: true },
    ],
    ['an old server', 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n', { closing: true }],
    [
      'an old server that keeps',
      'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n',
      { closing: false },
    ],
    ['one that closes', 'HTTP/1.1 200 OK\r\nConnection: x, close\r\nContent-Length: 0\r\n\r\n', { closing: true }],
  ])('is whole with its last byte, with %s', (_what, bytes, expected) => {
    expect(text(bytes)).toMatchObject({ done: true, ...expected });
    expect(text(bytes.slice(0, -1))).toMatchObject({ done: false });
  });

  test('is the last on its connection where bytes come behind it', () => {
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx';
    expect(text(answer)).toMatchObject({ done: true, closing: false });
    expect(text(`${answer}HTTP`)).toMatchObject({ done: true, closing: true });
  });

  test('without a length is whole when the connection ends, and with one is not', () => {
    const open = Buffer.from('HTTP/1.1 200 OK\r\n\r\nanything');
    expect(read(open)).toMatchObject({ done: false });
    expect(read(open, [], true)).toMatchObject({ done: true, closing: true });
    expect(read(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nanything'), [], true)).toMatchObject({
      done: false,
    });
  });

  test.each([
    ['SSH-2.0-OpenSSH\r\n'],
    ['HTTP/1.1 20 OK\r\n'],
    ['HTTP/1.1 2000 OK\r\n'],
    ['HTTP/1.1 099 OK\r\n'],
    ['HTTP/1.1 101 Switching\r\n\r\n'],
    ['HTTP/1.1 200 OK\r\nnothing\r\n'],
    ['HTTP/1.1 200 OK\r\n: x\r\n'],
    ['HTTP/1.1 200 OK\r\nContent-Length: -1\r\n'],
    ['HTTP/1.1 200 OK\r\nContent-Length: \r\n'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1234567890123456\r\n'],
    ['HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1234567890123\r\n'],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n'],
  ])('is malformed: %j', (bytes) => {
    expect(text(bytes)).toEqual({ malformed: true });
  });

  test('is malformed where its head, its interim answers or its trailers have no end', () => {
    const ok = 'HTTP/1.1 200 OK\r\n';
    expect(text(ok + 'x'.repeat(MAX_HEAD_BYTES))).toEqual({ malformed: true });
    expect(text(ok + 'a: b\r\n'.repeat(MAX_HEAD_BYTES / 6))).toEqual({ malformed: true });
    expect(text('HTTP/1.1 100 Go\r\n\r\n'.repeat(MAX_HEAD_BYTES / 16))).toEqual({ malformed: true });
    const chunked = `${ok}Transfer-Encoding: chunked\r\n\r\n`;
    expect(text(`${chunked}0\r\n${'a: b\r\n'.repeat(MAX_HEAD_BYTES / 5)}`)).toEqual({ malformed: true });
    expect(text(`${chunked}${'1\r\nx\r\n'.repeat(MAX_HEAD_BYTES)}0\r\n\r\n`)).toMatchObject({
      done: true,
    });
    const longest = 'C'.repeat(MAX_CODE_LENGTH);
    const coded = (errorCode: string) => `${ok}X-Error-Code: ${errorCode}\r\nContent-Length: 0\r\n\r\n`;
    expect(text(coded(longest))).toMatchObject({ errorCode: longest });
    expect(text(coded(`${longest}C`))).toMatchObject({ done: true, errorCode: '' });
  });
});
