/** Requests for the tests of the lift: a model with an input of every datatype, and bodies for it, good and hostile. */

import fc from 'fast-check';
import { DATATYPES, type Datatype } from '../../src/core/datatype.ts';

/** One input per datatype, in id order; the first with a name that JSON must escape. One name comes in two forms. */
export const MODEL: readonly { name: string; datatype: Datatype }[] = [
  { name: 'FP32', datatype: 'BYTES' },
  ...DATATYPES.map((row) => ({ name: row.id === 0 ? 'a "quoted" näme' : row.name, datatype: row.name })),
];

const INTEGER_EDGES = [0n, 1n, 127n, 128n, 255n, 256n, 32767n, 32768n, 65535n, 65536n, 2n ** 31n, 2n ** 32n - 1n];
const LONG_EDGES = [2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n, 10n ** 19n, 10n ** 30n];

/** Number texts of the JSON grammar, at the edges of every datatype and beyond. */
export const numberText = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer({ min: -300, max: 300 }).map(String),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
  fc.constantFrom(...[...INTEGER_EDGES, ...LONG_EDGES].flatMap((edge) => [`${edge}`, `-${edge}`, `-${edge + 1n}`])),
  fc
    .tuple(fc.nat(99_999), fc.nat(6), fc.integer({ min: -8, max: 24 }))
    .map(([a, b, e]) => `${a}.${`${b}`.repeat(3)}e${e}`),
  fc
    .tuple(fc.integer({ min: 1, max: 999 }), fc.integer({ min: -3, max: 3 }))
    .map(([a, e]) => `${a}00E${e >= 0 ? '+' : ''}${e}`),
  fc.constantFrom('-0', '0.0', '1.0', '-1e0', '0e999999999', '1e-400', '1e38', '3.4028236e38', '3.4028235e38', '1e308'),
  fc.constantFrom(
    '4.9e-324',
    '2.4e-324',
    '9007199254740993',
    '0.1000000000000000055511151231257827',
    '1e999',
    '-1e999',
  ),
  fc.constantFrom(
    '0e99999999999',
    '1e-99999999999',
    `1${'0'.repeat(399)}`,
    `1${'0'.repeat(400)}`,
    `1.${'0'.repeat(399)}`,
  ),
  fc.constantFrom(`0.${'0'.repeat(50)}1`, `${'9'.repeat(19)}`, `${'9'.repeat(20)}`, `1${'0'.repeat(40)}e-38`),
  fc.constantFrom('16777217', '16777219', '7.038531e-26', '1.00000017881393421514957253748434595763683319091796876'),
);
const hostileNumber = fc.constantFrom(
  '01',
  '+1',
  '.5',
  '1.',
  '1e',
  '1e+',
  '--1',
  '0x10',
  '1_0',
  '-',
  '1,',
  ',1',
  '1 2',
);

const SPACES = ['', '', '', ' ', '\n\t', '\r\n  '];
/** JSON strings, plain and escaped. */
export const stringText = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => JSON.stringify(text)),
  fc.string({ unit: 'binary', maxLength: 8 }).map((text) => JSON.stringify(text)),
  fc.constantFrom('"\\u00e9\\ud83d\\ude00\\/"', '"\\u0000"', '"é😀\u007f"', '"twelve bytes and more \\n of it"', '""'),
);
const hostileString = fc.constantFrom(
  '"\\ud800"',
  '"\\udc00x"',
  '"\\ud800\\u0041"',
  '"\\x"',
  '"\\u12g4"',
  '"\n"',
  '"\\ud83d\\ud83d"',
  '"open',
  '"\\"',
  '"\\u12"',
);
/** The bare words that `data` may hold for one datatype or another. */
export const word = fc.constantFrom('true', 'false', 'null', 'NaN', 'Infinity', '-Infinity');
const hostileWord = fc.constantFrom(
  'nan',
  'tru',
  'TRUE',
  'infinity',
  '+Infinity',
  '-NaN',
  'nulll',
  '{}',
  '{"a":1}',
  '[',
  ']',
);

function elementFor(type: Datatype): fc.Arbitrary<string> {
  if (type === 'BYTES') return stringText;
  if (type === 'BOOL') return fc.constantFrom('true', 'false', '0', '1', '1.0', '-0', '10e-1');
  if (type === 'FP32') {
    return fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.constantFrom('null', 'NaN', '-Infinity'),
    );
  }
  if (type === 'FP64') {
    return fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.constantFrom('null', 'Infinity'),
    );
  }
  const bits = Number(type.replace(/\D/g, ''));
  const [min, max] = type.startsWith('U')
    ? [0n, 2n ** BigInt(bits) - 1n]
    : [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n];
  return fc.oneof(
    fc.bigInt({ min, max }).map(String),
    fc.constantFrom(`${min}`, `${max}`, '1e1', '12.0', '100e-2', '-0'),
  );
}

/** Flat elements as an array of the given shape. */
export function nest(elements: readonly string[], shape: readonly number[], space: string): string {
  if (shape.length <= 1) return `[${space}${elements.join(`${space},${space}`)}${space}]`;
  const each = shape.slice(1).reduce((product, n) => product * n, 1);
  const rows = Array.from({ length: shape[0] }, (_, i) =>
    nest(elements.slice(i * each, (i + 1) * each), shape.slice(1), space),
  );
  return `[${rows.join(`,${space}`)}${space}]`;
}

function escapeKey(key: string, escaped: boolean): string {
  return escaped ? `"\\u${key.charCodeAt(0).toString(16).padStart(4, '0')}${key.slice(1)}"` : JSON.stringify(key);
}

interface Member {
  type: Datatype;
  name: string;
  data: string;
  count: number;
}

/** The datatypes that have a JSON form. */
export const jsonTypes = DATATYPES.map((row) => row.name).filter((name) => name !== 'FP16' && name !== 'BF16');

function member(element: (type: Datatype) => fc.Arbitrary<string>): fc.Arbitrary<Member> {
  return fc
    .record({
      type: fc.constantFrom(...jsonTypes),
      shape: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 3 }),
      space: fc.constantFrom(...SPACES),
      known: fc.integer({ min: 0, max: 9 }),
    })
    .chain(({ type, shape, space, known }) => {
      const count = shape.reduce((product, n) => product * n, 1);
      const name = known === 0 ? 'stranger' : (MODEL.find((input) => input.datatype === type)?.name ?? '');
      return fc
        .array(element(type), { minLength: count, maxLength: count })
        .map((elements) => ({ type, name, count, data: nest(elements, shape, space) }));
    });
}

/** A request around the members, its keys in any order, some of them escaped, with other members between them. */
function request(members: fc.Arbitrary<Member[]>): fc.Arbitrary<string> {
  return fc
    .record({
      members,
      order: fc.array(fc.nat(1000), { minLength: 40, maxLength: 40 }),
      escaped: fc.boolean(),
      space: fc.constantFrom(...SPACES),
      id: fc.option(fc.oneof(stringText, fc.constantFrom('null', '""', '7', '["x"]'))),
      extra: fc.json({ maxDepth: 3 }),
    })
    .map(({ members: list, order, escaped, space, id, extra }) => {
      const object = (entries: [string, string][], salt: number) => {
        const sorted = entries.map((entry, i) => [order[(i + salt) % 40], entry] as const).sort((a, b) => a[0] - b[0]);
        return `{${sorted.map(([, [key, value]]) => `${space}${escapeKey(key, escaped)}${space}:${space}${value}`).join(',')}${space}}`;
      };
      const inputs = list.map((m, i) =>
        object(
          [
            ['name', JSON.stringify(m.name)],
            ['datatype', `"${m.type}"`],
            ['shape', `[${m.count}]`],
            ['data', m.data],
            ['parameters', extra],
          ],
          i * 5,
        ),
      );
      const entries: [string, string][] = [
        ['inputs', `[${inputs.join(`${space},`)}]`],
        ['parameters', extra],
      ];
      if (id !== null) entries.push(['id', id]);
      return space + object(entries, 31) + space;
    });
}

/** Requests that must be lifted. */
export const validRequest = request(fc.array(member(elementFor), { maxLength: 4 }));
/** Well-formed JSON whose elements need not suit their datatype. */
export const looseRequest = request(
  fc.array(
    member(() => fc.oneof(numberText, stringText, word, { weight: 2, arbitrary: elementFor('INT8') })),
    { maxLength: 2 },
  ),
);
/** Requests with elements that are no JSON. */
export const hostileRequest = request(
  fc.array(
    member(() => fc.oneof(numberText, hostileNumber, hostileString, hostileWord, stringText, word)),
    { maxLength: 3 },
  ),
);

/** A splice of a few bytes somewhere. */
export const mutation = fc.record({
  at: fc.nat(1_000_000),
  remove: fc.integer({ min: 0, max: 6 }),
  insert: fc.oneof(
    fc.uint8Array({ maxLength: 3 }),
    fc
      .constantFrom(
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
        'null',
        '1',
        '"id":1,',
        '"data":[1],',
        '\ufeff',
      )
      .map((s) => Buffer.from(s)),
  ),
});

/** The text after some splices. */
export function mutate(text: string, mutations: { at: number; remove: number; insert: Uint8Array }[]): Uint8Array {
  return mutations.reduce<Uint8Array>((bytes, { at, remove, insert }) => {
    const start = at % (bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, start), insert, bytes.subarray(start + remove)]);
  }, Buffer.from(text));
}

/** One input of `type` around `data`. */
export function single(type: Datatype, data: string): Buffer {
  const name = MODEL.find((input) => input.datatype === type)?.name;
  return Buffer.from(`{"inputs":[{"name":${JSON.stringify(name)},"datatype":"${type}","data":${data}}]}`);
}
